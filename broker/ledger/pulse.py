"""The ledger's pulse: while it works, everything that it needs is tried at short intervals, idle or not.

    Kafka      where the audit topic ends; then the ledger tells how far it has come (runtime/kafka/marks.py)
    records    one small commit
    tiles      one file, written and removed
    publisher  what is committed is published

Owns what is tried, and since when something stands still. Rule: what fails ends the attempt (run.py), and the
next one works only after all of it has succeeded. So a ledger to which nothing comes does not count as ready
while its disk is full or its database gone, and one that could not write does not look ready in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from broker.ledger.publishing import Publisher
from broker.ledger.store.record_store import RecordStore
from broker.ledger.store.tile_store import TileStore
from protocol import topics
from protocol.identifiers import Millis
from runtime.errors import Unavailable
from runtime.kafka.marks import following_marks
from runtime.kafka.ports import LogReader, MarkTeller, Place, ReadingMark
from runtime.process.contact import Contact, recent_contact

EVERY: Final = 10.0
WITHIN: Final = 10.0
"""Seconds that each part may take to answer."""

RECENT: Final = 3 * EVERY
PUBLISHED_WITHIN: Final = 60.0
"""Seconds that a committed head may wait for its publication while nothing at all is published of its log."""


@dataclass(kw_only=True)
class Pulse:
    """What was tried last, and how it went."""

    records: RecordStore
    store: TileStore
    publisher: Publisher
    marks: MarkTeller
    clock: Callable[[], Millis]
    monotonic: Callable[[], float]
    sequenced: int = 0
    """Everything before this offset of the audit topic is sequenced."""

    idle: bool = False
    """Whether the sequencer waits, with all that it has read sequenced."""

    behind: int = 0
    """Records of the audit topic that are not sequenced."""

    _told: Mapping[Place, ReadingMark] = field(default_factory=dict)
    _unpublished: dict[str, tuple[int, float]] = field(default_factory=dict)
    _beat: Contact = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was tried yet."""
        self._beat = Contact(self.monotonic)

    async def run(self, audit: LogReader) -> None:
        """Try everything again and again, until something fails."""
        while True:
            await asyncio.sleep(EVERY)
            await self.beat(audit)

    async def beat(self, audit: LogReader) -> None:
        """Try everything once; `Unavailable` names what fails or does not answer."""
        await _within(self._look(audit), "the audit topic")
        await _within(asyncio.to_thread(self.records.try_commit), "the ledger's database")
        await _within(asyncio.to_thread(self.store.try_write), "the tile store")
        self._look_at_publisher()
        self._beat.heard()
        await self._tell()

    def checks(self) -> dict[str, dict[str, object]]:
        """The readiness checks of what was tried."""
        waits = max((self.monotonic() - since for _, since in self._unpublished.values()), default=0.0)
        return {
            "stores": recent_contact(self._beat.age, within=RECENT),
            "published": {"ok": waits <= PUBLISHED_WITHIN, "waits_seconds": round(waits, 1)},
        }

    async def _look(self, audit: LogReader) -> None:
        _, end = await audit.span()
        if self.idle:
            # Markers of transactions take offsets too: the reader is ahead of the last record.
            self.sequenced = await audit.position()
        self.behind = max(0, end - self.sequenced)

    def _look_at_publisher(self) -> None:
        for origin, due in self.publisher.due.items():
            before = self._unpublished.get(origin)
            if not due.is_behind:
                self._unpublished.pop(origin, None)
            elif before is None or before[0] != due.size:
                self._unpublished[origin] = (due.size, self.monotonic())

    async def _tell(self) -> None:
        marks = following_marks(self._told, {(topics.AUDIT, 0): self.sequenced}, now=self.clock())
        try:
            await self.marks.tell(marks)
        except Unavailable:
            return  # a mark decides nothing: the next one says the same
        self._told = marks


async def _within(work: Awaitable[None], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            await work
    except TimeoutError:
        raise Unavailable(
            f"{what} does not answer within {WITHIN:.0f} s", hint="look at its service and its disk"
        ) from None
