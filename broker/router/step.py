"""One step of the router, without I/O: records in, all that must be written out.

    read    each record is parsed                                     -> ParsedRecord
    decide  verify, ask the policy, remember the stream               -> record + deliveries
    sign    one signature over the whole batch                        -> decisions and receipts

What a step returns is committed in one Kafka transaction or not at all (broker/router/loop.py). The same
records, state, directory, time and entropy give the same step. A record that cannot be parsed or verified
goes to quarantine and blocks no other. There it is held with its digest and its size, and of what is large
its beginning, which has the header: whoever writes garbage does not fill the topic. What would be accepted
and is over the unit's quota (protocol/envelope/quotas.py) is refused, with the time to wait. Whatever is not
delivered counts, too, since it is a leaf for ever: where that is over the quota the step ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol import topics
from protocol.canonical import encode
from protocol.envelope.core import Core
from protocol.envelope.quotas import DEFAULT_QUOTA, OverQuota, Quota, Use
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import Submission, encode_delivery, parse_submission
from protocol.errors import Code, Rejected
from protocol.exchange_rules import NO_CONSENTS, Consents, ExchangeCase, decide_exchange
from protocol.identifiers import Entropy, Millis, UnitId, digest
from protocol.limits import MAX_QUARANTINED
from protocol.parties import Parties
from protocol.signatures import Signer
from protocol.trail.batches import (
    DecisionType,
    OutboxPlace,
    Reason,
    Record,
    RecordType,
    sign_batch,
    summarize,
)
from protocol.verification import is_sender_proven, verify_submission
from runtime.kafka.ports import InputRecord, OutputRecord

QUARANTINE_VERSION = 1


@dataclass(frozen=True, slots=True)
class ParsedRecord:
    """A record, and what parsing made of it."""

    raw: InputRecord
    content: Submission | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step decides by. One per batch: the time does not change within it.

    The directory may grow between two records; each decision names the size that it was made by.
    """

    owner: UnitId
    partition: int
    partitions: int
    router: str
    signer: Signer
    parties: Parties
    now: Millis
    entropy: Entropy
    consents: Consents = field(default_factory=lambda: NO_CONSENTS)
    quota: Quota = DEFAULT_QUOTA
    """Of this partition."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one transaction. At least one record always fits."""

    records: int = 500
    output_bytes: int = 8_000_000
    decision_bytes: int = 600_000
    """All decisions of a batch travel in one Kafka record, which is bounded."""


@dataclass(frozen=True, slots=True)
class DecidedRecord:
    """One record's outcome."""

    record: Record
    submission: Submission | None
    """Set when the message is to be delivered."""

    quarantine: bytes | None = None
    over: OverQuota | None = None
    """Set when nothing but the quota is against it."""

    @property
    def is_charged(self) -> bool:
        """Whether it counts as a refusal of the quota's.

        What breaks a rule of the exchange does not: that is said once of each message. Nor does what comes
        twice: a daemon that is not answered sends again. Both are counted by themselves.
        """
        return self.quarantine is not None or self.over is not None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What must be committed together."""

    outputs: tuple[OutputRecord, ...]
    position: int
    state: ReplayState
    use: Use
    decided: tuple[DecidedRecord, ...]


def parse_input(record: InputRecord) -> ParsedRecord:
    """Parse one record. Whatever is raised over it is a refusal: nobody's bytes keep those behind them."""
    try:
        return ParsedRecord(record, parse_submission(record.value))
    except Rejected as rejected:
        return ParsedRecord(record, rejected)
    except Exception as error:  # noqa: BLE001 - a fault of ours
        return ParsedRecord(record, _failed(error))


def _failed(error: Exception) -> Rejected:
    return Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})")


def claimed_directory(records: Sequence[ParsedRecord]) -> int:
    """The largest directory that any sender names: a router with a smaller one should catch up."""
    return max(
        (r.content.header.core.directory_head.size for r in records if isinstance(r.content, Submission)),
        default=0,
    )


