"""The unit's clock: this machine's, or that of the others where most of them say that it is behind.

    routers    the times of their signed decisions; not later than now, by the age of what they decided
    Kafka      when it took a batch of ours, which it says in its answer; and when it is asked, at the start
    ledger     the times under the heads that it published, its own and those of its witnesses

Owns which time a message bears and whose words are kept over a restart. Rules (docs/adr/0029):

- A clock that is behind is helped by what at least two of them have shown: nobody sets another's clock alone,
  and a router that is a year ahead moves nothing here. Where one speaks alone, messages wait.
- A clock that is ahead is not helped: what was sealed waits, as it always did (sending/clock_waits.py).
- Keys are made and destroyed by this machine's own clock alone.
- Before a restart a party's clock had shown something; it cannot show less now. That is kept, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clients.daemon.store.database import Store
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE, MINUTE
from runtime.process.clock import MOST_SOURCES, ClockCheck, ClockFault

TWO: Final = 2
"""So many parties' clocks have passed a time before it is taken for ours."""

_RIGHT: Final = CLOCK_TOLERANCE - MINUTE
_KEPT: Final = "heard:"
_KEEP_EVERY: Final = MINUTE


class UnitClock:
    """This machine's clock, corrected by what others' show."""

    __slots__ = ("_kept", "_store", "check", "wall")

    def __init__(self, wall: Callable[[], Millis], monotonic: Callable[[], float], store: Store) -> None:
        self.wall = wall
        """This machine's own."""

        self.check = ClockCheck(wall, monotonic, off=CLOCK_TOLERANCE, right=_RIGHT)
        self._store = store
        self._kept: dict[str, int] = {}
        for row in store.rows("SELECT key, value FROM meta WHERE key LIKE 'heard:%' LIMIT ?", MOST_SOURCES):
            source, t = row["key"].removeprefix(_KEPT), int(row["value"])
            self._kept[source] = t
            self.check.heard(source, t)

    def now(self) -> Millis:
        """The time that a message bears now, and by which its keys are chosen."""
        wall = self.wall()
        fault = self.check.fault(wall)
        if fault is None or fault.ahead > 0:
            return wall
        agreed = self.check.at_least(parties=TWO)
        return wall if agreed is None else max(wall, agreed)

    def fault(self) -> ClockFault | None:
        """What is wrong with this machine's clock."""
        return self.check.fault()

    def heard(self, source: str, low: int, high: int | None = None) -> None:
        """A party's clock shows no less than `low` now, and no more than `high`. Inside a transaction."""
        self.check.heard(source, low, high)
        # Kept now and then: a restart that knows a minute less knows enough.
        if abs(low - self._kept.get(source, 0)) >= _KEEP_EVERY and len(self._kept) < MOST_SOURCES:
            self._kept[source] = low
            self._store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _KEPT + source, str(low))
