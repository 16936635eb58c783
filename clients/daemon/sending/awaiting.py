"""What is awaited: others' acknowledgements of our messages, and our answers to their requests.

    acknowledgement_missing   they are on their way, or lost behind the router: nobody here can tell which

Owns that alarm, one for each addressee, and what may be sent again. Of requests it only keeps the book that
the gauges count (store/received_requests.py). A router's "accepted" says that the
delivery was written into the addressee's inbox topic. If Kafka loses that, or its owner takes it out, only
the missing acknowledgement shows it. Runs in the worker's thread. Rules for sending again:
- The same message under the same id is sealed anew. Addressees take it once; one that has it acknowledges
  again.
- It stays accepted, whatever becomes of this sealing.
- An officer asks for it, for each message: nothing is sent again by itself.
"""

from __future__ import annotations

import structlog

from clients.daemon.sending.sealer import seal_once_more
from clients.daemon.sending.waiting import order_of
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import outbox, received_requests, unacknowledged
from clients.daemon.store.message_states import OutboxState
from protocol.codes import MessageKind
from protocol.identifiers import MessageId, show_id
from runtime.errors import Conflict, NotFound

log = structlog.get_logger()


def look_for_acknowledgements(context: UnitContext) -> bool:
    """Look at what should be acknowledged by now, and tell of what is not; whether there is more.

    And at the requests that have come, and those that are answered.
    """
    now = context.clock()
    with context.transaction():
        more = unacknowledged.look_at_sent(context.store, now=now)
        more |= received_requests.look_at_received(context.store, context.headers, author=context.unit)
        for out in unacknowledged.take_untold(context.store, now=now):
            detail = f"{out.unit}: {out.count} accepted and not acknowledged, the oldest {show_id(out.first)}"
            context.alarm("acknowledgement_missing", cause=out.unit, detail=detail)
    return more


def send_again(context: UnitContext, message_id: MessageId) -> MessageId:
    """Seal an accepted message once more; `Conflict` where there is no reason to, or no way. Its id again."""
    row = outbox.sent_by_id(context.store, message_id)
    name = show_id(message_id)
    if row is None:
        raise NotFound(f"there is no message {name} in the outbox", hint="see 'outbox ls'")
    if row["state"] != OutboxState.ACCEPTED:
        raise Conflict(
            f"{name} is {row['state']}: only an accepted message is sent again",
            hint="what is not decided is sent again by itself; what was refused is corrected and sent anew",
        )
    if row["automatic"] or row["kind"] == MessageKind.ACKNOWLEDGEMENT:
        raise Conflict("an acknowledgement is not sent again", hint="acknowledge the message once more")
    if not unacknowledged.without_acknowledgement(context.store, row):
        raise Conflict(f"every addressee has acknowledged {name}", hint="nothing is missing")
    if outbox.is_sealing_under_way(context.store, row["id"]):
        raise Conflict(f"{name} is being sent again already", hint="'outbox show' says what becomes of it")
    order, now = order_of(context, row["id"]), context.clock()
    if order.expires <= now:
        raise Conflict(f"{name} has expired", hint="send it anew, as another message")
    with context.transaction():
        missing = seal_once_more(context, row["id"], order, now=now)
    if missing:
        units = ", ".join(missing)
        raise Conflict(f"{name} cannot be sealed now: no key of {units}", hint="ask again when there is one")
    log.info("sent_again_by_hand", message_id=name)
    return message_id
