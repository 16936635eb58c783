"""The ids of messages in the database: which one a few digits mean, and the few digits that mean one.

Runs in the worker's thread. Rule: a prefix names a message where no other begins so, among those that the
question is about; automatic acknowledgements, which no list shows, are named by their whole ids only.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from clients.daemon.store.database import Row, Store
from protocol.codes import MessageKind
from protocol.identifiers import IdPrefix, MessageId, ThreadId, short_id, show_id
from runtime.errors import Ambiguous, NotFound

MOST: Final = 10
"""So many candidates are named."""


class Place(Enum):
    """Where a message is looked for."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    BOTH = "inbox or outbox"


def find_id(store: Store, wanted: bytes | IdPrefix, place: Place) -> MessageId:
    """The id that is meant; `NotFound` or `Ambiguous` where a prefix names none or several.

    A whole id is taken as it is, whether or not there is such a message.
    """
    if not isinstance(wanted, IdPrefix):
        return MessageId(wanted)
    found: dict[bytes, str] = {}
    if place is not Place.OUTBOX:
        for row in _received(store, wanted):
            found.setdefault(row["mid"], f"{show_id(row['mid'])} received from {row['sender']}")
    if place is not Place.INBOX:
        for row in _sent(store, wanted):
            found.setdefault(row["mid"], f"{show_id(row['mid'])} sent")
    if not found:
        raise NotFound(
            f"no message in the {place.value} begins with {wanted}", hint="see 'inbox ls' and 'outbox ls'"
        )
    if len(found) > 1:
        lines = [found[mid] for mid in sorted(found)]
        raise Ambiguous(wanted, lines[:MOST], more=len(lines) > MOST)
    return MessageId(next(iter(found)))


def find_thread(store: Store, wanted: bytes | IdPrefix) -> ThreadId:
    """The conversation that is meant, as above."""
    if not isinstance(wanted, IdPrefix):
        return ThreadId(wanted)
    bounds = (wanted.first, wanted.last, MOST + 1)
    received = store.rows("SELECT DISTINCT thread FROM inbox WHERE thread BETWEEN ? AND ? LIMIT ?", *bounds)
    sent = store.rows("SELECT DISTINCT thread FROM outbox WHERE thread BETWEEN ? AND ? LIMIT ?", *bounds)
    found = sorted({row["thread"] for row in (*received, *sent)})
    if not found:
        raise NotFound(f"no conversation begins with {wanted}", hint="see 'inbox show' and 'outbox show'")
    if len(found) > 1:
        raise Ambiguous(wanted, [show_id(thread) for thread in found[:MOST]], more=len(found) > MOST)
    return ThreadId(found[0])


def short_form(store: Store, message_id: bytes) -> str:
    """The beginning of an id that no other message here has, for tables."""
    row = store.row(
        """SELECT (SELECT max(mid) FROM inbox WHERE mid < ?), (SELECT min(mid) FROM inbox WHERE mid > ?),
                  (SELECT max(mid) FROM outbox WHERE mid < ?), (SELECT min(mid) FROM outbox WHERE mid > ?)""",
        *[message_id] * 4,
    )
    return short_id(message_id, *(row or ()))


def _received(store: Store, wanted: IdPrefix) -> list[Row]:
    return store.rows(
        "SELECT mid, sender FROM inbox WHERE mid BETWEEN ? AND ? AND kind <> ? ORDER BY mid LIMIT ?",
        wanted.first,
        wanted.last,
        int(MessageKind.ACKNOWLEDGEMENT),
        MOST + 1,
    )


def _sent(store: Store, wanted: IdPrefix) -> list[Row]:
    return store.rows(
        "SELECT mid FROM outbox WHERE mid BETWEEN ? AND ? AND automatic = 0 ORDER BY mid LIMIT ?",
        wanted.first,
        wanted.last,
        MOST + 1,
    )
