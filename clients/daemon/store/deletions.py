"""Which received messages are to be deleted when, by their originators' H3, and what became of it.

Owns the table `deletions`: one row for each received message whose H3 names a date, from when it came. Every
function runs in the worker's thread; those that write expect an open transaction. At the date the content's
key is overwritten; header, decision and proofs stay. Then the originator is told, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clients.daemon.store.database import Row, Store
from clients.daemon.store.inbox import HeaderCache, erase_received
from protocol.errors import Code
from protocol.identifiers import Millis

LOOK_AT_MOST: Final = 500
"""Messages looked at in one job."""

_LOOKED: Final = "deletions-looked"


def look_at_earlier(store: Store, headers: HeaderCache) -> bool:
    """Look at messages that came before this program knew of dates, once; whether there are more."""
    found = store.row("SELECT value FROM meta WHERE key = ?", _LOOKED)
    after = 0 if found is None else int(found["value"])
    if after < 0:
        return False
    rows = store.rows("SELECT * FROM inbox WHERE id > ? ORDER BY id LIMIT ?", after, LOOK_AT_MOST)
    for row in rows:
        h3 = headers.of(row).h3
        if h3 is not None and h3.delete_by is not None:
            await_date(store, row["id"], due=h3.delete_by)
    reached = rows[-1]["id"] if len(rows) == LOOK_AT_MOST else -1
    store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _LOOKED, str(reached))
    return reached >= 0


def await_date(store: Store, row: int, *, due: Millis) -> None:
    """This message of the inbox is to be deleted then."""
    store.write("INSERT OR IGNORE INTO deletions (message, due) VALUES (?, ?)", row, due)


def due(store: Store, *, now: Millis, most: int) -> Sequence[int]:
    """Messages whose date has come and that are there still, the oldest date first."""
    rows = store.rows(
        "SELECT message FROM deletions WHERE erased IS NULL AND due <= ? ORDER BY due LIMIT ?", now, most
    )
    return [row["message"] for row in rows]


def erase(store: Store, row: int, *, now: Millis) -> None:
    """Overwrite the key of a message's content, and note when."""
    erase_received(store, row)
    store.write("UPDATE deletions SET erased = ? WHERE message = ?", now, row)


def untold(store: Store, *, most: int) -> Sequence[Row]:
    """Messages that were deleted and whose originators were not told yet."""
    return store.rows(
        """SELECT i.* FROM deletions d JOIN inbox i ON i.id = d.message
           WHERE d.erased IS NOT NULL AND d.told_by IS NULL ORDER BY d.message LIMIT ?""",
        most,
    )


def mark_told(store: Store, row: int, *, notice: int) -> None:
    """That acknowledgement of the outbox tells of it."""
    store.write("UPDATE deletions SET told_by = ? WHERE message = ?", notice, row)


def of_notice(store: Store, notice: int) -> Sequence[Row]:
    """The messages of whose deletion an acknowledgement tells; none where it tells of something else."""
    return store.rows(
        "SELECT i.* FROM deletions d JOIN inbox i ON i.id = d.message WHERE d.told_by = ? ORDER BY d.message",
        notice,
    )


def tell_what_was_refused(store: Store) -> bool:
    """Tell once more what was refused while this unit was suspended; whether there is something to tell."""
    return bool(
        store.write(
            """UPDATE deletions SET told_by = NULL WHERE told_by IN (
                 SELECT id FROM outbox WHERE automatic = 1 AND state = 'refused' AND reasons LIKE ?)""",
            f'%"{Code.E_SENDER_SUSPENDED.value}"%',
        )
    )
