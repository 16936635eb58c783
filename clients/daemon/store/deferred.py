"""Deliveries that a router decided at a time that has not come here: kept as they are until it has.

Owns the table `deferred`. Every function runs in the worker's thread; those that write expect an open
transaction. What is kept was verified and opened but for the time, and is judged again from the beginning.
So many are kept and no more: whoever can write such deliveries fills nobody's disk with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clients.daemon.store.database import Row, Store
from protocol.identifiers import Millis

MOST_DEFERRED: Final = 200

_AT_ONCE: Final = 20


def defer(store: Store, *, source: tuple[str, int, int], until: Millis, value: bytes) -> bool:
    """Keep a delivery until then; False where there are too many."""
    kept = store.row("SELECT count(*) AS n FROM deferred")
    if kept is not None and kept["n"] >= MOST_DEFERRED:
        return False
    store.write(
        "INSERT OR IGNORE INTO deferred (topic, partition, position, until, value) VALUES (?, ?, ?, ?, ?)",
        *source,
        until,
        value,
    )
    return True


def take_deferred_rows(store: Store, *, now: Millis) -> Sequence[Row]:
    """Those whose time has come, the earliest first; they are not kept any more."""
    rows = store.rows("SELECT * FROM deferred WHERE until <= ? ORDER BY until LIMIT ?", now, _AT_ONCE)
    for row in rows:
        store.write("DELETE FROM deferred WHERE id = ?", row["id"])
    return rows
