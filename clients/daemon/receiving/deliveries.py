"""The job that takes deliveries in: verify, open, check, store, acknowledge.

Owns the order of these steps. Rules: nothing of a delivery is used or stored as content before every check
has held; what fails is kept by its coordinates and code, and blocks nothing. What holds, and was decided at a
time that has not come, is kept until it has, and moves nobody's idea of now. That an acknowledgement of
delivery is owed is written with the message, and an acknowledgement is never acknowledged. Runs in the
worker's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

import structlog

from clients.daemon.errors import DaemonError, DirectoryBehind
from clients.daemon.ledger import gossip, promises
from clients.daemon.receiving.reply_places import note_reply_received
from clients.daemon.state.feeds_read import note_read
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import deferred, deletions, inbox, outbox
from protocol.codes import AcknowledgementStage
from protocol.content.bodies import (
    Acknowledgement,
    Answer,
    Body,
    Refusal,
    check_header_codes,
    required_header_codes,
)
from protocol.content.body_parts import body_from_parts
from protocol.content.code_forms import show_code
from protocol.envelope.wire import Delivery, parse_delivery
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, show_id
from protocol.limits import CLOCK_TOLERANCE, SECOND
from protocol.trail.batches import verify_receipt, verify_signed_receipt
from protocol.verification import Opened, verify_and_open
from runtime.errors import ProcessError
from runtime.kafka.ports import Fetched

log = structlog.get_logger()

NEVER = Millis(0)
_LACKS_STATEMENTS = frozenset({Code.E_KEY_UNKNOWN, Code.E_KEY_NOT_YET, Code.E_RECEIPT})


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """A delivery that held, with its body."""

    opened: Opened
    body: Body = field(repr=False)
    clock_behind: bool = False
    """Whether it took another party's word beside the router's to believe its time."""

    is_ahead: bool = False
    """Whether nobody but its router says that its time has come."""


_Outcome = VerifiedDelivery | Rejected | None
"""None: it is there already."""


class _Came(Enum):
    """Whether the time of a decision has come: by this clock, by two others, or by its router's alone."""

    HERE = 1
    BY_OTHERS = 2
    NOT_YET = 3


@dataclass(frozen=True, slots=True)
class _Taken:
    """What became of a delivery that held."""

    row: int | None = None
    """The message's row, if it is a new one for people."""

    owed: bool = False
    """Whether an acknowledgement is owed for it."""


@dataclass(frozen=True, slots=True)
class Received:
    """What the caller has to know of a batch of deliveries."""

    messages: int
    """How many were new, without acknowledgements: for each of these one is owed."""

    newest: int = 0
    """The row of the last of them."""

    owed: bool = False
    """Whether acknowledgements are owed, for these or once more for earlier ones."""


def take_deliveries(context: UnitContext, fetched: Fetched, *, patient: bool) -> Received:
    """Take a batch in and remember how far was read, in one transaction.

    While `patient`, a delivery that needs statements which are not here yet is `DirectoryBehind`.
    """
    judged = [(record, _judge(context, record.value, patient=patient)) for record in fetched.records]
    now = context.clock()
    with context.transaction():
        taken = [
            _put_away(context, (fetched.topic, fetched.partition, record.offset), record.value, outcome, now)
            for record, outcome in judged
        ]
        _see_latest(context, [outcome for _, outcome in judged])
        note_read(context, fetched)
    return _told(taken)


def take_deferred(context: UnitContext) -> Received:
    """Judge again what was decided at a time that had not come, and has by now."""
    now = context.clock()
    with context.transaction():
        rows = deferred.take_deferred_rows(context.store, now=Millis(now + CLOCK_TOLERANCE))
        judged = [_judge(context, row["value"], patient=False) for row in rows]
        taken = [
            _put_away(context, (row["topic"], row["partition"], row["position"]), row["value"], outcome, now)
            for row, outcome in zip(rows, judged, strict=True)
        ]
        _see_latest(context, judged)
    return _told(taken)


def _put_away(
    context: UnitContext, source: tuple[str, int, int], value: bytes, outcome: _Outcome, now: Millis
) -> _Taken:
    match outcome:
        case None:
            context.metrics.duplicates.inc()
        case Rejected():
            _reject(context, source, outcome, now)
        case VerifiedDelivery(is_ahead=False):
            return _take(context, source, outcome, now)
        case VerifiedDelivery():
            decided = outcome.opened.record.t
            if not deferred.defer(context.store, source=source, until=decided, value=value):
                _reject(context, source, Rejected(Code.E_EXPIRED, "decided in the future"), now)
            where = f"{source[0]}/{source[1]}@{source[2]}"
            context.clock_alarm("clock_behind", detail=f"{where} {(decided - now) // SECOND} s ahead")
        case _:
            assert_never(outcome)
    return _Taken()


def _see_latest(context: UnitContext, judged: Sequence[_Outcome]) -> None:
    came = (each for each in judged if isinstance(each, VerifiedDelivery) and not each.is_ahead)
    context.see(max((each.opened.record.t for each in came), default=NEVER))


def _told(taken: Sequence[_Taken]) -> Received:
    rows = [each.row for each in taken if each.row is not None]
    return Received(len(rows), max(rows, default=0), any(each.owed for each in taken))


