"""Which received requests wait for this unit's answer, and until when.

Owns the table `received_requests`: a row for each request that is not answered or refused for good. Every
function runs in the worker's thread; those that write expect an open transaction. Rules:
- A request comes in here once, after it was received, and goes once a router has accepted the last reply. A
  reply that is under way counts as given; one that is refused was not, and the request waits again.
- Times are those that routers signed (protocol/conversation/deadlines.py).
- CROSS JOIN has SQLite begin with this table, which holds what is open, and not with all that ever came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clients.daemon.errors import StoreDamaged
from clients.daemon.store.database import Row, Store
from clients.daemon.store.inbox import HeaderCache
from protocol.canonical import decode
from protocol.codes import MessageKind
from protocol.conversation.deadlines import answer_due, near_from
from protocol.conversation.following import REQUEST, Reply
from protocol.identifiers import Millis, UnitId
from protocol.limits import MAX_HEADER
from protocol.trail.records import parse_record

LOOK_AT_MOST: Final = 500
"""Messages looked at in one job."""

_LOOKED: Final = "requests-looked"

_FINAL: Final = tuple(reply for reply in Reply if not REQUEST.moves[REQUEST.target(reply)])
"""The replies behind which nothing is left to reply: two."""


@dataclass(frozen=True, slots=True)
class OpenRequests:
    """How many requests wait for this unit, and how long they may."""

    waiting: int = 0
    urgent: int = 0
    near: int = 0
    overdue: int = 0
    next_due: Millis | None = None
    """The deadline that comes next, of those that have not passed."""


def look_at_received(store: Store, headers: HeaderCache, *, author: UnitId) -> bool:
    """Take in requests that have come, and let go of what is answered; whether there is more."""
    found = store.row("SELECT value FROM meta WHERE key = ?", _LOOKED)
    after = 0 if found is None else int(found["value"])
    rows = store.rows("SELECT id, kind FROM inbox WHERE id > ? ORDER BY id LIMIT ?", after, LOOK_AT_MOST)
    for row in rows:
        if row["kind"] == MessageKind.REQUEST:
            _await_answer(store, headers, row["id"])
    if rows:
        store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _LOOKED, str(rows[-1]["id"]))
    store.write(
        """DELETE FROM received_requests WHERE message IN (
             SELECT q.message FROM received_requests q CROSS JOIN inbox i ON i.id = q.message
             JOIN replies r ON r.request = i.mid AND r.asker = i.sender AND r.author = ?
             JOIN outbox o ON o.id = r.outbox
             WHERE r.odd IS NULL AND o.state = 'accepted' AND r.reply IN (?, ?))""",
        author,
        *_FINAL,
    )
    return len(rows) == LOOK_AT_MOST


def open_requests(store: Store, *, author: UnitId, now: Millis) -> OpenRequests:
    """What waits now."""
    rows = store.rows(
        """SELECT q.urgent, q.due FROM received_requests q CROSS JOIN inbox i ON i.id = q.message
           WHERE NOT EXISTS (
             SELECT 1 FROM replies r JOIN outbox o ON o.id = r.outbox
             WHERE r.request = i.mid AND r.asker = i.sender AND r.author = ? AND r.odd IS NULL
               AND o.state <> 'refused' AND r.reply IN (?, ?))""",
        author,
        *_FINAL,
    )
    waiting = [(Millis(row["due"]), bool(row["urgent"])) for row in rows]
    overdue = sum(due <= now for due, _ in waiting)
    return OpenRequests(
        waiting=len(waiting),
        urgent=sum(urgent for _, urgent in waiting),
        near=sum(near_from(due, urgent=urgent) <= now < due for due, urgent in waiting),
        overdue=overdue,
        next_due=min((due for due, _ in waiting if due > now), default=None),
    )


def _await_answer(store: Store, headers: HeaderCache, number: int) -> None:
    row = store.row("SELECT * FROM inbox WHERE id = ?", number)
    assert row is not None
    urgent = headers.of(row).urgency is not None
    due = answer_due(_decided(row), urgent=urgent)
    store.write("INSERT OR IGNORE INTO received_requests VALUES (?, ?, ?)", number, int(urgent), due)


def _decided(row: Row) -> Millis:
    """When a router accepted it: verified when it came in, so it is only read here."""
    match decode(row["receipt"], limit=MAX_HEADER):
        case [_, bytes(record), *_]:
            return parse_record(record).t
        case _:
            raise StoreDamaged("a receipt of the inbox is none")
