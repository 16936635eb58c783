"""How far this unit has read, told to Kafka: so that the centre sees a daemon that stands still.

Owns when it is told. A mark is read from the database in the worker's thread, so a daemon whose worker or
disk stands still tells nothing new, whatever else of it runs. Kafka's answer is a proof that it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from clients.daemon.jobs import Jobs
from clients.daemon.state.unit_context import UnitContext
from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.marks import following_marks
from runtime.kafka.ports import MarkTeller, Place, ReadingMark
from runtime.process.wakeup import Wakeup

log = structlog.get_logger()

TELL_EVERY: Final = 15.0
"""Seconds between two marks of a unit for which nothing comes in."""

SPACING: Final = 5.0
"""Seconds between two marks at the least, however much comes in."""


class PositionMarks:
    """Tells how far the inbox and the receipts were read."""

    def __init__(
        self, context: UnitContext, jobs: Jobs, teller: MarkTeller, *, heard: Callable[[], None]
    ) -> None:
        self._context = context
        self._jobs = jobs
        self._teller = teller
        self._heard = heard
        self._wakeup = Wakeup()
        self._told: dict[Place, ReadingMark] = {}

    def moved(self) -> None:
        """Something was read."""
        self._wakeup.wake()

    async def run(self) -> None:
        """Tell until cancelled; a mark that is not taken is told with the next."""
        while True:
            marks = await self._jobs.until_stored("marks", self._marks)
            try:
                await self._teller.tell(marks)
                self._told = marks
                self._heard()
            except Unavailable as error:
                log.debug("marks_not_told", error=str(error))
            await asyncio.sleep(SPACING)
            await self._wakeup.wait(TELL_EVERY - SPACING)

    def _marks(self) -> dict[Place, ReadingMark]:
        return following_marks(self._told, positions_of(self._context), now=self._context.clock())


def positions_of(context: UnitContext) -> dict[Place, int]:
    """How far each topic that this unit alone reads was read."""
    unit = context.unit
    rows = context.store.rows(
        "SELECT topic, partition, position FROM positions WHERE topic IN (?, ?)",
        topics.inbox(unit),
        topics.receipts(unit),
    )
    nothing_yet: dict[Place, int] = {(topics.inbox(unit), 0): 0, (topics.receipts(unit), 0): 0}
    return nothing_yet | {(row["topic"], row["partition"]): row["position"] for row in rows}
