"""Deletion at the date that an originator's H3 names, and the signed word that it was done.

Owns when it is done and who is told. Runs in the worker's thread. Rules:
- By this machine's clock, and not before somebody else's has passed the date, too: one that jumps ahead
  deletes nothing too early. A router's decisions, or Kafka, tell the time.
- Whoever was restored from a backup deletes again what came back with it, and tells again.
- The originator is told by an acknowledgement of the stage `erased`, in a conversation of its own.
"""

from __future__ import annotations

from typing import Final

import structlog

from clients.daemon.sending.acknowledgements import deletion_order, is_suspended
from clients.daemon.sending.sealer import seal_row
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import deletions, outbox
from clients.daemon.store.database import Row
from protocol.identifiers import Millis, new_message_id, new_thread_id
from protocol.limits import MAX_ACKNOWLEDGED

log = structlog.get_logger()

AT_ONCE: Final = 100
"""Messages deleted in one job."""


def delete_what_is_due(context: UnitContext) -> bool:
    """Delete what is due, and tell its originators; whether there is more."""
    now = context.clock()
    with context.transaction():
        earlier = deletions.look_at_earlier(context.store, context.headers)
        gone = deletions.due(context.store, now=_passed(context), most=AT_ONCE)
        for row in gone:
            deletions.erase(context.store, row, now=now)
        if gone:
            log.info("deleted_by_h3", count=len(gone))
        told = _tell(context, now)
    return earlier or len(gone) == AT_ONCE or told


def _passed(context: UnitContext) -> Millis:
    """The time that has come by this machine's clock and by some other party's."""
    others = None if context.times is None else context.times.check.at_least(parties=1)
    return min(context.wall(), max(context.seen(), others or Millis(0)))


def _tell(context: UnitContext, now: Millis) -> bool:
    if is_suspended(context):
        return False  # it would be refused, and stays to be told
    rows = deletions.untold(context.store, most=MAX_ACKNOWLEDGED)
    senders: dict[str, list[Row]] = {}
    for row in rows:
        senders.setdefault(row["sender"], []).append(row)
    for of_one in senders.values():
        message_id, thread = new_message_id(now, context.entropy), new_thread_id(context.entropy)
        order = deletion_order(context, of_one, message_id=message_id, thread=thread, now=now)
        made = outbox.insert_receipt(context.store, order, now=now)
        for row in of_one:
            deletions.mark_told(context.store, row["id"], notice=made)
        seal_row(context, made, order, now=now)
    return bool(rows)
