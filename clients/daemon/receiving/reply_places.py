"""The place of a received answer or refusal: remembered, and shown as odd where it has none.

Owns what is written of it. Nothing is refused here: the message has held every check, and its sender may have
another program, or have lost its memory. In the transaction that stores the message.
"""

from __future__ import annotations

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox
from clients.daemon.store.replies import (
    note_received_reply,
    place_of_received,
    place_of_sent,
    state_of_request,
)
from protocol.codes import RefKind, Role
from protocol.content.bodies import Answer, Refusal
from protocol.conversation.following import (
    Disorder,
    EarlierMessage,
    FollowingMessage,
    Reply,
    RequestState,
    disorder_of,
    reply_in,
)
from protocol.envelope.core import Core
from protocol.identifiers import Digest, MessageId
from protocol.verification import Opened


def note_reply_received(context: UnitContext, row: int, opened: Opened, body: Answer | Refusal) -> None:
    """Remember what this message replies, and what is odd about it."""
    reply = reply_in(body)
    core = opened.delivery.header.core
    found = _earlier(context, core)
    asker = context.unit if found is None else found[1].sender
    odd = _odd(context, core, reply, found, named=body.in_reply_to)
    if odd is Disorder.UNKNOWN and core.to[opened.delivery.index].role is Role.COPY:
        odd = None  # a copy of what was said to another unit, whose request never came here
    note_received_reply(
        context.store, reply, row=row, request=body.in_reply_to, asker=asker, author=core.sender, odd=odd
    )


def _odd(
    context: UnitContext,
    core: Core,
    reply: Reply,
    found: tuple[MessageId, EarlierMessage] | None,
    *,
    named: MessageId,
) -> Disorder | None:
    message = FollowingMessage(kind=core.kind, sender=core.sender, thread=core.thread, reply=reply)
    if found is None:
        return disorder_of(message, None, RequestState.OPEN)
    message_id, earlier = found
    if message_id != named:
        return Disorder.TWO_REQUESTS
    state = state_of_request(context.store, message_id, asker=earlier.sender, author=core.sender)
    return disorder_of(message, earlier, state)


def _earlier(context: UnitContext, core: Core) -> tuple[MessageId, EarlierMessage] | None:
    """The message that the header refers to, with its id, if it was sent from here or came here."""
    for ref in core.refs:
        if ref.kind is not RefKind.REPLY_TO:
            continue
        sent = outbox.sent_by_digest(context.store, Digest(ref.header_digest))
        if sent is not None:
            return MessageId(sent["mid"]), place_of_sent(sent, sender=context.unit)
        received = inbox.received_by_digest(context.store, Digest(ref.header_digest))
        if received is not None:
            return MessageId(received["mid"]), place_of_received(context.headers.of(received))
    return None
