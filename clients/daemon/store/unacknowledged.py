"""Which addressees have not acknowledged a message in time.

Owns the table `unacknowledged`. Every function runs in the worker's thread; those that write expect an open
transaction. A message is looked at once, `WITHIN` after it was handed in; who has not acknowledged it then
stands here until it does. So what is acknowledged in time costs nothing, and the table holds what is out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from clients.daemon.store.database import Row, Store
from clients.daemon.store.message_states import OutboxState
from protocol.codes import MessageKind
from protocol.identifiers import MessageId, Millis
from protocol.limits import DAY, HOUR

WITHIN: Final = HOUR
"""A daemon that runs acknowledges within seconds; one that is off for the night is told of in the morning."""

LOOK_AT_MOST: Final = 500
"""Messages looked at in one job."""

MOST: Final = 10_000
"""Rows that are kept, the newest: a unit that never acknowledges fills no disk."""

_LOOKED: Final = "unacknowledged-looked"
_FIRST_LOOK_BACK: Final = 7 * DAY
"""What is older when a store is first looked at was not awaited then, and is not now."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """One addressee, and the messages that it has not acknowledged."""

    unit: str
    count: int
    first: MessageId
    """The oldest of them."""


def look_at_sent(store: Store, *, now: Millis) -> bool:
    """Look at messages whose time has come, in their order; whether there are more."""
    before = _looked(store, now)
    rows = store.rows(
        """SELECT id, kind, state, automatic, recipients, created FROM outbox WHERE id > ?
           ORDER BY id LIMIT ?""",
        before,
        LOOK_AT_MOST,
    )
    # One from a time to come was handed in by a clock that was put back since: that time is not waited for.
    due = list(takewhile(lambda row: not now - WITHIN < row["created"] <= now, rows))
    for row in due:
        if not row["automatic"] and row["kind"] != MessageKind.ACKNOWLEDGEMENT:
            _await(store, row)
    if due:
        store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _LOOKED, str(due[-1]["id"]))
        store.write(
            """DELETE FROM unacknowledged WHERE message <= (
                   SELECT message FROM unacknowledged ORDER BY message DESC LIMIT 1 OFFSET ?)""",
            MOST,
        )
    return len(due) == LOOK_AT_MOST


def take_untold(store: Store, *, now: Millis) -> Sequence[Overdue]:
    """Accepted messages whose time is over and of which nobody was told, by addressee; they are told now."""
    rows = store.rows(
        """SELECT u.unit, u.message, o.mid FROM unacknowledged u JOIN outbox o ON o.id = u.message
           WHERE u.told = 0 AND o.state = ? AND (o.changed <= ? OR o.changed > ?) ORDER BY u.message""",
        OutboxState.ACCEPTED,
        now - WITHIN,
        now,
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["unit"], []).append(row)
        store.write(
            "UPDATE unacknowledged SET told = 1 WHERE message = ? AND unit = ?", row["message"], row["unit"]
        )
    return [Overdue(unit, len(each), MessageId(each[0]["mid"])) for unit, each in found.items()]


def await_no_more(store: Store, row: int, unit: str) -> None:
    """An addressee has acknowledged a message after all."""
    store.write("DELETE FROM unacknowledged WHERE message = ? AND unit = ?", row, unit)


def units_out(store: Store, message: Row) -> list[str]:
    """Who has not acknowledged this message in time; nobody if it is not accepted."""
    if message["state"] != OutboxState.ACCEPTED:
        return []
    rows = store.rows("SELECT unit FROM unacknowledged WHERE told = 1 AND message = ?", message["id"])
    return sorted(found["unit"] for found in rows)


def without_acknowledgement(store: Store, message: Row) -> list[str]:
    """Who has not acknowledged a message of the outbox at all, in time or not."""
    done = {
        found["unit"]
        for found in store.rows("SELECT unit FROM acknowledgements WHERE message = ?", message["id"])
    }
    return [unit for unit, _ in json.loads(message["recipients"]) if unit not in done]


def _await(store: Store, row: Row) -> None:
    if row["state"] == OutboxState.REFUSED:
        return
    for unit in without_acknowledgement(store, row):
        store.write("INSERT OR IGNORE INTO unacknowledged (message, unit) VALUES (?, ?)", row["id"], unit)


def _looked(store: Store, now: Millis) -> int:
    """The last row that was looked at."""
    row = store.row("SELECT value FROM meta WHERE key = ?", _LOOKED)
    if row is not None:
        return int(row["value"])
    old = store.row("SELECT max(id) AS id FROM outbox WHERE created < ?", now - _FIRST_LOOK_BACK)
    return 0 if old is None or old["id"] is None else int(old["id"])
