"""The place of a message in its conversation: one that has none is not taken in, and told why.

Owns the refusal. By which tables is protocol/conversation/following.py; what was replied before is in
`store.replies`. Inside the transaction that takes the message in: of two replies for good one is refused.
"""

from __future__ import annotations

from clients.daemon.errors import OutOfOrder
from clients.daemon.sending.composing import Composed, Earlier
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.replies import note_sent_reply, state_of_request
from protocol.content.code_forms import show_code
from protocol.conversation.following import Disorder, FollowingMessage, RequestState, disorder_of
from protocol.errors import DraftError
from protocol.identifiers import show_id


def check_conversation(context: UnitContext, made: Composed, earlier: Earlier) -> None:
    """Refuse what may not follow the message that it refers to: `OutOfOrder`, `DraftError`."""
    order = made.order
    asker, state = earlier.place.sender, RequestState.OPEN
    if made.reply is not None:
        state = state_of_request(context.store, earlier.message_id, asker=asker, author=context.unit)
    message = FollowingMessage(kind=order.kind, sender=context.unit, thread=order.thread, reply=made.reply)
    disorder = disorder_of(message, earlier.place, state)
    if disorder is not None:
        raise OutOfOrder(f"{_this(made)} may not follow: it {disorder}", hint=_what_to_do(made, disorder))
    if made.reply is not None and asker not in {recipient.unit for recipient in order.to}:
        raise DraftError(f"a reply goes to {asker}, which asked", hint=f"name {asker} among the addressees")


def note_reply(context: UnitContext, made: Composed) -> None:
    """Remember what was replied. In the transaction that takes the message in."""
    if made.reply is None or made.earlier is None:
        return
    note_sent_reply(
        context.store,
        made.reply,
        message=made.order.message_id,
        request=made.earlier.message_id,
        asker=made.earlier.place.sender,
        author=context.unit,
    )


def _this(made: Composed) -> str:
    return f"this {show_code(made.order.kind)}" if made.reply is None else made.reply.value


def _what_to_do(made: Composed, disorder: Disorder) -> str:
    match disorder:
        case Disorder.REFUSES_WHAT_WAS_GIVEN:
            return "refuse the rest: extent 'part', 'concerns' names it ('inbox refuse --concerns')"
        case Disorder.ANOTHER_CONVERSATION:
            return "leave the conversation out: a reply is in that of its request"
        case Disorder.FOLLOWS_ACKNOWLEDGEMENT:
            return "refer to the message that was acknowledged"
        case _:
            thread = show_id(made.order.thread)
            return f"send it as information: 'contrada send' with --thread {thread}"
