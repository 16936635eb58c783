"""What every figure stands on: a warmed broker, an exchange on it, and CPU time read from /proc.

Owns set-up and measuring, not what is measured. All load is bounded and stays on loopback.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.kafka.launcher import Cluster
from keys.statement_types import QuotaChange
from protocol import topics
from protocol.content.parts import Part
from protocol.envelope.quotas import Quota
from protocol.identifiers import Millis, UnitId
from protocol.limits import MAX_UINT
from runtime.kafka.client import connection_settings
from tests.bench.figures import Figure
from tests.guarded import cluster_of
from tests.integration.exchange import Exchange
from tests.sim.world import World

CONTENT = 2048
UNLIMITED = Quota(*(MAX_UINT,) * 4)
"""What is measured is the exchange, and not what a unit may ask of it."""

_TICK = os.sysconf("SC_CLK_TCK")


def apart(units: Iterable[str], routers: int) -> tuple[str, ...]:
    """The first of these units of which so many routers get one each, by their shares of the shards.

    Each router has an equal run of them (`ShardAssignor`). Senders that one router holds together would leave
    the others nothing to do.
    """
    found: dict[int, str] = {}
    for unit in units:
        shard = topics.outbox_shard(topics.outbox(UnitId(unit)), 0)
        found.setdefault(shard * routers // topics.SHARD_COUNT, unit)
        if len(found) == routers:
            break
    return tuple(found[share] for share in sorted(found))


SENDERS = apart(["fr", *(f"u{number:03}" for number in range(100))], routers=2)
"""Two units that send a backlog. Two routers have one of them each."""


def cpu_seconds(*pids: int) -> float:
    """User and system time that these processes have used so far."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


@dataclass
class Stage:
    """A running broker with one exchange on it."""

    cluster: Cluster
    exchange: Exchange

    @property
    def world(self) -> World:
        return self.exchange.world

    @property
    def kafka_pids(self) -> tuple[int, ...]:
        return tuple(pid for pid in self.cluster.pids if pid)

    def compose(self, sender: str, count: int) -> list[bytes]:
        """Submissions of one addressee and 2 KiB, suite 1."""
        content = self.world.entropy(CONTENT)
        return [
            self.world.seal(self.world.core(sender, ["it"]), Part(0, content)).submission
            for _ in range(count)
        ]

    async def load(self, topic: str, values: Sequence[bytes]) -> None:
        """Fill a topic fast."""
        producer = AIOKafkaProducer(
            **connection_settings(self.cluster.bootstrap), acks="all", max_batch_size=262_144, linger_ms=5
        )
        await producer.start()
        try:
            pending = [await producer.send(topic, value, partition=0) for value in values]
            await asyncio.gather(*pending)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **connection_settings(self.cluster.bootstrap),
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


@asynccontextmanager
async def stage(
    profile: str = "bench", senders: Sequence[str] = SENDERS, *, tls: bool = False
) -> AsyncIterator[Stage]:
    """A broker with the JIT of production, and an exchange founded on it that these units belong to.

    In plain unless `tls` is asked for: the floors of the library's own are measured on the same broker.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as name,
        cluster_of(Path(name) / "kafka", plain=not tls, profile=profile) as cluster,
    ):
        world = World(now=Millis(time.time_ns() // 1_000_000))
        for sender in senders:
            if sender not in world.parties:
                world.enrol(sender)
            world.publish(QuotaChange(UnitId(sender), UNLIMITED), by=world.registrar)
        exchange = Exchange(world, cluster.bootstrap, Path(name) / "centre")
        await exchange.found()
        try:
            yield Stage(cluster, exchange)
        finally:
            exchange.stop()


async def on_stage(measure: Callable[[Stage], Awaitable[list[Figure]]]) -> list[Figure]:
    """Measure on a stage of its own."""
    async with stage() as built:
        return await measure(built)


async def take(consumer: AIOKafkaConsumer, count: int, *, within: float) -> tuple[int, float]:
    """Read at least `count` records: how many came, and when the last did."""
    came, last, until = 0, time.monotonic(), time.monotonic() + within
    while came < count:
        if time.monotonic() > until:
            raise TimeoutError(f"{count - came} of {count} records are missing")
        for records in (await consumer.getmany(timeout_ms=200)).values():
            came, last = came + len(records), time.monotonic()
    return came, last
