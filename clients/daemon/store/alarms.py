"""Alarms: what an officer must look at, and which of them an officer has acknowledged.

Owns the tables `alarms`, `alarm_occurrences` and `alarm_acknowledgements`, and how many are kept. Every
function runs in the worker's thread; those that write expect an open transaction. Rules:
- What has one code and one cause is one alarm while it is open: it says how often it came, when first and
  when last. That it was acknowledged says nothing about the next occurrence: that is another alarm.
- An acknowledgement stays beside its alarm: who, when, and a note. The first one counts.
- Of each code the newest `KEPT` are kept, and the newest few are shown at a glance, so that a flood of one
  kind takes no other's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clients.daemon.store.database import Row, Store
from protocol.identifiers import Millis
from runtime.errors import NotFound

KEPT: Final = 200

AT_A_GLANCE: Final = 4
"""Of each code, where all are shown together."""

ALARM_STATES: Final = ("open", "acknowledged")

_LISTED: Final = """
    SELECT a.id, a.raised, a.code, a.detail, k.acknowledged, k.by, k.note,
           coalesce(o.count, 1) AS count, coalesce(o.last, a.raised) AS last,
           coalesce(o.last_detail, a.detail) AS last_detail
    FROM alarms a LEFT JOIN alarm_acknowledgements k ON k.alarm = a.id
    LEFT JOIN alarm_occurrences o ON o.alarm = a.id
    WHERE a.id > ? AND a.id < ?"""
_OF_STATE: Final = {
    None: "",
    "open": " AND k.alarm IS NULL",
    "acknowledged": " AND k.alarm IS NOT NULL",
}
_NEWEST_OF_EACH: Final = """ AND a.id IN (
        SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY code ORDER BY id DESC) AS nth FROM alarms)
        WHERE nth <= ?) ORDER BY a.id DESC"""
_BEYOND: Final = 2**62


def raise_alarm(store: Store, *, code: str, cause: str, detail: str, now: Millis) -> None:
    """Record an occurrence for an officer: ids and codes only. An alarm's detail is that of the first one."""
    if _occurs_again(store, code=code, cause=cause, detail=detail, now=now):
        return
    made = store.insert("INSERT INTO alarms (raised, code, detail) VALUES (?, ?, ?)", now, code, detail)
    store.write("INSERT INTO alarm_occurrences VALUES (?, ?, 1, ?, ?)", made, cause, now, detail)
    store.write(
        """DELETE FROM alarms WHERE code = ? AND id <= (
               SELECT id FROM alarms WHERE code = ? ORDER BY id DESC LIMIT 1 OFFSET ?)""",
        code,
        code,
        KEPT,
    )


def _occurs_again(store: Store, *, code: str, cause: str, detail: str, now: Millis) -> bool:
    """Count it to the open alarm of this code and cause; whether there is one."""
    return bool(
        store.write(
            """UPDATE alarm_occurrences SET count = count + 1, last = ?, last_detail = ?
               WHERE cause = ? AND alarm = (
                   SELECT max(a.id) FROM alarms a JOIN alarm_occurrences o ON o.alarm = a.id
                   WHERE a.code = ? AND o.cause = ?)
                 AND alarm NOT IN (SELECT alarm FROM alarm_acknowledgements)""",
            now,
            detail,
            cause,
            code,
            cause,
        )
    )


def acknowledge_alarms(
    store: Store, numbers: Sequence[int], *, by: str, note: str | None, now: Millis
) -> list[int]:
    """Record that somebody has looked at these; those that were open. `NotFound` if one is not here."""
    known = {number: alarm_of(store, number) for number in dict.fromkeys(numbers)}
    missing = [number for number, row in known.items() if row is None]
    if missing:
        named = ", ".join(map(str, missing[:8]))
        raise NotFound(f"there is no alarm {named} here", hint="see 'contrada unit alarms ls'")
    return [
        number
        for number in known
        if store.write(
            "INSERT OR IGNORE INTO alarm_acknowledgements VALUES (?, ?, ?, ?)", number, now, by, note or ""
        )
    ]


def alarm_of(store: Store, number: int) -> Row | None:
    """One alarm with its acknowledgement."""
    return store.row(f"{_LISTED}", number - 1, number + 1)


def listed_alarms(
    store: Store, *, state: str | None, after: int | None, before: int | None, newest: bool, most: int
) -> Sequence[Row]:
    """Alarms with their acknowledgements, from one end."""
    order = "DESC" if newest else "ASC"
    return store.rows(
        f"{_LISTED}{_OF_STATE[state]} ORDER BY a.id {order} LIMIT ?",
        after or 0,
        _BEYOND if before is None else before,
        most,
    )


def alarms_at_a_glance(store: Store) -> Sequence[Row]:
    """The newest few of each code, the newest of all first."""
    return store.rows(f"{_LISTED}{_NEWEST_OF_EACH}", 0, _BEYOND, AT_A_GLANCE)


def alarms_by_code(store: Store) -> dict[str, tuple[int, int]]:
    """How many alarms of each code are open, and how many acknowledged."""
    rows = store.rows(
        """SELECT a.code, count(*) AS n, count(k.alarm) AS done
           FROM alarms a LEFT JOIN alarm_acknowledgements k ON k.alarm = a.id GROUP BY a.code"""
    )
    return {row["code"]: (row["n"] - row["done"], row["done"]) for row in rows}
