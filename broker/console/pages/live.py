"""Server-sent events: each open page is told that there is a new look, and asks for what it shows.

    event: look          data: the number of the look, and nothing else

Owns the streams. Rules: there are so many in all and so many of a session; each ends with its session, or
after an hour, and a browser opens the next by itself; what is said costs the same however much there is to
see.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Final

from broker.console.seeing.looking import Looking

MOST_STREAMS: Final = 32
OF_SESSION: Final = 4
LASTS: Final = 3600.0
BEAT: Final = 15.0
"""Seconds until a stream says something though there is nothing to say: so that one that is gone is
noticed."""


class Streams:
    """The streams that are open."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._open: Counter[str] = Counter()
        self._stopped = False

    def __len__(self) -> int:
        return self._open.total()

    def has_room(self, session: str) -> bool:
        """Whether this session may have one more."""
        return len(self) < MOST_STREAMS and self._open[session] < OF_SESSION

    def stop(self) -> None:
        """End all of them."""
        self._stopped = True
        self._looking.changed.set()

    async def follow(self, session: str, lasts: Callable[[], bool]) -> AsyncIterator[bytes]:
        """What one stream says, as long as its session lasts."""
        self._open[session] += 1
        try:
            until, told = asyncio.get_running_loop().time() + LASTS, 0
            yield b"retry: 3000\n\n"
            while not self._stopped and lasts() and asyncio.get_running_loop().time() < until:
                changed = self._looking.changed
                newest = self._looking.newest
                if newest is not None and newest.number != told:
                    told = newest.number
                    yield f"event: look\ndata: {newest.number}\n\n".encode()
                try:
                    async with asyncio.timeout(BEAT):
                        await changed.wait()
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._open[session] -= 1
            if not self._open[session]:
                del self._open[session]
