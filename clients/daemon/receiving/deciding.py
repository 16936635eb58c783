"""The job that applies routers' decisions on sent messages.

Owns what is written for each consequence in `decisions`. A record that does not verify is an alarm:
it blocks nothing and proves nothing. Runs in the worker's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from clients.daemon.errors import DirectoryBehind
from clients.daemon.ledger import promises
from clients.daemon.receiving import receipts
from clients.daemon.sending.acknowledgements import is_suspended
from clients.daemon.sending.sealer import seal_row
from clients.daemon.sending.waiting import order_of
from clients.daemon.state.feeds_read import note_read
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import deletions, inbox, outbox, sealings
from clients.daemon.store.decisions import (
    Foreign,
    Nothing,
    RefuseForGood,
    SealAgain,
    Sealing,
    Settle,
    VerdictOnly,
    consequence_of,
)
from clients.daemon.store.message_states import OutboxState
from protocol.envelope.core import Position
from protocol.errors import Code, Rejected
from protocol.identifiers import MessageId, StreamId
from protocol.limits import CLOCK_TOLERANCE
from protocol.trail.batches import (
    SUMMARY_FIELDS,
    Decisions,
    Leaf,
    Reason,
    Record,
    RecordType,
    verify_decisions,
)
from runtime.kafka.ports import Fetched

log = structlog.get_logger()

LONGEST_HOLD = 300.0
_CREATED = SUMMARY_FIELDS.index("created")
_LACKS_STATEMENTS = frozenset({Code.E_RECEIPT})


@dataclass(frozen=True, slots=True)
class DecisionsTaken:
    """What the caller has to know of a batch of decisions."""

    reached: Mapping[int, int]
    """The partitions of the outbox in which the router decided something, and up to which place."""

    overtaken: frozenset[int]
    """Those in which it skipped a sealing without a decision."""

    sealed: bool
    """Whether something new waits to be sent."""


def take_decisions(context: UnitContext, fetched: Fetched, *, patient: bool) -> DecisionsTaken:
    """Apply decisions and remember how far was read, in one transaction.

    While `patient`, a record that fails for want of a router's key is `DirectoryBehind`.
    """
    batches = [_verified(context, record.value, patient=patient) for record in fetched.records]
    reached: dict[int, int] = {}
    again = False
    with context.transaction():
        for record, batch in zip(fetched.records, batches, strict=True):
            if isinstance(batch, Rejected):
                where = f"{fetched.topic}@{record.offset}"
                context.alarm("decision_unverified", cause=fetched.topic, detail=f"{where} {batch.code}")
                continue
            _hear(context, batch)
            context.see(batch.batch.t)
            came = receipts.IncomingDecisions(context.store, record.value)
            for decision, leaf in zip(batch.records, batch.leaves, strict=True):
                if decision.source.unit != context.unit:
                    # Genuine, and about a copy of perhaps our own bytes that lay in another unit's outbox.
                    where = f"{fetched.topic}@{record.offset} is about the outbox of {decision.source.unit}"
                    context.alarm("decision_unverified", cause=fetched.topic, detail=where)
                    continue
                reached[decision.source.partition] = decision.source.offset
                again |= _apply(context, decision, leaf, came)
        if context.conversation_waits:
            context.conversation_waits = outbox.is_any_queued(context.store)
        note_read(context, fetched)
        overtaken = frozenset(
            partition
            for partition, offset in reached.items()
            if sealings.is_overtaken(context.store, partition, decided=offset)
        )
    return DecisionsTaken(reached, overtaken, again)


def _hear(context: UnitContext, batch: Decisions) -> None:
    """What the router's clock has shown: its signed time, which is no older than what it decided."""
    router = context.directory.router_key(batch.batch.kid)
    if context.times is None or router is None:
        return
    t = batch.batch.t
    made = max(
        (record.header[_CREATED] for record in batch.records if record.header is not None), default=None
    )
    elapsed = -1 if made is None else context.clock() - made
    # A clock that was set back since, or is ahead of what was sealed: then there is no upper bound.
    context.times.heard(f"router {router.unit}", t, t + elapsed if elapsed >= 0 else None)


def _verified(context: UnitContext, value: bytes, *, patient: bool) -> Decisions | Rejected:
    try:
        return verify_decisions(value, parties=context.directory)
    except Rejected as rejected:
        if patient and rejected.reason in _LACKS_STATEMENTS:
            raise DirectoryBehind(context.directory.head.size + 1) from None
        return rejected
    except Exception as error:  # noqa: BLE001 - a fault of ours in a parser must not stop every later decision
        return Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})")


