"""Following the topics of a unit from where they were read, and knowing when all that was there has been.

Owns the waiting for Kafka at the beginning. Reading through later outages is runtime/kafka/feeds.py.
"""

from __future__ import annotations

import asyncio
from functools import partial

from clients.daemon.jobs import Jobs
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.positions import position, read_records
from runtime.kafka.feeds import once_available
from runtime.kafka.ports import FeedReader, Fetched, Ladder, Place, Spacing, Take


class UnitFeeds:
    """The feeds of one unit."""

    def __init__(self, context: UnitContext, jobs: Jobs, feeds: FeedReader) -> None:
        self._context = context
        self._jobs = jobs
        self._feeds = feeds

    async def end(self, topic: str, partition: int) -> int:
        """The offset behind the last record, as soon as Kafka says it."""
        return await once_available(lambda: self._feeds.end(topic, partition))

    async def follow_all(
        self, topic: str, take: Take, *, read: asyncio.Event | None = None, spacing: Spacing = lambda: 0.0
    ) -> None:
        """One reader for each partition of a topic of this unit; `read` is set once one has caught up."""
        partitions = await once_available(lambda: self._feeds.partitions(topic))
        async with asyncio.TaskGroup() as tasks:
            for partition in range(partitions):
                tasks.create_task(
                    self._follow_stored((topic, partition), take, read or asyncio.Event(), spacing)
                )

    async def _follow_stored(self, place: Place, take: Take, read: asyncio.Event, spacing: Spacing) -> None:
        end = await self.end(*place)
        start = await self._jobs.run("position", partial(position, self._context.store, *place), brief=True)
        await self.follow(place, take, start=start, end=end, read=read, spacing=spacing)

    async def _known(self, place: Place) -> Ladder:
        work = partial(read_records, self._context.store, *place)
        return await self._jobs.run("position", work, brief=True)

    async def follow(
        self,
        place: Place,
        take: Take,
        *,
        start: int,
        end: int,
        read: asyncio.Event,
        spacing: Spacing = lambda: 0.0,
    ) -> None:
        """Follow a partition; `read` is set once everything up to `end` has been taken in."""
        # A start behind the end is of a topic that is another one now: what is there of it is read.
        if start == end or not end:
            read.set()

        async def take_and_note(fetched: Fetched) -> None:
            await take(fetched)
            if fetched.position >= end:
                read.set()

        known = await self._known(place)
        await self._feeds.follow(*place, start=start, known=known, take=take_and_note, spacing=spacing)
