"""Waking tasks without polling."""

from __future__ import annotations

import asyncio


class Bell:
    """Rings for everybody who waits now, and for the next one if nobody does."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Something has changed."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Return on the next ring: True; or after so many seconds: False."""
        if not self._event.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._event.wait()
            except TimeoutError:
                return False
        self._event.clear()
        return True


class Pace:
    """At least so many seconds between two starts. What comes after a longer pause waits for nothing."""

    __slots__ = ("_next", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def keep(self) -> None:
        """Wait until it is time to start."""
        clock = asyncio.get_running_loop().time
        if (early := self._next - clock()) > 0:
            await asyncio.sleep(early)
        self._next = clock() + self._seconds


class Tide:
    """A number that only rises, and whoever waits for it to reach a mark."""

    __slots__ = ("_changed", "_level")

    def __init__(self, level: int = 0) -> None:
        self._level = level
        self._changed = asyncio.Condition()

    @property
    def level(self) -> int:
        """Where it stands."""
        return self._level

    async def rise(self, level: int) -> None:
        """It stands at `level` now, or higher."""
        async with self._changed:
            self._level = max(self._level, level)
            self._changed.notify_all()

    async def reach(self, mark: int, *, within: float) -> bool:
        """Return when it has reached the mark: True; or after so many seconds: False."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(lambda: self._level >= mark)
        except TimeoutError:
            return False
        return True
