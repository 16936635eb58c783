"""Ways for tasks to wait without polling: for a change, for a number to reach a mark, for the next start."""

from __future__ import annotations

import asyncio


class Wakeup:
    """Wakes every task that waits now, or, if none does, the next one that waits."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Something has changed."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """True when woken; False after this many seconds."""
        if not self._event.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._event.wait()
            except TimeoutError:
                return False
        self._event.clear()
        return True


class Throttle:
    """At least this many seconds between two starts. After a longer pause nothing waits."""

    __slots__ = ("_next", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the next start is due."""
        clock = asyncio.get_running_loop().time
        if (early := self._next - clock()) > 0:
            await asyncio.sleep(early)
        self._next = clock() + self._seconds


class Watermark:
    """A number that only rises, and that tasks can wait for to reach a mark."""

    __slots__ = ("_changed", "_level")

    def __init__(self, level: int = 0) -> None:
        self._level = level
        self._changed = asyncio.Condition()

    @property
    def level(self) -> int:
        """The highest number so far."""
        return self._level

    async def advance(self, level: int) -> None:
        """Raise it to `level`; a lower one changes nothing."""
        async with self._changed:
            self._level = max(self._level, level)
            self._changed.notify_all()

    async def reached(self, mark: int, *, within: float) -> bool:
        """True when it has reached the mark; False after this many seconds."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(lambda: self._level >= mark)
        except TimeoutError:
            return False
        return True
