"""Turns: how long one claim's records may keep the event loop before everybody else is let in.

Owns when to give way. All claims of a router, its heartbeat in the group and its page share one thread. A
record takes up to some milliseconds to parse and verify, and a claim has up to 500 of them at once, chosen by
whoever fills the outbox. Rules:

1. After each record it is asked whether the turn is over; no record is interrupted. What one record may cost
   is bounded by the budgets of its parsers (protocol/canonical.py).
2. Giving way lets each of the others run until its own turn is over, so claims go round, whatever each has.
"""

from __future__ import annotations

import asyncio
from typing import Final

TURN: Final = 0.004
"""Seconds. From the fetch to the end of its transaction a message gives way some dozen times, and waits as
often for a turn of whoever has a flood."""


class Turn:
    """Of one claim, from when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def give_way(self) -> None:
        """Let the others run, if this turn is over; then the next one begins."""
        if self._loop.time() - self._began >= TURN:
            await asyncio.sleep(0)
            self._began = self._loop.time()
