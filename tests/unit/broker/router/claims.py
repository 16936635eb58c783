"""The router's ports in memory: a claim that hands out what it was given, a directory topic that is a list."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from broker.replica import Replica
from broker.router.loop import Router
from broker.router.metrics import RouterMetrics
from protocol.identifiers import UnitId
from runtime.kafka.ports import InputRecord, OutputRecord
from tests.sim.world import World


class Exhausted(Exception):
    """The claim's script is at its end."""


@dataclass
class Committed:
    """One transaction."""

    outputs: tuple[OutputRecord, ...]
    position: int
    state: str

    def to(self, topic: str) -> list[bytes]:
        """What it wrote to a topic."""
        return [output.value for output in self.outputs if output.topic == topic]


@dataclass
class ScriptedClaim:
    """Implements `broker.router.claims.Claim`: each fetch gives the next batch of the script; at its end it fails."""

    owner: UnitId
    script: list[list[bytes]]
    state: str = ""
    partition: int = 0
    partitions: int = 1
    failing: Exception | None = None
    fetches: list[tuple[int | None, int]] = field(default_factory=list)
    commits: list[Committed] = field(default_factory=list)
    offset: int = 0

    @property
    def end(self) -> int:
        """Behind all that the script still has."""
        return self.offset + sum(map(len, self.script))

    async def fetch(self, *, wait_ms: int | None, most: int) -> list[InputRecord]:
        """The next batch of the script."""
        self.fetches.append((wait_ms, most))
        await asyncio.sleep(0)
        if not self.script:
            raise Exhausted
        values = self.script.pop(0)
        assert len(values) <= most, "the script gives more than was asked for"
        first, self.offset = self.offset, self.offset + len(values)
        return [InputRecord(first + i, 0, value) for i, value in enumerate(values)]

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """Remember the transaction, or fail as told."""
        await asyncio.sleep(0)
        if self.failing is not None:
            raise self.failing
        self.commits.append(Committed(tuple(outputs), position, state))


@dataclass
class Statements:
    """Implements `broker.statement_feed.StatementFeed`: what is in the list, then what is put there later."""

    values: list[bytes]
    failures: list[Exception] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    runs: int = 0

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Give everything from the beginning, for ever."""
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        given = 0
        while True:
            for value in self.values[given:]:
                take(value)
            given = len(self.values)
            caught_up()
            self.more.clear()
            await self.more.wait()

    def put(self, *values: bytes) -> None:
        """Append statements to the topic."""
        self.values += values
        self.more.set()


def router_of(world: World, replica: Replica, **parts: object) -> Router:
    """A router of this world, its clock and its entropy."""
    return Router(
        name="router",
        signer=world.router,
        replica=replica,
        metrics=RouterMetrics.create(),
        clock=lambda: world.now,
        entropy=world.entropy,
        **parts,
    )


@asynccontextmanager
async def current_replica(world: World) -> AsyncIterator[Replica]:
    """A replica of this world's directory that has read it."""
    replica = replica_of(world)
    task = asyncio.create_task(replica.run())
    await replica.usable()
    yield replica
    task.cancel()
    await asyncio.wait([task])


def replica_of(world: World, feed: Statements | None = None) -> Replica:
    """A replica that follows this world's directory."""
    return Replica(
        feed or Statements(world.directory.snapshot()), world.directory.root, monotonic=time.monotonic
    )
