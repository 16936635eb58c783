"""Jobs that put messages into the outbox and seal them.

Owns the step from a request to bytes that are ready to go. Runs in the worker's thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from clients.daemon.errors import DaemonError
from clients.daemon.sending.compose import Earlier, acknowledge, compose
from clients.daemon.sending.sealer import seal_row, take_in
from clients.daemon.sending.submissions import AckRequest, SendRequest
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox, sealings
from clients.daemon.store.at_rest import Vault
from clients.daemon.store.database import Row
from clients.daemon.store.order import Order, check_addressees
from protocol.codes import AcknowledgementStage, MessageKind, Purpose
from protocol.content.code_forms import show_code
from protocol.errors import ContradaError
from protocol.identifiers import (
    Digest,
    MessageId,
    Millis,
    ThreadId,
    UnitId,
    new_message_id,
    new_thread_id,
    show_id,
)
from protocol.limits import MAX_ACKNOWLEDGED
from runtime.errors import Conflict, NotFound

log = structlog.get_logger()

SEAL_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the user is told: the message has a name and is on disk."""

    id: str
    thread: str
    state: str


def submit_requests(context: UnitContext, requests: Sequence[SendRequest]) -> list[Submitted | ContradaError]:
    """Take requests in, each for itself, in one transaction; and seal at once what can be sealed."""
    now = context.clock()
    prepared = [_prepare(context, request, now) for request in requests]
    results: list[Submitted | ContradaError] = []
    with context.transaction():
        for made in prepared:
            if isinstance(made, ContradaError):
                results.append(made)
                continue
            order, once = made
            again = None if once is None else outbox.by_key(context.store, once.key)
            if again is not None:
                results.append(_repeated(again, once))
                continue
            state = take_in(context, order, now=now, once=once)
            results.append(Submitted(show_id(order.message_id), show_id(order.thread), state))
    for request, result in zip(requests, results, strict=True):
        if isinstance(result, Submitted):
            context.metrics.submitted.labels(show_code(request.kind)).inc()
    return results


def acknowledge_row(context: UnitContext, row: Row, request: AckRequest) -> Submitted:
    """An officer acknowledges a received message to its sender."""
    now = context.clock()
    if row["kind"] == MessageKind.ACKNOWLEDGEMENT:
        raise Conflict("an acknowledgement is not acknowledged")
    message_id = new_message_id(now, context.entropy)
    thread = ThreadId(row["thread"])
    order = _acknowledgement(
        context,
        [row],
        request.stage,
        message_id=message_id,
        thread=thread,
        now=now,
        case_ref=request.case_ref,
    )
    with context.transaction():
        state = take_in(context, order, now=now)
        inbox.mark_acknowledged(context.store, row["id"], now=now)
    return Submitted(show_id(order.message_id), show_id(order.thread), state)


def seal_queued(context: UnitContext, after: int = 0) -> int | None:
    """Seal what waits, some at a time; the row to go on behind, or None at the end."""
    rows = outbox.queued(context.store, after=after, most=SEAL_AT_MOST)
    moment = context.monotonic()
    due = [row for row in rows if context.held.get(row, moment) <= moment]
    if due:
        with context.transaction():
            for row in due:
                seal_row(context, row, order_of(context, row), now=context.clock())
        for row in due:
            context.held.pop(row, None)
    return rows[-1] if len(rows) == SEAL_AT_MOST else None


def seal_receipts(context: UnitContext) -> bool:
    """Put the acknowledgements of delivery that are owed into the outbox, sealed; whether there are more.

    One for each sender, and in a conversation of its own: a receipt holds up no answer.
    """
    rows = inbox.owing(context.store, most=MAX_ACKNOWLEDGED)
    senders: dict[str, list[Row]] = {}
    for row in rows:
        senders.setdefault(row["sender"], []).append(row)
    now = context.clock()
    with context.transaction():
        for owed in senders.values():
            message_id, thread = new_message_id(now, context.entropy), new_thread_id(context.entropy)
            order = _receipt(context, owed, message_id=message_id, thread=thread, now=now)
            made = outbox.insert_receipt(context.store, order, now=now)
            for row in owed:
                inbox.mark_receipted(context.store, row["id"], receipt=made)
            seal_row(context, made, order, now=now)
    return len(rows) == MAX_ACKNOWLEDGED


