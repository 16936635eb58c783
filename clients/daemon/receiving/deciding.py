"""The job that applies routers' decisions on sent messages.

Owns what is written for each consequence in `decisions`. A record that does not verify is an alarm:
it blocks nothing and proves nothing. Runs in the worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from clients.daemon.errors import DaemonError
from clients.daemon.ledger import promises
from clients.daemon.receiving import receipts
from clients.daemon.sending.sealer import seal_row
from clients.daemon.sending.waiting import order_of
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox, sealings
from clients.daemon.store.decisions import (
    Foreign,
    Nothing,
    RefuseForGood,
    SealAgain,
    Sealing,
    Settle,
    consequence_of,
)
from clients.daemon.store.message_states import OutboxState
from protocol.errors import Code, Rejected
from protocol.limits import CLOCK_TOLERANCE
from protocol.trail.batches import SUMMARY_FIELDS, Decisions, Leaf, Reason, Record, verify_decisions
from runtime.kafka.ports import Fetched

log = structlog.get_logger()

LONGEST_HOLD = 300.0
_CREATED = SUMMARY_FIELDS.index("created")
_LACKS_STATEMENTS = frozenset({Code.E_RECEIPT})


class DirectoryBehind(DaemonError):
    """What was read can perhaps be judged with statements that have not arrived here yet."""

    def __init__(self, size: int) -> None:
        super().__init__(f"statement {size} of the directory is not here yet")
        self.size = size


@dataclass(frozen=True, slots=True)
class DecisionsTaken:
    """What the caller has to know of a batch of decisions."""

    partitions: frozenset[int]
    """Partitions of the outbox in which the router decided something."""

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
        _note_loss(context, fetched)
        for record, batch in zip(fetched.records, batches, strict=True):
            if isinstance(batch, Rejected):
                context.alarm("decision_unverified", detail=f"{fetched.topic}@{record.offset} {batch.code}")
                continue
            _hear(context, batch)
            context.see(batch.batch.t)
            came = receipts.IncomingDecisions(context.store, record.value)
            for decision, leaf in zip(batch.records, batch.leaves, strict=True):
                reached[decision.source.partition] = decision.source.offset
                again |= _apply(context, decision, leaf, came)
        if context.conversation_waits:
            context.conversation_waits = outbox.is_any_queued(context.store)
        inbox.set_position(context.store, fetched.topic, fetched.partition, fetched.position)
        overtaken = frozenset(
            partition
            for partition, offset in reached.items()
            if sealings.is_overtaken(context.store, partition, decided=offset)
        )
    return DecisionsTaken(frozenset(reached), overtaken, again)


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


def _note_loss(context: UnitContext, fetched: Fetched) -> None:
    if fetched.lost:
        context.alarm("feed_lost", detail=f"{fetched.topic}/{fetched.partition}: {fetched.lost} offsets")


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
    sealing = sealings.find_sealing(context.store, record.submission)
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
            outbox.settle(context.store, sealing, record, leaf.record, now=now)
            _clocks_agree(context)
            return _go_on(context, sealing.message)
        case RefuseForGood(reasons):
            outbox.refuse(context.store, sealing, record, leaf.record, now=now)
            _count(context, reasons)
            log.warning("refused", rowid=sealing.message, reasons=[r.code.value for r in reasons])
            return _go_on(context, sealing.message)
        case SealAgain(reasons, alarm):
            if alarm:
                context.alarm("decision_lost", detail=where)
            if any(reason.code is Code.E_TIME_FUTURE for reason in reasons):
                context.clock_alarm("clock_ahead", detail=where)
            outbox.queue_again(context.store, sealing, record, leaf.record, now=now)
            log.info("seal_again", rowid=sealing.message, reasons=[r.code.value for r in reasons])
            return _seal_again(context, sealing, record)


def _count(context: UnitContext, reasons: tuple[Reason, ...]) -> None:
    for reason in reasons:
        context.metrics.refusals.labels(reason.code.value).inc()


def _clocks_agree(context: UnitContext) -> None:
    """A router took what was just sealed: what waited because of a clock is tried again at once."""
    if "clock_ahead" in context.clock_alarms:
        context.clock_alarms.discard("clock_ahead")
        context.held.clear()


def _go_on(context: UnitContext, message: int) -> bool:
    """Seal what waited for the decision on this message; whether there was any."""
    waiting = outbox.next_of_conversation(context.store, message)
    if waiting is None:
        return False
    return seal_row(context, waiting, order_of(context, waiting), now=context.clock()) is OutboxState.SEALED


def _seal_again(context: UnitContext, sealing: Sealing, record: Record) -> bool:
    """At once the first time, if the replica has what the router had; after growing delays then."""
    if sealing.sealed_times == 1 and record.directory_size <= context.directory.head.size:
        order = order_of(context, sealing.message)
        return seal_row(context, sealing.message, order, now=context.clock()) is OutboxState.SEALED
    pause = min(2.0 ** min(sealing.sealed_times, 16), LONGEST_HOLD)
    context.held[sealing.message] = context.monotonic() + pause
    return False
