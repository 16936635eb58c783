"""Messages that wait because of a clock: how many, which clock is how far off, and what to do.

Owns what is known of the clocks. A router's signed decision says what time it was there. Where it refused a
message as made in the future, this clock is ahead of the router's; if it is later than this clock, this is
behind. Where no other unit has a key for this week, this one is weeks ahead, though no router was asked.
Whose clock is wrong no unit can tell alone. Runs in the worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.database import Store
from protocol.epochs import bounds, to_publish
from protocol.errors import Code
from protocol.limits import CLOCK_TOLERANCE, SECOND
from protocol.trail.batches import parse_record
from protocol.trail.records import SUMMARY_FIELDS

_BY_A_CLOCK: Final = (Code.E_TIME_FUTURE, Code.E_KEY_NOT_YET)
"""Why a message waits, where setting a clock right is what helps."""

_BY_A_CLOCK_AND_NO_KEY: Final = (Code.E_TIME_FUTURE,)
"""The same while a cooling-off time runs: that the key does not count yet is as the root asks for."""

_BY_A_CLOCK_BEHIND: Final = (*_BY_A_CLOCK, Code.E_TIME_STALE, Code.E_RCPT_EPOCH)
"""The same while this clock is behind: what is made now is old, and no week's key is the right one."""

_BY_A_CLOCK_FAR_AHEAD: Final = (*_BY_A_CLOCK, Code.E_RCPT_EPOCH)
"""The same while it is weeks ahead: nobody has keys for such a week yet, and no router is asked at all."""

_UNITS_THAT_TELL: Final = 2
"""So many other units without a key for this week are no coincidence; one alone may have been off."""

_CREATED: Final = SUMMARY_FIELDS.index("created")


@dataclass(frozen=True, slots=True)
class ClockState:
    """What the unit knows of its clock."""

    waiting: int
    """Messages that wait because of it, and those behind them in their conversations."""

    ahead: int | None
    """Milliseconds that it is ahead of a router's at the least; None where nothing says so."""

    behind: int | None
    """Milliseconds that it is behind a router's at the least."""

    @property
    def is_right(self) -> bool:
        """Whether nothing waits for it, and nothing contradicts it."""
        return self.waiting == 0 and self.behind is None

    def advice(self) -> str:
        """What is wrong, and what to do; empty where nothing is."""
        if self.is_right:
            return ""
        wait = "" if not self.waiting else "1 message waits; "
        if self.waiting > 1:
            wait = f"{self.waiting} messages wait; "
        if self.ahead is not None:
            off = f"this clock is {self.ahead // SECOND} s ahead of the router's"
        elif self.behind is not None:
            off = f"this clock is {self.behind // SECOND} s behind the router's"
        else:
            off = "this unit's key is not valid yet by this clock"
        return f"{wait}{off}: set it; if it is right, tell the centre that the other one is wrong"


def clock_state(context: UnitContext) -> ClockState:
    """The clock as decisions, the others' keys and waiting messages show it now."""
    late = _late(context)
    if late > CLOCK_TOLERANCE:
        return ClockState(_waiting(context.store, _BY_A_CLOCK_BEHIND), _ahead(context.store), late)
    far_ahead = _ahead_of_every_key(context)
    codes: tuple[Code, ...] = _BY_A_CLOCK if far_ahead is None else _BY_A_CLOCK_FAR_AHEAD
    if context.rests_until is not None:
        codes = _BY_A_CLOCK_AND_NO_KEY
    return ClockState(_waiting(context.store, codes), far_ahead or _ahead(context.store), None)


def _late(context: UnitContext) -> int:
    """By how much this clock is behind: as most say who are heard, or else by the newest decision."""
    if context.times is None:
        return context.seen() - context.clock()
    fault = context.times.fault()
    return 0 if fault is None else -fault.ahead


def _waiting(store: Store, codes: tuple[Code, ...]) -> int:
    rows = store.rows("SELECT thread, reasons FROM outbox WHERE state = 'queued'")
    held = {row["thread"] for row in rows if any(f'"{code.value}"' in row["reasons"] for code in codes)}
    return sum(row["thread"] in held for row in rows)


def _ahead(store: Store) -> int | None:
    """By how much the newest message that is refused as made in the future was ahead of its decision."""
    row = store.row(
        """SELECT s.record FROM outbox o JOIN sealings s ON s.message = o.id
           WHERE o.state = 'queued' AND o.reasons LIKE '%"E_TIME_FUTURE"%' AND s.record IS NOT NULL
           ORDER BY s.id DESC LIMIT 1"""
    )
    record = None if row is None else parse_record(row["record"])
    if record is None or not isinstance(record.header, list):
        return None
    ahead = record.header[_CREATED] - record.t
    return ahead if ahead > 0 else None


def _ahead_of_every_key(context: UnitContext) -> int | None:
    """How long ago, by this clock, the last week ended for which another unit has a key; None if none has."""
    directory, now = context.directory, context.clock()
    others = [each.unit for each in directory.units() if each.unit != context.unit]
    if any(directory.epoch_key_for(unit, week) for week in to_publish(now) for unit in others):
        return None
    newest = [keys[-1].epoch for unit in others if (keys := directory.epochs(unit))]
    ago = now - bounds(max(newest))[1] if len(newest) >= _UNITS_THAT_TELL else 0
    return ago if ago > 0 else None
