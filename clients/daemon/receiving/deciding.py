"""The job that reads routers' decisions on what we sent.

Owns what is written for each consequence of `decisions.judge`. A record that does not verify is an alarm:
it blocks nothing and proves nothing. Runs in the worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from clients.daemon.errors import DaemonError
from clients.daemon.ledger import promises
from clients.daemon.receiving import receipts
from clients.daemon.sending.sealer import seal_row
from clients.daemon.sending.submitting import order_of
from clients.daemon.state.unit_context import Office
from clients.daemon.store import inbox, outbox, sealings
from clients.daemon.store.decisions import Foreign, Nothing, Refuse, SealAgain, Sealing, Settle, judge
from protocol.errors import Code, Rejected
from protocol.trail.batches import Decisions, Leaf, Record, verify_decisions
from runtime.kafka.feed_ports import Fetched

log = structlog.get_logger()

LONGEST_HOLD = 300.0
_LACKS_STATEMENTS = frozenset({Code.E_RECEIPT})


class DirectoryBehind(DaemonError):
    """What was read can perhaps be judged with statements that have not arrived here yet."""

    def __init__(self, size: int) -> None:
        super().__init__(f"statement {size} of the directory is not here yet")
        self.size = size


@dataclass(frozen=True, slots=True)
class Decided:
    """What the caller has to know of a batch of decisions."""

    partitions: frozenset[int]
    """Partitions of our outbox in which the router has come on."""

    overtaken: frozenset[int]
    """Those in which it went past something that it did not decide."""

    sealed: bool
    """Whether something new waits to be sent."""


def take_decisions(office: Office, fetched: Fetched, *, patient: bool) -> Decided:
    """Apply decisions and remember how far was read, in one transaction.

    While `patient`, a record that fails for want of a router's key is `DirectoryBehind`.
    """
    batches = [_verified(office, record.value, patient=patient) for record in fetched.records]
    reached: dict[int, int] = {}
    again = False
    with office.transaction():
        _note_loss(office, fetched)
        for record, batch in zip(fetched.records, batches, strict=True):
            if isinstance(batch, Rejected):
                office.alarm("decision_unverified", detail=f"{fetched.topic}@{record.offset} {batch.code}")
                continue
            office.see(batch.batch.t)
            came = receipts.Incoming(office.store, record.value)
            for decision, leaf in zip(batch.records, batch.leaves, strict=True):
                reached[decision.source.partition] = decision.source.offset
                again |= _apply(office, decision, leaf, came)
        inbox.set_position(office.store, fetched.topic, fetched.partition, fetched.position)
        overtaken = frozenset(
            partition
            for partition, offset in reached.items()
            if sealings.is_overtaken(office.store, partition, decided=offset)
        )
    return Decided(frozenset(reached), overtaken, again)


def _note_loss(office: Office, fetched: Fetched) -> None:
    if fetched.lost:
        office.alarm("feed_lost", detail=f"{fetched.topic}/{fetched.partition}: {fetched.lost} offsets")


def _verified(office: Office, value: bytes, *, patient: bool) -> Decisions | Rejected:
    try:
        return verify_decisions(value, parties=office.directory)
    except Rejected as rejected:
        if patient and rejected.reason in _LACKS_STATEMENTS:
            raise DirectoryBehind(office.directory.head.size + 1) from None
        return rejected
    except Exception as error:  # noqa: BLE001 - a fault of ours in a parser must not stop every later decision
        return Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})")


def _apply(office: Office, record: Record, leaf: Leaf, came: receipts.Incoming) -> bool:
    """Write the consequence of one decision; whether a message was sealed."""
    now = office.clock()
    sealing = sealings.find_sealing(office.store, record.submission)
    office.metrics.decisions.labels(record.type.name.lower()).inc()
    consequence = judge(record, sealing)
    where = f"outbox {record.source.partition}@{record.source.offset}"
    if sealing is not None:
        kept = not isinstance(consequence, Nothing)
        promises.promise_decision(office, sealing.id, record, leaf, kept=kept)
    match consequence:
        case Foreign():
            office.alarm("submission_unknown", detail=where)
            return False
        case Nothing():
            return False
    assert sealing is not None
    office.sent.pop(sealing.id, None)
    came.keep_for(sealing.id)
    match consequence:
        case Settle():
            outbox.settle(office.store, sealing, record, leaf.record, now=now)
            return _go_on(office, sealing.message)
        case Refuse(reasons):
            outbox.refuse(office.store, sealing, record, leaf.record, now=now)
            for reason in reasons:
                office.metrics.refusals.labels(reason.code.value).inc()
            log.warning("refused", rowid=sealing.message, reasons=[r.code.value for r in reasons])
            return _go_on(office, sealing.message)
        case SealAgain(reasons, alarm):
            if alarm:
                office.alarm("decision_lost", detail=where)
            outbox.queue_again(office.store, sealing, record, leaf.record, now=now)
            log.info("seal_again", rowid=sealing.message, reasons=[r.code.value for r in reasons])
            return _seal_again(office, sealing, record)


def _go_on(office: Office, message: int) -> bool:
    """Seal what waited for the decision on this message; whether there was something."""
    waiting = outbox.next_of_conversation(office.store, message)
    if waiting is None:
        return False
    return seal_row(office, waiting, order_of(office, waiting), now=office.clock()) == "sealed"


def _seal_again(office: Office, sealing: Sealing, record: Record) -> bool:
    """At once the first time, if we know what the router knew; later and later after that."""
    if sealing.sealed_times == 1 and record.directory_size <= office.directory.head.size:
        order = order_of(office, sealing.message)
        return seal_row(office, sealing.message, order, now=office.clock()) == "sealed"
    pause = min(2.0 ** min(sealing.sealed_times, 16), LONGEST_HOLD)
    office.held[sealing.message] = office.monotonic() + pause
    return False
