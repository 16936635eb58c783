"""After a start: what routers have decided meanwhile is known before anything of earlier runs goes out.

    receipts   are read to where they ended at the start
    mail       is taken in after that: what acknowledges our messages is told from a stranger's
    outbox     what stands in it that this store does not know of is decided, as far as a router works

Owns when that is done. Why: a store that came back from a backup holds messages as waiting that were
accepted since. Their decisions are in the receipts, or come for what stands in the outbox; only then is it
known what is still to be sent. A store that is of now waits for nothing. Rules:
- Without its receipts a unit sends nothing: no router could write its decisions there either.
- For decisions it waits while they come, and `PATIENCE` longer: a router that stands still holds up nobody
  for ever. Whoever is sent to twice takes a message once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from clients.daemon.jobs import Jobs
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.sealings import last_known_place
from protocol import topics
from runtime.kafka.feeds import once_available
from runtime.kafka.ports import FeedReader
from runtime.process.wakeup import Wakeup

log = structlog.get_logger()

PATIENCE: Final = 30.0
"""Seconds without a decision after which what is not decided is sent again."""


class CatchingUp:
    """What a start waits for before it sends."""

    def __init__(self, context: UnitContext, jobs: Jobs, feeds: FeedReader) -> None:
        self._context = context
        self._jobs = jobs
        self._feeds = feeds
        self._decided: dict[int, int] = {}
        self._came = Wakeup()
        self.receipts_read = asyncio.Event()
        """Set when the receipts were read to where they ended at the start."""

        self.done = asyncio.Event()
        """Set when messages of earlier runs may be sent."""

    def decided(self, reached: Mapping[int, int]) -> None:
        """A router has decided up to these places of the outbox's partitions."""
        for partition, offset in reached.items():
            self._decided[partition] = max(offset, self._decided.get(partition, -1))
        self._came.wake()

    async def run(self) -> None:
        """Wait for all of it."""
        await self.receipts_read.wait()
        try:
            await self._until_decided(await self._unknown())
        except TimeoutError:
            log.warning("outbox_not_decided", seconds=PATIENCE)
        self.done.set()

    async def for_deliveries(self, directory_read: asyncio.Event) -> None:
        """Return when mail may be taken in.

        An acknowledgement of what a restored store does not know that it sent is refused as a stranger's.
        A unit whose receipts cannot be read takes its mail in all the same, `PATIENCE` later.
        """
        await directory_read.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.receipts_read.wait()

    async def _unknown(self) -> dict[int, int]:
        """The last place of each partition of the outbox that holds what this store does not know."""
        topic = topics.outbox(self._context.unit)
        unknown: dict[int, int] = {}
        async with asyncio.timeout(PATIENCE):
            for partition in range(await once_available(partial(self._feeds.partitions, topic))):
                end = await once_available(partial(self._feeds.end, topic, partition))
                work = partial(last_known_place, self._context.store, partition)
                if end - 1 > await self._jobs.run("outbox_end", work, brief=True):
                    unknown[partition] = end - 1
        return unknown

    async def _until_decided(self, unknown: Mapping[int, int]) -> None:
        while any(self._decided.get(partition, -1) < last for partition, last in unknown.items()):
            async with asyncio.timeout(PATIENCE):
                await self._came.wait()
