"""aiokafka as it is shipped, and the router's adapter over it, at a test's hand.

Owns the fixtures of the tests on aiokafka's traps, and how they drive the router's claims: `Attempts` through the whole of
broker/router/outboxes.py, `claiming` for the claims of broker/router/holding.py alone.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from broker.router.holding import Holding, HoldingParts, PartitionClaim
from broker.router.outboxes import KafkaOutboxes, ShardAssignor
from deploy.kafka.cluster import Cluster
from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.client import connection_settings
from runtime.kafka.hanging.search import Hanging, HangingTransactions
from runtime.kafka.ports import OutputRecord
from runtime.kafka.requests import Membership
from tests.guarded import cluster_of
from tests.waiting import GENEROUS, until_async

GROUP = topics.ROUTER_GROUP


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A broker of this module's own: the adapter works on every outbox that it finds.

    In plain: these tests are about the library and Kafka's transactions, and some speak to it over a bare socket.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as directory,
        cluster_of(Path(directory), plain=True) as cluster,
    ):
        yield cluster


@pytest.fixture(autouse=True)
async def no_late_tracebacks() -> None:
    """aiokafka leaves futures with exceptions that nobody retrieves.

    When one is collected, asyncio would log a traceback, and Python 3.11 parses source for it; inside of a
    parse that is under way, such as pytest's own, that ends in a SystemError.
    """
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)


@pytest.fixture
def bootstrap(cluster: Cluster) -> str:
    """Where that broker listens."""
    return cluster.bootstrap


@pytest.fixture
def unit(unique: Callable[[str], str]) -> UnitId:
    """A unit that no other test has."""
    return UnitId(unique("fr"))


async def ended_at(bootstrap: str, topics: Iterable[str]) -> tuple[Hanging, ...]:
    """Find the transactions that hang and end those that are decided, as the centre's command does; what is left."""
    async with HangingTransactions.at(bootstrap) as search:
        said = await search.end(found := await search.find(topics))
        return tuple(one for one in found if said.get(one) != "")


async def create(bootstrap: str, **wanted: dict[str, str]) -> None:
    """Make topics of one partition and wait until they have leaders."""
    admin = AIOKafkaAdminClient(**connection_settings(bootstrap))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=c) for name, c in wanted.items()])
        await until_async(
            lambda: admin.describe_topics(list(wanted)),
            lambda rows: all(r["partitions"] and r["partitions"][0]["leader"] >= 0 for r in rows),
            what="leaders of the topics",
        )
    finally:
        await admin.close()


