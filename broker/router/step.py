"""One step of the router, without I/O: records in, everything that must be written out.

    read    each record is parsed                                     -> Reading
    decide  verify, ask the policy, remember the stream               -> record + deliveries
    sign    one signature over the whole batch                        -> decisions and receipts

What a step returns is committed in one Kafka transaction or not at all (broker/router/loop.py). The same
records, state, directory, time and entropy give the same step. A record that cannot be parsed or
verified goes to quarantine and blocks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol import topics
from protocol.canonical import encode
from protocol.envelope.core import Core
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import Submission, encode_delivery, parse_submission
from protocol.errors import Code, Rejected
from protocol.exchange_rules import NO_CONSENTS, Consents, Question, decide
from protocol.identifiers import Entropy, Millis, UnitId, digest
from protocol.limits import MAX_RECORD
from protocol.parties import Parties
from protocol.signatures import Signer
from protocol.trail.batches import DecisionType, Reason, Record, RecordType, Source, sign_batch, summarize
from protocol.verification import is_sender_proven, verify_submission
from runtime.kafka.ports import InputRecord, OutputRecord

QUARANTINE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """A record, and what parsing made of it."""

    record: InputRecord
    parsed: Submission | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a step decides by. One per batch: the time and the directory stand still meanwhile."""

    owner: UnitId
    partition: int
    partitions: int
    router: str
    signer: Signer
    parties: Parties
    now: Millis
    entropy: Entropy
    consents: Consents = field(default_factory=lambda: NO_CONSENTS)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one transaction may carry. At least one record always fits."""

    records: int = 500
    output_bytes: int = 8_000_000
    decision_bytes: int = 600_000
    """All decisions of a batch travel in one Kafka record, which is bounded."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One record's outcome."""

    record: Record
    submission: Submission | None
    """Set when the message is to be delivered."""

    quarantine: bytes | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What must be committed together."""

    outputs: tuple[OutputRecord, ...]
    position: int
    state: ReplayState
    decided: tuple[Decided, ...]


def read(record: InputRecord) -> Reading:
    """Parse one record."""
    try:
        return Reading(record, parse_submission(record.value))
    except Rejected as rejected:
        return Reading(record, rejected)


def claimed_directory(readings: Sequence[Reading]) -> int:
    """The longest directory that any sender says it saw: a router with a shorter one should catch up."""
    return max(
        (r.parsed.header.core.directory_head.size for r in readings if isinstance(r.parsed, Submission)),
        default=0,
    )


def step(readings: Sequence[Reading], *, state: ReplayState, desk: Desk, budget: Budget) -> Step:
    """Decide as many records as the budget allows, from the first on, and sign the whole."""
    after = state.copy()
    decided: list[Decided] = []
    size = decisions = 0
    for reading in readings[: budget.records]:
        one = _decide(reading, state=after, desk=desk)
        decided.append(one)
        addressees = len(reading.parsed.header.core.to) if isinstance(reading.parsed, Submission) else 1
        size += len(reading.record.value) * addressees
        decisions += 600 + 100 * (addressees + len(one.record.reasons))
        if size >= budget.output_bytes or decisions >= budget.decision_bytes:
            break
    batch = sign_batch(
        [one.record for one in decided],
        router=desk.router,
        now=desk.now,
        signer=desk.signer,
        entropy=desk.entropy,
    )
    outputs: list[OutputRecord] = []
    for one, receipt in zip(decided, batch.receipts, strict=True):
        outputs += _outputs(one, receipt)
    outputs.append(OutputRecord(topics.receipts(desk.owner), b"", batch.decisions))
    outputs.append(OutputRecord(topics.AUDIT, b"", batch.decisions))
    position = readings[len(decided) - 1].record.offset + 1
    return Step(tuple(outputs), position, after, tuple(decided))


def _decide(reading: Reading, *, state: ReplayState, desk: Desk) -> Decided:
    submission = reading.parsed
    if isinstance(submission, Rejected):
        return _quarantined(reading, submission, desk, None)
    core = submission.header.core
    try:
        _check_place(core, desk)
        verify_submission(submission, owner=desk.owner, parties=desk.parties, now=desk.now)
    except Rejected as rejected:
        # An unproven header is not recorded: it would stand in the audit trail as if somebody had said it.
        proven = is_sender_proven(submission, owner=desk.owner, parties=desk.parties)
        return _quarantined(reading, rejected, desk, submission if proven else None)
    fresh = state.is_fresh(core.position, core.created)
    decision = decide(
        Question(core=core, parties=desk.parties, now=desk.now, fresh=fresh, consents=desk.consents)
    )
    if not fresh:
        return Decided(
            _record(reading, RecordType.DUPLICATE, (Reason(Code.E_REPLAY),), desk, submission), None
        )
    state.advance(core.position, created=core.created, now=desk.now)
    if decision.accepted:
        return Decided(_record(reading, RecordType.ACCEPTED, (), desk, submission), submission)
    return Decided(_record(reading, RecordType.REJECTED, decision.reasons, desk, submission), None)


def _check_place(core: Core, desk: Desk) -> None:
    # What was decided is remembered per partition: in another one the same record would seem new.
    if topics.partition_of(core.thread, desk.partitions) != desk.partition:
        raise Rejected(Code.E_PARTITION, "the record is not in the partition of its conversation")


def _quarantined(reading: Reading, rejected: Rejected, desk: Desk, proven: Submission | None) -> Decided:
    record = _record(reading, RecordType.REJECTED, (Reason(rejected.reason),), desk, proven)
    source, raw = record.source, reading.record
    row = [
        QUARANTINE_VERSION, [source.unit, source.partition, source.offset, raw.timestamp], desk.now,
        rejected.code, record.submission, len(raw.value), raw.value[:MAX_RECORD],
    ]  # fmt: skip
    return Decided(record, None, encode(row))


def _record(
    reading: Reading,
    kind: DecisionType,
    reasons: tuple[Reason, ...],
    desk: Desk,
    submission: Submission | None,
) -> Record:
    return Record(
        type=kind,
        t=desk.now,
        source=Source(desk.owner, desk.partition, reading.record.offset),
        submission=digest(reading.record.value),
        reasons=reasons,
        directory_size=desk.parties.head.size,
        header_digest=None if submission is None else submission.header_digest,
        header=None if submission is None else summarize(submission.header.core),
    )


def _outputs(one: Decided, receipt: bytes) -> list[OutputRecord]:
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
