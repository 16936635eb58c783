"""Acknowledgements: an officer's, on request, and the daemon's own, of each delivery.

Owns what an acknowledgement says and to whom. One of delivery is written for each sender, in a conversation
of its own: a receipt holds up no answer. Its order is not kept, for it follows from the deliveries. The jobs
run in the worker's thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from clients.daemon.sending.composing import Submitted
from clients.daemon.sending.requests import AckRequest
from clients.daemon.sending.sealer import seal_row, take_in
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox
from clients.daemon.store.at_rest import Vault
from clients.daemon.store.database import Row
from clients.daemon.store.order import Order, Recipient
from clients.daemon.store.request_keys import RequestKey, first_answer
from protocol.codes import AcknowledgementStage, DataClass, MessageKind, Purpose, RefKind, Role
from protocol.content.bodies import (
    AcknowledgedMessage,
    Acknowledgement,
)
from protocol.content.body_parts import body_to_parts
from protocol.content.code_forms import OPEN_HANDLING
from protocol.envelope.core import Core, Reference
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
from protocol.limits import DAY, MAX_ACKNOWLEDGED, MAX_REFERENCES
from runtime.errors import Conflict

ACKNOWLEDGEMENT_LIFE: Final = 14 * DAY


def acknowledge_row(
    context: UnitContext, row: Row, request: AckRequest, *, key: str | None = None
) -> Submitted:
    """An officer acknowledges a received message to its sender; under one idempotency key once."""
    now, once = context.clock(), _once(context.vault, row, request, key)
    if (first := first_answer(context.store, once)) is not None:
        return Submitted.again(first)
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
        state = take_in(context, order, now=now, once=once)
        inbox.mark_acknowledged(context.store, row["id"], now=now)
    return Submitted(show_id(order.message_id), show_id(order.thread), state)


def _once(vault: Vault, row: Row, request: AckRequest, key: str | None) -> RequestKey | None:
    if key is None:
        return None
    form = {"ack": show_id(row["mid"]), "sender": row["sender"], **request.model_dump(mode="json")}
    return RequestKey(key, vault.mac(json.dumps(form, sort_keys=True).encode()))


def seal_receipts(context: UnitContext) -> bool:
    """Put the acknowledgements of delivery that are owed into the outbox, sealed; whether there are more.

    One for each sender, and in a conversation of its own: a receipt holds up no answer. While this unit is
    suspended they would be refused, so they stay owed.
    """
    if is_suspended(context):
        return False
    rows = inbox.owing(context.store, most=MAX_ACKNOWLEDGED)
    senders: dict[str, list[Row]] = {}
    for row in rows:
        senders.setdefault(row["sender"], []).append(row)
    now = context.clock()
    with context.transaction():
        for owed in senders.values():
            message_id, thread = new_message_id(now, context.entropy), new_thread_id(context.entropy)
            order = receipt_order(context, owed, message_id=message_id, thread=thread, now=now)
            made = outbox.insert_receipt(context.store, order, now=now)
            for row in owed:
                inbox.mark_receipted(context.store, row["id"], receipt=made)
            seal_row(context, made, order, now=now)
    return len(rows) == MAX_ACKNOWLEDGED


def is_suspended(context: UnitContext) -> bool:
    """Whether this unit is, as far as its directory goes."""
    own = context.directory.unit(context.unit)
    return own is not None and own.suspended


def receipt_order(
    context: UnitContext, rows: Sequence[Row], *, message_id: MessageId, thread: ThreadId, now: Millis
) -> Order:
    """The acknowledgement of delivery for these rows of the inbox, which are of one sender."""
    return _acknowledgement(
        context, rows, AcknowledgementStage.DELIVERED, message_id=message_id, thread=thread, now=now
    )


def deletion_order(
    context: UnitContext, rows: Sequence[Row], *, message_id: MessageId, thread: ThreadId, now: Millis
) -> Order:
    """The word that these rows of the inbox, which are of one sender, were erased at their H3's date."""
    return _acknowledgement(
        context, rows, AcknowledgementStage.ERASED, message_id=message_id, thread=thread, now=now
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


def acknowledge(
    received: Sequence[tuple[Core, Digest]],
    *,
    message_id: MessageId,
    thread: ThreadId,
    stage: AcknowledgementStage,
    allowed: frozenset[Purpose],
    case_ref: str | None,
    now: Millis,
) -> Order:
    """The acknowledgement of messages of one sender, whose purposes are `allowed`."""
    body = Acknowledgement(
        stage=stage,
        messages=tuple(
            AcknowledgedMessage(message=core.message_id, header_digest=subject) for core, subject in received
        ),
        case_ref=case_ref,
    )
    purposes = frozenset[Purpose]().union(*(core.purposes for core, _ in received))
    shared = (purposes & allowed) - {Purpose.UNDETERMINED}
    return Order(
        kind=MessageKind.ACKNOWLEDGEMENT,
        message_id=message_id,
        thread=thread,
        to=(Recipient(received[0][0].sender, Role.TO),),
        handling=OPEN_HANDLING,
        # The receipt serves the purposes that the messages served.
        purposes=shared or frozenset({Purpose.OPERATIONAL}),
        data_class=DataClass.NON_PERSONAL,
        expires=Millis(now + ACKNOWLEDGEMENT_LIFE),
        review=Millis(now + 365 * DAY),
        # The header has room for a few; the content, which only the sender reads, names all.
        refs=tuple(Reference(RefKind.REPLY_TO, subject) for _, subject in received[:MAX_REFERENCES]),
        parts=body_to_parts(body),
    )