def _apply(context: UnitContext, record: Record, leaf: Leaf, came: receipts.IncomingDecisions) -> bool:
    """Write the consequence of one decision; whether a message was sealed."""
    now = context.clock()
    sealing = _sealing_of(context, record)
    context.metrics.decisions.labels(record.type.name.lower()).inc()
    # Later than now: a router's clock is ahead, or this one behind. Its refusal is no last word on a time.
    has_come = record.t <= min(now, context.wall()) + CLOCK_TOLERANCE
    consequence = consequence_of(record, sealing, clocks_differ=not has_come)
    where = f"outbox {record.source.partition}@{record.source.offset}"
    if sealing is not None:
        kept = not isinstance(consequence, Nothing)
        promises.promise_decision(context, sealing.id, record, leaf, kept=kept)
    match consequence:
        case Foreign():
            context.alarm("submission_unknown", detail=where)
            return False
        case Nothing():
            return False
    assert sealing is not None
    context.sent.pop(sealing.id, None)
    came.keep_for(sealing.id)
    match consequence:
        case Settle():
            _settle(context, sealing, record, leaf.record)
            return _go_on(context, sealing.message)
        case RefuseForGood():
            return _refuse(context, sealing, record, leaf.record)
        case VerdictOnly():
            outbox.note_verdict(context.store, sealing, record, leaf.record)
            log.info("sent_again_in_vain", rowid=sealing.message, reasons=_codes(record.reasons))
            return False
        case SealAgain(reasons, alarm):
            _tell_why_again(context, reasons, lost=alarm, where=where)
            outbox.queue_again(context.store, sealing, record, leaf.record, now=now)
            log.info("seal_again", rowid=sealing.message, reasons=_codes(reasons))
            return _seal_again(context, sealing, record)


def _settle(context: UnitContext, sealing: Sealing, record: Record, raw: bytes) -> None:
    if outbox.settle(context.store, sealing, record, raw, now=context.clock()):
        context.recent_sealings.forget()  # a lane that reads on in memory would send another sealing of it
    context.held.pop(sealing.message, None)
    _clocks_agree(context)


def _refuse(context: UnitContext, sealing: Sealing, record: Record, raw: bytes) -> bool:
    outbox.refuse(context.store, sealing, record, raw, now=context.clock())
    context.held.pop(sealing.message, None)
    for reason in record.reasons:
        context.metrics.refusals.labels(reason.code.value).inc()
    log.warning("refused", rowid=sealing.message, reasons=_codes(record.reasons))
    again = False
    if Code.E_SENDER_SUSPENDED.value in _codes(record.reasons) and not is_suspended(context):
        # The suspension is over here before the refusal that it caused has come.
        again = inbox.owe_what_was_refused(context.store)
        deletions.tell_what_was_refused(context.store)
    return _go_on(context, sealing.message) or again


def _clocks_agree(context: UnitContext) -> None:
    """A router took what was just sealed: what waited because of a clock is tried again at once."""
    if "clock_ahead" in context.clock_alarms:
        context.clock_alarms.discard("clock_ahead")
        context.held.clear()


def _tell_why_again(context: UnitContext, reasons: Sequence[Reason], *, lost: bool, where: str) -> None:
    if lost:
        context.alarm("decision_lost", detail=where)
    if any(reason.code is Code.E_TIME_FUTURE for reason in reasons):
        context.clock_alarm("clock_ahead", detail=where)


def _codes(reasons: Sequence[Reason]) -> list[str]:
    return [reason.code.value for reason in reasons]


def _sealing_of(context: UnitContext, record: Record) -> Sealing | None:
    """The sealing that a decision is about: the same bytes in another partition are somebody's copy."""
    place = record.source.partition
    known = sealings.find_sealing(context.store, record.submission, partition=place)
    return known or _learned(context, record)


def _learned(context: UnitContext, record: Record) -> Sealing | None:
    """The sealing behind an acceptance that only the message's id tells to be ours.

    A store that came back from a backup has the message, perhaps as one that waits, and not this sealing of
    it. The header in the record is one whose signature the router has verified. That it was refused teaches
    nothing: it is sent again, and the router says so again.
    """
    if record.type is not RecordType.ACCEPTED or not isinstance(record.header, list):
        return None
    summary = dict(zip(SUMMARY_FIELDS, record.header, strict=True))
    row = outbox.sent_by_id(context.store, MessageId(summary["mid"]))
    # In our outbox a router accepts nobody else's: that its sender is another is not possible here.
    if row is None or record.header_digest is None:
        return None
    outbox.count_sealing(context.store, row["id"])
    sealings.learn_sealing(
        context.store,
        row["id"],
        position=Position(StreamId(summary["stream"]), summary["seq"]),
        partition=record.source.partition,
        subject=record.header_digest,
        submission=record.submission,
    )
    log.info("acceptance_learned", rowid=row["id"])
    return sealings.find_sealing(context.store, record.submission, partition=record.source.partition)


def _go_on(context: UnitContext, message: int) -> bool:
    """Seal what waited for the decision on this message; whether there was any."""
    waiting = outbox.next_of_conversation(context.store, message)
    if waiting is None:
        return False
    return seal_row(context, waiting, order_of(context, waiting), now=context.clock()) is OutboxState.SEALED


def _seal_again(context: UnitContext, sealing: Sealing, record: Record) -> bool:
    """At once the first time, if the replica has what the router had; after growing delays then.

    Over the quota, after the time that the router names: others of this unit came first.
    """
    waits = [reason.wait for reason in record.reasons if reason.wait is not None]
    if waits:
        context.held[sealing.message] = context.monotonic() + min(max(waits), LONGEST_HOLD)
        return False
    if sealing.sealed_times == 1 and record.directory_size <= context.directory.head.size:
        order = order_of(context, sealing.message)
        return seal_row(context, sealing.message, order, now=context.clock()) is OutboxState.SEALED
    pause = min(2.0 ** min(sealing.sealed_times, 16), LONGEST_HOLD)
    context.held[sealing.message] = context.monotonic() + pause
    return False