def note_sent(context: UnitContext) -> None:
    """Let the rows say what Kafka has acknowledged and no router has decided yet."""
    sent = dict(context.sent)
    if sent:
        with context.transaction():
            sealings.mark_sent(context.store, sent, now=context.clock())
        for sealing in sent:
            context.sent.pop(sealing, None)


def order_of(context: UnitContext, row: int) -> Order:
    """The order behind a row: as it was kept, or, for a receipt, as it follows from the deliveries."""
    found = context.store.row("SELECT mid, thread, created, automatic FROM outbox WHERE id = ?", row)
    assert found is not None
    if not found["automatic"]:
        return outbox.read_order(context.store, context.vault, row)
    return _receipt(
        context,
        inbox.of_receipt(context.store, row),
        message_id=MessageId(found["mid"]),
        thread=ThreadId(found["thread"]),
        now=Millis(found["created"]),
    )


def _receipt(
    context: UnitContext, rows: Sequence[Row], *, message_id: MessageId, thread: ThreadId, now: Millis
) -> Order:
    return _acknowledgement(
        context, rows, AcknowledgementStage.DELIVERED, message_id=message_id, thread=thread, now=now
    )


def _acknowledgement(
    context: UnitContext,
    rows: Sequence[Row],
    stage: AcknowledgementStage,
    *,
    message_id: MessageId,
    thread: ThreadId,
    now: Millis,
    case_ref: str | None = None,
) -> Order:
    sender = context.directory.unit(UnitId(rows[0]["sender"]))
    return acknowledge(
        [(context.headers.of(r), Digest(r["subject"])) for r in rows],
        message_id=message_id,
        thread=thread,
        stage=stage,
        allowed=sender.purposes if sender is not None else frozenset(),
        case_ref=case_ref,
        now=now,
    )


def _prepare(
    context: UnitContext, request: SendRequest, now: Millis
) -> tuple[Order, outbox.Idempotency | None] | ContradaError:
    """Everything about a request that can fail, before anything is written."""
    try:
        earlier = None if request.reply_to is None else _earlier(context, request.reply_to)
        order = compose(request, earlier=earlier, now=now, entropy=context.entropy)
        check_addressees(order, parties=context.directory)
        return order, _once(context.vault, request)
    except ContradaError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a fault of ours over one request must not take others along
        log.error("request_failed", error=type(error).__name__)  # noqa: TRY400 - no traceback in our logs
        return DaemonError("the daemon failed over this request", hint="see its log, and report it")


def _once(vault: Vault, request: SendRequest) -> outbox.Idempotency | None:
    if request.idempotency_key is None:
        return None
    text = json.dumps(request.model_dump(mode="json", by_alias=True), sort_keys=True)
    return outbox.Idempotency(request.idempotency_key, vault.mac(text.encode()))


def _repeated(row: Row, once: outbox.Idempotency | None) -> Submitted | ContradaError:
    if once is None or row["request_mac"] != once.mac:
        return Conflict(
            "this idempotency key was used for another message", hint="use a fresh key for each message"
        )
    return Submitted(show_id(row["mid"]), show_id(row["thread"]), row["state"])


def _earlier(context: UnitContext, message_id: MessageId) -> Earlier:
    """The message that is answered: one that we received, or one that we sent."""
    received = inbox.received_by_id(context.store, message_id)
    if len(received) > 1:
        raise Conflict(
            "two senders used this message id", hint="answer with a new conversation, and tell the centre"
        )
    if received:
        row = received[0]
        core = context.headers.of(row)
        return Earlier(message_id, Digest(row["subject"]), ThreadId(row["thread"]), core.purposes)
    sent = context.store.row(
        """SELECT s.subject, o.thread FROM sealings s JOIN outbox o ON o.id = s.message
           WHERE o.mid = ? ORDER BY s.verdict = 1 DESC, s.id DESC LIMIT 1""",
        message_id,
    )
    if sent is None:
        raise NotFound(
            f"there is no message {show_id(message_id)} here", hint="see 'inbox ls' and 'outbox ls'"
        )
    return Earlier(message_id, Digest(sent["subject"]), ThreadId(sent["thread"]), frozenset[Purpose]())