def _judge(context: UnitContext, value: bytes, *, patient: bool) -> _Outcome:
    """The delivery with its body, the reason why it is refused, or None for one that is there already."""
    try:
        delivery = parse_delivery(value)
        core = delivery.header.core
        known = inbox.known_subject(context.store, sender=core.sender, message_id=core.message_id)
        if known == delivery.header_digest:
            return None  # one that was sealed anew is verified first: perhaps its sender misses our answer
        if patient:
            _wait_for_directory(delivery, context)
        opened, time_of_decision = _open(context, delivery)
        body, _ = body_from_parts(core.kind, opened.content.parts)
        check_header_codes(
            required_header_codes(body),
            handling=core.handling,
            data_class=core.data_class,
            purposes=core.purposes,
            urgency=core.urgency,
            ground=core.ground,
            review=core.review,
        )
    except Rejected as rejected:
        if patient and rejected.reason in _LACKS_STATEMENTS:
            raise DirectoryBehind(context.directory.head.size + 1) from None
        return rejected
    except (DaemonError, ProcessError):
        raise
    except Exception as error:  # noqa: BLE001 - a fault of ours in a parser must not stop every later delivery
        return Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})")
    is_ahead = time_of_decision is _Came.NOT_YET
    return VerifiedDelivery(opened, body, time_of_decision is _Came.BY_OTHERS, is_ahead)


def _wait_for_directory(delivery: Delivery, context: UnitContext) -> None:
    """What its sender has seen is waited for as far as the router had it that decided: that is signed.

    What a sender claims to have seen costs nothing to invent, and everybody's mail would wait for it.
    """
    claimed, here = delivery.header.core.directory_head.size, context.directory.head.size
    if claimed > here:
        decided = verify_receipt(delivery.receipt, parties=context.directory)
        if (needed := min(claimed, decided.directory_size)) > here:
            raise DirectoryBehind(needed)


def _open(context: UnitContext, delivery: Delivery) -> tuple[Opened, _Came]:
    """Verify and open; whether the time of the router's decision has come.

    A local clock that is behind would reject good messages for good, and a router alone could choose what
    time it is here. So what holds but for that is kept, until this clock, or two others, have come so far.
    """
    now = context.clock()
    try:
        return _verify(context, delivery, now), _Came.HERE
    except Rejected as rejected:
        if rejected.reason is not Code.E_EXPIRED:
            raise
        decided, batch = verify_signed_receipt(delivery.receipt, parties=context.directory)
        if decided.t <= now + CLOCK_TOLERANCE:
            raise
    opened = _verify(context, delivery, decided.t)
    router = context.directory.router_key(batch.kid)
    if context.times is not None and router is not None:
        context.times.check.heard(f"router {router.unit}", decided.t)
    has_come = decided.t <= context.clock() + CLOCK_TOLERANCE
    return opened, _Came.BY_OTHERS if has_come else _Came.NOT_YET


def _verify(context: UnitContext, delivery: Delivery, now: Millis) -> Opened:
    return verify_and_open(
        delivery, me=context.unit, parties=context.directory, opener=context.keys.opener, now=now
    )


def _reject(context: UnitContext, source: tuple[str, int, int], rejected: Rejected, now: Millis) -> None:
    inbox.reject(context.store, source=source, code=rejected.reason, now=now)
    context.metrics.rejected.labels(rejected.code).inc()
    log.warning(
        "delivery_rejected", topic=source[0], partition=source[1], offset=source[2], code=rejected.code
    )


def _take(
    context: UnitContext, source: tuple[str, int, int], delivery: VerifiedDelivery, now: Millis
) -> _Taken:
    """Store a message, if it is a new one."""
    opened = delivery.opened
    core = opened.delivery.header.core
    is_receipt = isinstance(delivery.body, Acknowledgement)
    row = inbox.insert_received(
        context.store, context.vault, opened, source=source, receipt_owed=not is_receipt, now=now
    )
    if row is None:
        if not inbox.holds_the_same(context.store, context.vault, opened):
            reused = Rejected(Code.E_ID_REUSED, "another message of its sender has this id")
            _reject(context, source, reused, now)
            context.alarm(
                "message_id_reused", cause=core.sender, detail=f"{core.sender} {show_id(core.message_id)}"
            )
            return _Taken()
        context.metrics.duplicates.inc()
        again = inbox.owe_again(context.store, sender=core.sender, message_id=core.message_id, now=now)
        return _Taken(owed=again)
    if core.h3 is not None and core.h3.delete_by is not None:
        deletions.await_date(context.store, row, due=core.h3.delete_by)
    promises.promise_delivery(context, row)
    if isinstance(delivery.body, Answer | Refusal):
        note_reply_received(context, row, opened, delivery.body)
    gossip.compare(context, core.ledger_head, sender=core.sender)
    context.headers.put(opened.delivery.header_digest, core)
    context.metrics.received.labels(show_code(core.kind)).inc()
    if delivery.clock_behind:
        context.clock_alarm("clock_behind", detail=f"{source[0]}/{source[1]}@{source[2]}")
    if isinstance(delivery.body, Acknowledgement):
        _note_acknowledgement(context, opened, delivery.body, now)
        return _Taken()
    return _Taken(row, owed=True)


def _note_acknowledgement(context: UnitContext, opened: Opened, body: Acknowledgement, now: Millis) -> None:
    core = opened.delivery.header.core
    for one in body.messages:
        known = outbox.acknowledged(
            context.store,
            by=core.sender,
            message=one.message,
            subject=one.header_digest,
            stage=body.stage,
            now=now,
        )
        if known is None:
            context.alarm("acknowledgement_unknown", cause=core.sender, detail=f"from {core.sender}")
            continue
        context.metrics.acknowledgements.labels(show_code(body.stage)).inc()
        if known.is_news and body.stage is AcknowledgementStage.DELIVERED:
            context.metrics.acknowledged_after.observe(max(0, now - known.created) / SECOND)