class Step:
    """A step under way: records are decided in their order, then all are signed together.

    Whoever runs it may let others have their turn between two records.
    """

    def __init__(
        self, *, state: ReplayState, context: StepContext, budget: Budget, use: Use | None = None
    ) -> None:
        self._after = state.copy()
        self._use = use or Use()
        self._context = context
        self._budget = budget
        self._decided: list[DecidedRecord] = []
        self._position = self._size = self._decisions = 0

    @property
    def is_full(self) -> bool:
        """Whether the budget is spent."""
        return (
            len(self._decided) >= self._budget.records
            or self._size >= self._budget.output_bytes
            or self._decisions >= self._budget.decision_bytes
            or (bool(self._decided) and self._pause() > 0)
        )

    def decide(self, parsed: ParsedRecord) -> None:
        """Decide the next record."""
        try:
            one = self._counted(parsed, _decide(parsed, state=self._after, context=self._context))
        except Exception as error:  # noqa: BLE001 - a fault of ours over one record is no reason to decide none
            one = _quarantined(parsed, _failed(error), self._context, None)
        if one.submission is None:
            count = self._use.refused if one.is_charged else self._use.answered
            self._use = count(now=self._context.now, quota=self._context.quota)
        self._decided.append(one)
        addressees = len(parsed.content.header.core.to) if isinstance(parsed.content, Submission) else 1
        self._size += len(parsed.raw.value) * addressees
        self._decisions += 600 + 100 * (addressees + len(one.record.reasons))
        self._position = parsed.raw.offset + 1

    def _pause(self) -> float:
        return self._use.pause(now=self._context.now, quota=self._context.quota)

    def _counted(self, parsed: ParsedRecord, one: DecidedRecord) -> DecidedRecord:
        """The same outcome, or a refusal where what would be accepted is over the quota."""
        submission, context = one.submission, self._context
        if submission is None:
            return one
        self._use, over = self._use.submitted(
            size=len(parsed.raw.value),
            addressees=len(submission.header.core.to),
            taken=Millis(parsed.raw.timestamp),
            now=context.now,
            quota=context.quota,
        )
        if over is None:
            return one
        why = (Reason(Code.E_QUOTA, context.owner, over.wait),)
        return DecidedRecord(_record(parsed, RecordType.REJECTED, why, context, submission), None, over=over)

    def sign(self) -> StepOutcome:
        """Sign what was decided, and say what is to be committed."""
        context = self._context
        batch = sign_batch(
            [one.record for one in self._decided],
            router=context.router,
            now=context.now,
            signer=context.signer,
            entropy=context.entropy,
        )
        outputs: list[OutputRecord] = []
        for one, receipt in zip(self._decided, batch.receipts, strict=True):
            outputs += _outputs(one, receipt)
        outputs.append(OutputRecord(topics.receipts(context.owner), b"", batch.decisions))
        outputs.append(OutputRecord(topics.AUDIT, b"", batch.decisions))
        return StepOutcome(tuple(outputs), self._position, self._after, self._use, tuple(self._decided))


def _decide(parsed: ParsedRecord, *, state: ReplayState, context: StepContext) -> DecidedRecord:
    submission = parsed.content
    if isinstance(submission, Rejected):
        return _quarantined(parsed, submission, context, None)
    core = submission.header.core
    try:
        _check_place(core, context)
        verify_submission(submission, owner=context.owner, parties=context.parties, now=context.now)
    except Rejected as rejected:
        # An unverified header is not recorded: in the audit trail it would look like its sender's statement.
        proven = is_sender_proven(submission, owner=context.owner, parties=context.parties)
        return _quarantined(parsed, rejected, context, submission if proven else None)
    fresh = state.is_fresh(core.position, core.created)
    decision = decide_exchange(
        ExchangeCase(
            core=core, parties=context.parties, now=context.now, fresh=fresh, consents=context.consents
        )
    )
    if not fresh:
        return DecidedRecord(
            _record(parsed, RecordType.DUPLICATE, (Reason(Code.E_REPLAY),), context, submission), None
        )
    state.advance(core.position, created=core.created, now=context.now)
    if decision.accepted:
        return DecidedRecord(_record(parsed, RecordType.ACCEPTED, (), context, submission), submission)
    return DecidedRecord(_record(parsed, RecordType.REJECTED, decision.reasons, context, submission), None)


def _check_place(core: Core, context: StepContext) -> None:
    # What was decided is remembered per partition: in another one the same record would seem new.
    if topics.partition_of(core.thread, context.partitions) != context.partition:
        raise Rejected(Code.E_PARTITION, "the record is not in the partition of its conversation")


def _quarantined(
    parsed: ParsedRecord, rejected: Rejected, context: StepContext, proven: Submission | None
) -> DecidedRecord:
    record = _record(parsed, RecordType.REJECTED, (Reason(rejected.reason),), context, proven)
    source, raw = record.source, parsed.raw
    row = [
        QUARANTINE_VERSION, [source.unit, source.partition, source.offset, raw.timestamp], context.now,
        rejected.code, record.submission, len(raw.value), raw.value[:MAX_QUARANTINED],
    ]  # fmt: skip
    return DecidedRecord(record, None, encode(row))


def _record(
    parsed: ParsedRecord,
    kind: DecisionType,
    reasons: tuple[Reason, ...],
    context: StepContext,
    submission: Submission | None,
) -> Record:
    return Record(
        type=kind,
        t=context.now,
        source=OutboxPlace(context.owner, context.partition, parsed.raw.offset),
        submission=digest(parsed.raw.value),
        reasons=reasons,
        directory_size=context.parties.head.size,
        header_digest=None if submission is None else submission.header_digest,
        header=None if submission is None else summarize(submission.header.core),
    )


def _outputs(one: DecidedRecord, receipt: bytes) -> list[OutputRecord]:
    if one.quarantine is not None:
        return [OutputRecord(topics.QUARANTINE, b"", one.quarantine)]
    if one.submission is None:
        return []
    core = one.submission.header.core
    return [
        OutputRecord(
            topics.inbox(addressee.unit), core.thread, encode_delivery(one.submission, index, receipt)
        )
        for index, addressee in enumerate(core.to)
    ]
