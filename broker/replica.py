"""A replica of the key directory, for routers and the ledger.

Every statement is verified here from the pinned root; the topic is not trusted to do so. Owns when the
replica counts as current: a router whose replica is older than ten minutes decides nothing, since it
would not know of a revocation. A topic that lacks what it has shown before makes nothing current.

What was verified before the process started anew is read in `verified`, and kept there whenever the replica
has caught up and enough is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from broker.statement_feed import StatementFeed
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.statement_types import Unread
from protocol.errors import Rejected
from protocol.identifiers import KeyId
from runtime.errors import Unavailable
from runtime.process.directory_file import VerifiedStatements

log = structlog.get_logger()

OLDEST = 600.0
"""Seconds after which an unrefreshed replica is no basis for a decision."""

KAFKA_RECENT = 30.0
"""Seconds after which Kafka counts as gone: the end of the directory's topic is asked for every second."""


class Replica:
    """A verified directory that follows the topic."""

    def __init__(
        self,
        feed: StatementFeed,
        root: RootOfTrust,
        *,
        monotonic: Callable[[], float],
        verified: VerifiedStatements | None = None,
        keeps: bool = True,
    ) -> None:
        self.directory = Directory(root, verified=b"" if verified is None else verified.read(), keeps=keeps)
        self._verified = verified
        self._writing: asyncio.Task[None] | None = None
        self.refused = 0
        self._feed = feed
        self._monotonic = monotonic
        self._current_at: float | None = None
        self._rounds = 0
        self._lost = 0
        self._seen: set[int] = set()
        """The places of the statements that the topic has shown since it was begun to be read."""

        self._waiters: dict[asyncio.Event, None] = {}
        """In the order in which they began to wait: who came first goes on first."""

    async def run(self) -> None:
        """Follow the topic for ever; waits while it is absent."""
        while True:
            self._seen.clear()
            try:
                await self._feed.run(self._take, self._caught_up)
            except Unavailable as error:
                log.warning("directory_unavailable", error=str(error))
            await asyncio.sleep(1)

    def _take(self, statement: bytes) -> None:
        try:
            applied = self.directory.apply(statement)
        except Rejected as rejected:
            self.refused += 1
            log.warning("statement_refused", code=rejected.code)
        else:
            self._seen.add(applied.position)
            if applied.new and isinstance(applied.statement.body, Unread):
                log.warning("statement_unread", count=applied.position, kind=applied.statement.body.stype)

    def _caught_up(self) -> None:
        lost = self.directory.head.size - len(self._seen)
        if lost > 0:
            # What this process has read there before is missing: that is no news, and makes nothing current.
            if lost != self._lost:
                log.error("directory_lost", size=self.directory.head.size, count=lost)
        else:
            self._current_at = self._monotonic()
        self._lost = lost
        self._rounds += 1
        for waiter in self._waiters:
            waiter.set()
        self._keep_verified()

    def _keep_verified(self) -> None:
        if self._verified is None or self._writing is not None:
            return
        if self._verified.is_due(self.directory.head.size):
            # Beside the loop: the disk may take its time.
            writing = asyncio.to_thread(self._verified.write, self.directory.digests)
            self._writing = asyncio.create_task(writing)
            self._writing.add_done_callback(self._written)

    def _written(self, _: asyncio.Task[None]) -> None:
        self._writing = None

    @property
    def age(self) -> float | None:
        """Seconds since the replica was known to be complete; None before the first time."""
        return None if self._current_at is None else self._monotonic() - self._current_at

    async def usable(self) -> Directory:
        """The directory, once it is current enough to decide by."""
        while (age := self.age) is None or age > OLDEST:
            await self._wait(1.0)
        return self.directory

    async def appointing(self, key: KeyId) -> None:
        """Return once the directory has this operator's key.

        A topic that has lost everything looks like that of a new exchange. Whoever decided by it would refuse
        every message as one of an unknown sender; but that one's own key is not there either.
        """
        directory, said = await self.usable(), -1
        while directory.operator_key(key) is None:
            if directory.head.size != said:
                said = directory.head.size
                log.warning("not_appointed", kid=key, size=said)
            await self._wait(1.0)

    async def at_least(self, size: int, *, patience: float) -> Directory:
        """The directory with `size` statements, or as it is after a bounded wait.

        A sender may have seen a statement before this replica. It may also lie: so the wait is short, and the
        rules decide by what is here.
        """
        until = self._monotonic() + patience
        while self.directory.head.size < size and self._monotonic() < until:
            await self._wait(min(0.2, patience))
        return self.directory

    async def refreshed(self) -> Directory:
        """The directory with every statement that is in the topic now, however long that takes.

        Twice to the end: the end that is reached next may have been asked for before now.
        """
        enough = self._rounds + 2
        while self._rounds < enough:
            await self._wait(1.0)
        return self.directory

    async def _wait(self, seconds: float) -> None:
        waiter = asyncio.Event()
        self._waiters[waiter] = None
        try:
            async with asyncio.timeout(seconds):
                await waiter.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiters[waiter]
