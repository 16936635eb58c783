"""Where the contract suite runs: over the model, and over a broker; and how its tests write and read.

What our code relies on in Kafka is held against both by the same code: where they differ, the model is wrong. What runs
between a test and the cluster is the program's own: runtime/kafka, the router's claims, a unit's outbox. The half on Kafka
(marked kafka) is what makes a finding of `make years` worth something; a rule of the model that is in none of
test_contract_*.py is one that nobody has compared.

Not compared, since a broker of a test cannot show it in a test's time: sessions and transactional ids that are forgotten
after days, and brokers that lose leadership while they stand still (test_model.py has these for the model).
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTxnState,
    ProducerFenced,
)

from deploy.kafka.cluster import Cluster
from protocol.identifiers import UnitId
from runtime.kafka.client import ProduceRequest, sparing_client
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.leaders import Leaders
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import Fetched, OutputRecord
from runtime.kafka.transactions import Transactions
from tests.waiting import GENEROUS
from tests.years.kafka.cluster import KafkaModel
from tests.years.kafka.connection import installed

HOUR = 3_600_000
FENCED = (ProducerFenced, InvalidProducerEpoch, InvalidTxnState)

QUICK = {"log.retention.check.interval.ms": "300", "log.initial.task.delay.ms": "0"}
"""Kafka looks every five minutes for what is too old; a test cannot wait for it."""


class Place(Protocol):
    """A cluster of one broker, at the test's hand."""

    bootstrap: str

    async def restart(self) -> None:
        """The broker is killed and comes back."""

    def freeze(self) -> None:
        """It stands still."""

    def thaw(self) -> None:
        """It goes on."""

    def expire(self) -> None:
        """Look for what is too old, now or soon."""

    async def copy(self) -> None:
        """An operator copies the disk."""

    async def restore(self) -> None:
        """The copy is put in the place of what is there."""


class Modelled:
    """The model."""

    def __init__(self, *mutants: str) -> None:
        self.model = KafkaModel(
            random.Random(1), clock=lambda: int(time.time() * 1000), brokers=1, mutants=mutants
        )
        self.model.failover = 0.05
        self.bootstrap = self.model.bootstrap

    async def restart(self) -> None:
        self.model.stop_broker(0)
        await asyncio.sleep(0.2)
        self.model.start_broker(0)

    def freeze(self) -> None:
        self.model.freeze(0)

    def thaw(self) -> None:
        self.model.thaw(0)

    def expire(self) -> None:
        self.model.expire()

    async def copy(self) -> None:
        self._copy = self.model.copy()

    async def restore(self) -> None:
        self.model.restore(self._copy)


class Real:
    """A broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.bootstrap = cluster.bootstrap

    async def restart(self) -> None:
        self._cluster.kill(0)
        await asyncio.to_thread(self._cluster.restart, 0)

    def freeze(self) -> None:
        self._cluster.pause(0)

    def thaw(self) -> None:
        self._cluster.resume(0)

    def expire(self) -> None:
        pass

    async def copy(self) -> None:
        await asyncio.to_thread(self._while_stopped, lambda: shutil.copytree(self._data, self._copied))

    async def restore(self) -> None:
        await asyncio.to_thread(self._while_stopped, self._replace)

    @property
    def _data(self) -> Path:
        return self._cluster.directory / "broker-0" / "data"

    @property
    def _copied(self) -> Path:
        return self._cluster.directory / "copy"

    def _replace(self) -> None:
        shutil.rmtree(self._data)
        self._copied.rename(self._data)

    def _while_stopped(self, do: Callable[[], object]) -> None:
        self._cluster.stop_broker(0)
        do()
        self._cluster.restart(0)


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One broker of this module's own, that looks for old records all the time."""
    with (
        tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as directory,
        Cluster(Path(directory), settings=QUICK) as cluster,
    ):
        yield cluster


BOTH = [
    "model",
    pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("contract")]),
]
SLOW_ON_BOTH = [pytest.param("model", marks=pytest.mark.slow), BOTH[1]]


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The model, and a real broker."""
    if request.param == "kafka":
        yield Real(request.getfixturevalue("own_cluster"))
        return
    modelled = Modelled()
    with installed(modelled.model):
        yield modelled


@pytest.fixture
def unit(unique: Callable[[str], str]) -> UnitId:
    """A unit that no other test has."""
    return UnitId(unique("fr"))


def records(topic: str, *values: bytes) -> dict[tuple[str, int], list[OutputRecord]]:
    """Outputs of a transaction for one topic."""
    return {(topic, 0): [OutputRecord(topic, b"", value) for value in values]}


@asynccontextmanager
async def opened(place: Place, name: str) -> AsyncIterator[Transactions]:
    """A transactional id that is ours."""
    transactions = Transactions(place.bootstrap, name)
    try:
        await transactions.open()
        yield transactions
    finally:
        await transactions.close()


@asynccontextmanager
async def client_of(place: Place):
    """A bare client."""
    client = sparing_client(place.bootstrap)
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def delete_before(place: Place, topic: str, offset: int) -> None:
    """An operator's deletion."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics([topic])
        await admin._client.set_topics([topic])
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def read_all(place: Place, topic: str, *, position: int | None = None, count: int) -> list:
    """So many records, by the ledger's reader."""
    async with KafkaTopics(place.bootstrap).reading(topic, position) as reader:
        found: list = []
        while len(found) < count:
            more = await reader.fetch(wait_ms=int(GENEROUS * 1000), most=100)
            assert more, f"{count} records were awaited, and these came: {found}"
            found += more
        return found


async def followed(
    place: Place, topic: str, *, start: int, until: Callable[[list[Fetched]], bool]
) -> list[Fetched]:
    """What a unit's feed brings, until it is enough."""
    found: list[Fetched] = []
    enough = asyncio.Event()

    async def take(fetched: Fetched) -> None:
        found.append(fetched)
        if until(found):
            enough.set()

    feeds = KafkaFeeds(place.bootstrap)
    task = asyncio.create_task(feeds.follow(topic, 0, start=start, take=take))
    waiting = asyncio.create_task(enough.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=GENEROUS, return_when=asyncio.FIRST_COMPLETED)
        if not enough.is_set():
            raise AssertionError(
                f"{task} brought {found}; what is committed ends at {await feeds.end(topic, 0)}"
            )
    finally:
        task.cancel()
        waiting.cancel()
        await asyncio.wait({task, waiting})
    return found


def values_of(found: list[Fetched]) -> list[bytes]:
    """The records of what a feed has brought."""
    return [record.value for each in found for record in each.records]


async def produce(place: Place, topic: str, batch: bytes) -> tuple[int, int]:
    """Send these bytes as a producer of the old kind would; code and offset."""
    async with client_of(place) as client:
        leader = await Leaders(client).leader((topic, 0))
        answer = await client.send(leader, ProduceRequest(None, -1, 5_000, [(topic, [(0, batch)])]))
    [(_, [(_, code, offset, *_)])] = answer.topics
    return code, offset
