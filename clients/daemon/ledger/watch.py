"""The ledger tasks in the event loop: reading its feed, and the regular check for missing leaves.

Owns the timing only; the work is a job (`following`, `promises`, `directory_log`). Publications come several
times a second and nothing waits for them: they are taken in together, one transaction for half a second, so
that following hardly delays messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

from clients.daemon.alarms import end_unknown_log_alarm
from clients.daemon.jobs import Jobs
from clients.daemon.ledger import following as ledger
from clients.daemon.ledger import promises
from clients.daemon.ledger.directory_log import compare_directory
from clients.daemon.ledger.steadiness import Steadiness
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.positions import position, read_records
from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.feeds import once_available
from runtime.kafka.ports import FeedReader, Fetched, Ladder

FOLLOW_EVERY: Final = 0.5
LOOK_EVERY: Final = 10.0

_once_available = partial(once_available, event="ledger_unavailable", topic=topics.LEDGER)


class Patiently(Protocol):
    """Runs a job; one that lacks statements of the directory again when they are here, or without them."""

    def __call__(self, name: str, work: Callable[..., None], /, *, brief: bool) -> Awaitable[None]:
        """`work` is called with `patient`: whether it may be `DirectoryBehind`."""
        ...


class LedgerWatch:
    """Follows the ledger, if this unit's home has a policy for it."""

    def __init__(self, context: UnitContext, jobs: Jobs, feeds: FeedReader, *, patiently: Patiently) -> None:
        self._context = context
        self._jobs = jobs
        self._feeds = feeds
        self._patiently = patiently
        self._position = 0
        self.read = asyncio.Event()
        """Set when everything that was there at the beginning has been read."""

        self._steady = Steadiness(look_every=LOOK_EVERY)
        self._directory_steady = Steadiness(look_every=LOOK_EVERY)

    async def run(self, directory_read: asyncio.Event) -> None:
        """Run until cancelled; returns at once where nothing is to be followed.

        What operators state here is verified with their keys: the directory is read first.
        """
        held = self._context.ledger
        if held is None:
            return
        # First what this unit has followed before: the headers of its messages name that head from the start.
        await self._jobs.until_stored("ledger", partial(ledger.open_ledger, self._context, held))
        await directory_read.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(held))
            tasks.create_task(self._look(held))

    async def _follow(self, held: Ledger) -> None:
        await _once_available(lambda: self._feeds.partitions(topics.LEDGER))
        end = await _once_available(lambda: self._feeds.end(topics.LEDGER, 0))
        start, known = await self._jobs.run("position", self._place)
        # A place behind the end is of a topic that was made anew: it is read from its beginning.
        self._position = start if start <= end else 0
        self._note(end)
        await self._feeds.follow(
            topics.LEDGER, 0, start=start, known=known, take=partial(self._take, held, end)
        )

    def _place(self) -> tuple[int, Ladder]:
        store = self._context.store
        return position(store, topics.LEDGER, 0), read_records(store, topics.LEDGER, 0)

    async def _take(self, held: Ledger, end: int, fetched: Fetched) -> None:
        await self._patiently(
            "ledger", partial(ledger.take_publications, self._context, held, fetched), brief=False
        )
        self._position = fetched.position
        self._note(end)
        await asyncio.sleep(FOLLOW_EVERY)

    def _note(self, end: int) -> None:
        if self._position >= end:
            self.read.set()

    async def _look(self, held: Ledger) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self._judge(held)
            await self._jobs.until_stored("promises", lambda: self._sweep(held))
            while await self._jobs.until_stored(
                "promises", partial(promises.search_for_leaves, self._context, held)
            ):
                pass

    def _sweep(self, held: Ledger) -> None:
        steady_since = self._steady.since
        promises.sweep(self._context, held, steady_since=steady_since)
        compare_directory(
            self._context, held, steady_since=steady_since, replica_steady_since=self._directory_steady.since
        )
        end_unknown_log_alarm(self._context, held, steady_since=steady_since)

    async def _judge(self, held: Ledger) -> None:
        now = self._context.monotonic()
        if self.read.is_set():
            self._steady.judge(position=self._position, now=now)
        self._steady.ends_at(await self._end_now(topics.LEDGER))
        directory = await self._jobs.until_stored("position", self._directory_place, brief=True)
        self._directory_steady.judge(position=directory, now=now)
        # Asked for only where the two differ: an idle unit costs Kafka nothing.
        self._directory_steady.ends_at(None if held.uneven is None else await self._end_now(topics.DIRECTORY))

    def _directory_place(self) -> int:
        return position(self._context.store, topics.DIRECTORY, 0)

    async def _end_now(self, topic: str) -> int | None:
        try:
            return await self._feeds.end(topic, 0)
        except Unavailable:
            return None
