"""The job that takes deliveries in: verify, open, check, store, acknowledge.

Owns the order of these steps. Rules: nothing of a delivery is used or stored as content before every check
has held; what fails is kept by its coordinates and code, and blocks nothing. That an acknowledgement of
delivery is owed is written with the message, and an acknowledgement is never acknowledged. Runs in the
worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from clients.daemon.errors import DaemonError, DirectoryBehind
from clients.daemon.ledger import gossip, promises
from clients.daemon.receiving.reply_places import note_reply_received
from clients.daemon.state.feeds_read import note_read
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import deletions, inbox, outbox
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
from protocol.trail.batches import verify_receipt
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
    clock_behind: bool


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
    judged = [(record.offset, _judge(context, record.value, patient=patient)) for record in fetched.records]
    taken: list[_Taken] = []
    now = context.clock()
    with context.transaction():
        for offset, outcome in judged:
            source = (fetched.topic, fetched.partition, offset)
            match outcome:
                case None:
                    context.metrics.duplicates.inc()
                case Rejected():
                    _reject(context, source, outcome, now)
                case VerifiedDelivery():
                    taken.append(_take(context, source, outcome, now))
        context.see(
            max(
                (each.opened.record.t for _, each in judged if isinstance(each, VerifiedDelivery)),
                default=NEVER,
            )
        )
        note_read(context, fetched)
    rows = [each.row for each in taken if each.row is not None]
    return Received(len(rows), max(rows, default=0), any(each.owed for each in taken))


def _judge(context: UnitContext, value: bytes, *, patient: bool) -> VerifiedDelivery | Rejected | None:
    """The delivery with its body, the reason why it is refused, or None for one that is there already."""
    try:
        delivery = parse_delivery(value)
        core = delivery.header.core
        known = inbox.known_subject(context.store, sender=core.sender, message_id=core.message_id)
        if known == delivery.header_digest:
            return None  # one that was sealed anew is verified first: perhaps its sender misses our answer
        if patient:
            _wait_for_directory(delivery, context)
        opened, clock_behind = _open(context, delivery)
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
    return VerifiedDelivery(opened, body, clock_behind)


def _wait_for_directory(delivery: Delivery, context: UnitContext) -> None:
    """What its sender has seen is waited for as far as the router had it that decided: that is signed.

    What a sender claims to have seen costs nothing to invent, and everybody's mail would wait for it.
    """
    claimed, here = delivery.header.core.directory_head.size, context.directory.head.size
    if claimed > here:
        decided = verify_receipt(delivery.receipt, parties=context.directory)
        if (needed := min(claimed, decided.directory_size)) > here:
            raise DirectoryBehind(needed)


def _open(context: UnitContext, delivery: Delivery) -> tuple[Opened, bool]:
    """Verify and open; whether the router's signed time had to replace the local clock's.

    A local clock that is behind would otherwise reject good messages for good.
    """
    now = context.clock()
    try:
        return _verify(context, delivery, now), False
    except Rejected as rejected:
        if rejected.reason is not Code.E_EXPIRED:
            raise
        decided = verify_receipt(delivery.receipt, parties=context.directory).t
        if decided <= now + CLOCK_TOLERANCE:
            raise
    return _verify(context, delivery, decided), True


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


"""What the inbox shows to people: acknowledgements are facts about other messages."""
