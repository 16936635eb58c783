"""The clocks of a simulation: each party has its own, and they drift, jump and stop.

Owns what `time.time`, `time.time_ns`, `time.monotonic`, `os.urandom` and `random` are while a simulation runs:
functions of the loop's time, of the party that asks and of the seed. What has been imported by name before keeps the
true one; that is metrics (`perf_counter`) and nothing else here.

A clock on the wall may be wrong in any way. The monotonic one goes on evenly, a little too fast or too slow: what
stands still as well is a party that is paused.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final
from unittest.mock import patch

from aiokafka.producer.message_accumulator import BatchBuilder

from tests.years.lives import LIFE
from tests.years.loop import VirtualLoop

BEGIN_MS: Final = 1_795_000_000_000
"""When a simulation begins, Unix milliseconds: a day in November 2026."""

BOOTED: Final = 100_000.0
"""What a monotonic clock shows at the beginning."""


@dataclass
class PartyClock:
    """One party's clocks, as differences from true time."""

    off: float = 0.0
    """Seconds that the wall clock is ahead."""

    stopped_at: float | None = None
    """What the wall clock shows for ever, in seconds since the beginning; None while it goes."""

    _drift: float = 0.0
    _since: float = 0.0
    _gained: float = 0.0
    """Seconds that the monotonic clock has gained until `_since`; nobody sets it back."""

    def wall(self, now: float) -> float:
        """Seconds since the beginning, by the wall clock."""
        return self.stopped_at if self.stopped_at is not None else now + self._drifted(now) + self.off

    def monotonic(self, now: float) -> float:
        """Seconds, by the clock that does not jump."""
        return BOOTED + now + self._gained + self._drifted(now)

    def stop(self, now: float) -> None:
        """It shows the same from now on."""
        self.stopped_at = self.wall(now)

    def drift(self, rate: float, now: float) -> None:
        """From now on it is faster than true time, by this part of it."""
        self._gained += self._drifted(now)
        self._drift, self._since = rate, now

    def right(self, now: float) -> None:
        """It is set right, and goes."""
        self.drift(0.0, now)
        self.stopped_at, self.off = None, 0.0

    def _drifted(self, now: float) -> float:
        return (now - self._since) * self._drift


@dataclass
class Clocks:
    """All clocks of a simulation."""

    loop: VirtualLoop
    begin: int = BEGIN_MS
    parties: dict[str, PartyClock] = field(default_factory=dict)

    def of(self, name: str) -> PartyClock:
        """The clock of a party."""
        return self.parties.setdefault(name, PartyClock())

    def millis(self) -> int:
        """True time, Unix milliseconds."""
        return self.begin + int(self.loop.time() * 1000)

    def wall_ns(self) -> int:
        """What `time.time_ns` says to whoever asks."""
        life, now = LIFE.get(), self.loop.time()
        seconds = now if life is None else self.of(life.name).wall(now)
        return self.begin * 1_000_000 + int(seconds * 1_000_000) * 1_000

    def monotonic(self) -> float:
        """What `time.monotonic` says to whoever asks."""
        life, now = LIFE.get(), self.loop.time()
        return BOOTED + now if life is None else self.of(life.name).monotonic(now)


@contextmanager
def virtual_world(clocks: Clocks, *, seed: int | str) -> Iterator[None]:
    """Time and chance are the simulation's as long as this lasts."""
    chance = random.Random(f"entropy {seed}")
    before = random.getstate()
    random.seed(f"jitter {seed}")
    with ExitStack() as replaced:
        for place, name, new in (
            (time, "time", lambda: clocks.wall_ns() / 1e9),
            (time, "time_ns", clocks.wall_ns),
            (time, "monotonic", clocks.monotonic),
            (time, "sleep", lambda seconds: None),
            (os, "urandom", chance.randbytes),
            # Many simulations run in one process: objects of an earlier one must not stay for ever.
            (gc, "freeze", lambda: None),
            # A router that starts looks through its own objects once; here they would be everybody's.
            (gc, "collect", lambda: 0),
            (BatchBuilder, "append", _stamped),
        ):
            replaced.enter_context(patch.object(place, name, new))
        try:
            yield
        finally:
            random.setstate(before)


_append = BatchBuilder.append


def _stamped(self, *, timestamp, key, value, headers=()):
    """The library's own stamp is made in C, by the true clock."""
    moment = int(time.time() * 1000) if timestamp is None else timestamp
    return _append(self, timestamp=moment, key=key, value=value, headers=list(headers))