@asynccontextmanager
async def producing(bootstrap: str, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as aiokafka ships it, but for a request size above the topics'."""
    producer = AIOKafkaProducer(
        **connection_settings(bootstrap),
        transactional_id=transactional_id,
        acks="all",
        max_request_size=4_000_000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        with suppress(KafkaError):
            await asyncio.wait_for(producer.stop(), GENEROUS)


@asynccontextmanager
async def consuming(bootstrap: str, **settings: object) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that sees what is committed."""
    settings = {"isolation_level": "read_committed", **settings}
    consumer = AIOKafkaConsumer(**connection_settings(bootstrap), enable_auto_commit=False, **settings)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def committed(bootstrap: str, topic: str) -> list[bytes]:
    """Every committed record of a topic, once the last transaction on it has its markers."""
    source = TopicPartition(topic, 0)
    async with (
        consuming(bootstrap) as consumer,
        consuming(bootstrap, isolation_level="read_uncommitted") as all_,
    ):
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        values: list[bytes] = []
        while await consumer.position(source) < (await all_.end_offsets([source]))[source]:
            found = await consumer.getmany(source, timeout_ms=200)
            values += [record.value for record in found.get(source, ())]
        return values


async def put(bootstrap: str, topic: str, *values: bytes) -> None:
    """Write records outside of any transaction."""
    async with producing(bootstrap) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


class Attempts:
    """Work for the adapter on one unit's outbox: each claim runs the next of the given attempts."""

    def __init__(self, unit: UnitId, *attempts: Callable[[PartitionClaim], Awaitable[None]]) -> None:
        self.errors: list[Exception] = []
        self.done = asyncio.Event()
        self._unit = unit
        self._attempts = list(attempts)

    async def __call__(self, claim: PartitionClaim) -> None:
        if claim.owner == self._unit and self._attempts:
            try:
                await self._attempts.pop(0)(claim)
            except Exception as error:
                self.errors.append(error)
                raise
            if not self._attempts:
                self.done.set()
        await asyncio.Event().wait()

    async def run(self, bootstrap: str) -> None:
        """Let the adapter of a router run until every attempt was made."""
        await share_out(bootstrap)
        task = asyncio.create_task(KafkaOutboxes(parts_of(bootstrap, self._unit)).run(self))
        try:
            await asyncio.wait_for(self.done.wait(), GENEROUS)
        finally:
            task.cancel()
            await asyncio.wait([task])


def committing(*outputs: tuple[str, bytes], position: int = 1, state: str = "") -> Callable:
    """An attempt that commits these outputs."""

    async def attempt(claim: PartitionClaim) -> None:
        await claim.commit([OutputRecord(t, b"", v) for t, v in outputs], position=position, state=state)

    return attempt


async def seen_by_adapter(claim: PartitionClaim) -> list[bytes]:
    """What a claim fetches first."""
    return [record.value for record in await claim.fetch(wait_ms=int(GENEROUS * 1000), most=100)]


class Claimant:
    """A router that is about to claim under this membership; its claim is held as long as the test wants."""

    def __init__(self, bootstrap: str, unit: UnitId, membership: Membership) -> None:
        shards = frozenset(range(topics.SHARD_COUNT))
        self.holding = Holding(parts_of(bootstrap, unit), membership, shards=shards, work=self._hold)
        self._held: asyncio.Future[PartitionClaim] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def claim(self) -> PartitionClaim:
        """Claim as the adapter does; its transactional id is open when this returns."""
        self._task = asyncio.create_task(self.holding.run())
        claim = await asyncio.wait_for(self._held, GENEROUS)
        for lane in (self.holding.transactions.usual, self.holding.transactions.wide):
            await until_async(
                lambda lane=lane: lane.current, lambda one: one and one._producer[0] >= 0, what="an id"
            )
        return claim

    async def close(self) -> None:
        """Let go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _hold(self, claim: PartitionClaim) -> None:
        if not self._held.done():
            self._held.set_result(claim)
        await asyncio.Event().wait()


def parts_of(bootstrap: str, unit: UnitId) -> HoldingParts:
    """A router's parts that see one unit's outbox."""
    return HoldingParts(
        bootstrap=bootstrap,
        transactional_id=topics.ROUTER_TRANSACTIONS + os.urandom(8).hex(),
        units=lambda: [unit],
        enrolled=lambda: 1,
        partitions=lambda _: 1,
        monotonic=time.monotonic,
        fetch_wait_ms=25,
    )


async def share_out(bootstrap: str) -> None:
    """Make the topic over which routers share the outboxes out, if it is not there."""
    await KafkaTopicAdmin(bootstrap).apply([one for one in topics.shared() if one.name == topics.SHARDS])


@asynccontextmanager
async def member(bootstrap: str) -> AsyncIterator[Membership]:
    """A place in the routers' group; it is left at the end."""
    await share_out(bootstrap)
    strategy = (ShardAssignor,)
    async with consuming(bootstrap, group_id=GROUP, partition_assignment_strategy=strategy) as consumer:
        consumer.subscribe([topics.SHARDS])
        await until_async(
            lambda: consumer.getmany(timeout_ms=20), lambda _: consumer.assignment(), what="a share"
        )
        coordinator = consumer._coordinator
        yield Membership(GROUP, coordinator.generation, coordinator.member_id)


@asynccontextmanager
async def claimant(
    bootstrap: str, source: TopicPartition, membership: Membership | None = None
) -> AsyncIterator[Claimant]:
    """A router that is ready to claim; without a membership of its own."""
    async with AsyncExitStack() as stack:
        if membership is None:
            membership = await stack.enter_async_context(member(bootstrap))
        ready = Claimant(bootstrap, topics.outbox_owner(source.topic), membership)
        try:
            yield ready
        finally:
            await ready.close()


@asynccontextmanager
async def claiming(
    bootstrap: str, source: TopicPartition, membership: Membership | None = None
) -> AsyncIterator[PartitionClaim]:
    """A claim."""
    async with claimant(bootstrap, source, membership) as ready:
        yield await ready.claim()
