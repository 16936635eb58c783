"""What our code relies on in Kafka, held against the model and against Kafka itself: where they differ, the model is wrong.

Each test runs twice with the same code: over a model below the client library, and (marked kafka) over a broker. What
runs between is the program's own: runtime/kafka, the router's claims, a unit's outbox. The half on Kafka is what makes a
finding of `make years` worth something; a rule of the model that is not here is one that nobody has compared.

Not compared with Kafka, since a broker of a test cannot show it in a test's time: sessions and transactional ids that are
forgotten after days, and brokers that lose leadership while they stand still (test_model.py has these for the model).
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTimestampError,
    InvalidTxnState,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    for_code,
)

from clients.daemon.sending import kafka_outbox
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from deploy.kafka.cluster import Cluster
from protocol import topics
from protocol.identifiers import UnitId
from protocol.topics import Access, Topic
from runtime.errors import TopicConflict, Unavailable
from runtime.kafka import requests as ask
from runtime.kafka import transactions as transactions_module
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.client import ProduceRequest, sparing_client
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.leaders import Leaders
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaLog, KafkaTopics
from runtime.kafka.ports import Fetched, OutputRecord, ReadingMark
from runtime.kafka.positions import Positions, Unstable
from runtime.kafka.record_batches import NO_STAMP, batch_of, batches_of
from runtime.kafka.shared_reader import SharedReader
from runtime.kafka.transactions import Transactions
from tests.integration import adapter, test_kafka_takeover, test_kafka_traps
from tests.integration.adapter import GROUP, claimant, claiming, committed, committing, create, member, put
from tests.waiting import GENEROUS, until_async
from tests.years.kafka.cluster import KafkaModel
from tests.years.kafka.connection import installed

no_late_tracebacks = adapter.no_late_tracebacks

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


class Modelled:
    """The model."""

    def __init__(self, *mutants: str) -> None:
        self.model = KafkaModel(random.Random(1), clock=lambda: int(time.time() * 1000), brokers=1, mutants=mutants)
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


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One broker of this module's own, that looks for old records all the time."""
    with (
        tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as directory,
        Cluster(Path(directory), settings=QUICK) as cluster,
    ):
        yield cluster


BOTH = ["model", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("contract")])]
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
            found += await reader.fetch(wait_ms=int(GENEROUS * 1000), most=100)
        return found


async def followed(place: Place, topic: str, *, start: int, until: Callable[[list[Fetched]], bool]) -> list[Fetched]:
    """What a unit's feed brings, until it is enough."""
    found: list[Fetched] = []
    enough = asyncio.Event()

    async def take(fetched: Fetched) -> None:
        found.append(fetched)
        if until(found):
            enough.set()

    task = asyncio.create_task(KafkaFeeds(place.bootstrap).follow(topic, 0, start=start, take=take))
    try:
        await asyncio.wait_for(enough.wait(), GENEROUS)
    finally:
        task.cancel()
        await asyncio.wait([task])
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


# Order, offsets, and what is seen.


async def test_records_are_read_in_the_order_in_which_they_were_appended(place, unique) -> None:
    topic = unique("order")
    await create(place.bootstrap, **{topic: {}})
    values = [number.to_bytes(4, "big") * 100 for number in range(3_000)]
    await KafkaLog(place.bootstrap, topic).append(values[:1_500])
    async with KafkaTopics(place.bootstrap).writing() as writer:
        await writer.write([OutputRecord(topic, b"key", value) for value in values[1_500:]])
    found = await read_all(place, topic, count=len(values))
    assert [record.value for record in found] == values
    assert [record.offset for record in found] == list(range(len(values)))
    assert values_of(await followed(place, topic, start=0, until=lambda f: len(values_of(f)) >= 3_000)) == values


async def test_the_end_of_a_transaction_takes_an_offset(place, unique) -> None:
    topic, name = unique("marker"), unique("alone")
    await create(place.bootstrap, **{topic: {}})
    for number in range(3):
        async with KafkaTopics(place.bootstrap).writing(alone=name) as writer:
            await writer.write([OutputRecord(topic, b"", b"%d" % number)])
    found = await read_all(place, topic, count=3)
    assert [record.offset for record in found] == [0, 2, 4]
    async with KafkaTopics(place.bootstrap).reading(topic, 4) as reader:
        assert [record.value for record in await reader.fetch(wait_ms=10_000, most=10)] == [b"2"]
        await until_async(reader.span, lambda span: span == (0, 6), what="the last marker")


async def test_a_position_between_records_reads_what_follows(place, unique) -> None:
    topic = unique("between")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        for value in (b"a", b"b"):
            await transactions.commit(records(topic, value))
    found = await read_all(place, topic, position=1, count=1)
    assert [(record.offset, record.value) for record in found] == [(2, b"b")]


async def test_an_open_transaction_hides_itself_and_all_behind_it(place, unique) -> None:
    topic, name = unique("open"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    await put(place.bootstrap, topic, b"before")
    async with opened(place, name) as transactions:
        await transactions._write(records(topic, b"left open"))
        await put(place.bootstrap, topic, b"behind")
        assert await KafkaFeeds(place.bootstrap).end(topic, 0) == 1
        async with KafkaTopics(place.bootstrap).reading(topic, None) as reader:
            found = await reader.fetch(wait_ms=10_000, most=10)
            found += await reader.fetch(wait_ms=300, most=10)
            assert [record.value for record in found] == [b"before"]
            async with opened(place, name) as heir:  # ends what was left open
                found = await reader.fetch(wait_ms=int(GENEROUS * 1000), most=10)
                assert [record.value for record in found] == [b"behind"]
                await heir.commit(records(topic, b"after"))
    assert await committed(place.bootstrap, topic) == [b"before", b"behind", b"after"]


async def test_records_of_an_aborted_transaction_are_never_seen(place, unique) -> None:
    """By none of our readers, from wherever they begin; and those of the same producer afterwards are."""
    topic, name = unique("aborted"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    for turn in range(3):
        async with opened(place, name) as transactions:
            await transactions.commit(records(topic, b"kept %d" % turn))
            await transactions._write(records(topic, b"dropped", b"dropped too"))
    async with opened(place, name) as transactions:
        await transactions.commit(records(topic, b"last"))
    kept = [b"kept 0", b"kept 1", b"kept 2", b"last"]
    found = await followed(place, topic, start=0, until=lambda f: len(values_of(f)) >= 4)
    assert values_of(found) == kept
    for position in range(6):  # one transaction and the beginning of the next
        after = [record.value for record in await read_all(place, topic, position=position, count=2)]
        first = kept.index(after[0])
        assert after == kept[first : first + len(after)]
        assert first == (0 if position == 0 else 1)
    async with client_of(place) as client:
        reader = SharedReader(client, Leaders(client), wait_ms=100)
        inflow = reader.add((topic, 0), 0)
        shared: list[bytes] = []
        while len(shared) < 4:
            shared += [record.value for record in await inflow.take(wait_ms=None, most=10)]
        await reader.close()
    assert shared == kept


async def test_a_transaction_is_whole_in_all_its_partitions(place, unique) -> None:
    """More batches than one in one of them; all of it, or nothing where one record is too large."""
    large, small = unique("large"), unique("small")
    await create(place.bootstrap, **{large: {}, small: {"max.message.bytes": "2000"}})
    values = [number.to_bytes(4, "big") * 500 for number in range(700)]
    async with opened(place, unique("many")) as transactions:
        await transactions.commit(records(large, *values) | records(small, b"one"))
        assert await committed(place.bootstrap, large) == values
        with pytest.raises(MessageSizeTooLargeError):
            await transactions.commit(records(large, b"lost") | records(small, b"x" * 5_000))
    assert await committed(place.bootstrap, small) == [b"one"]


# Fencing.


async def test_whoever_takes_an_id_shuts_out_those_who_had_it(place, unique) -> None:
    topic, name = unique("fenced"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, name) as zombie:
        await zombie.commit(records(topic, b"first"))
        async with opened(place, name) as heir:
            with pytest.raises(FENCED):
                await zombie.commit(records(topic, b"by the zombie"))
            await heir.commit(records(topic, b"by the heir"))
    async with opened(place, name):
        assert await committed(place.bootstrap, topic) == [b"first", b"by the heir"]


async def test_a_late_batch_is_in_no_later_transaction(place, unique) -> None:
    topic, other = unique("late"), unique("other")
    await create(place.bootstrap, **{topic: {}, other: {}})
    async with opened(place, unique("id")) as transactions:
        (late,) = batches_of([OutputRecord(topic, b"", b"once")], producer=transactions._producer, now=0)
        await transactions.commit(records(topic, b"once"))
        with suppress(*FENCED):  # refused, or known as a double
            await transactions._append({(topic, 0): late})
        with pytest.raises(FENCED):
            await transactions._append({(other, 0): late})
        await transactions.commit(records(topic, b"twice") | records(other, b"other"))
    assert await committed(place.bootstrap, topic) == [b"once", b"twice"]
    assert await committed(place.bootstrap, other) == [b"other"]


async def test_an_end_that_comes_late_ends_nothing_later(place, unique) -> None:
    """The end of the transaction before, once more: while nothing is open it is known, and otherwise refused."""
    topic = unique("late")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        first = transactions._producer
        await transactions.commit(records(topic, b"first"))

        async def again() -> int:
            question = ask.end_transaction(transactions._id, first, commit=True)
            return (await transactions._ask_coordinator(question, node=transactions._coordinator)).error_code

        await until_async(again, lambda code: code == 0, what="the end to be known as done")
        await transactions._write(records(topic, b"not to be committed"))
        assert await again() != 0
        assert await KafkaFeeds(place.bootstrap).end(topic, 0) == 2
    async with opened(place, transactions._id):
        assert await committed(place.bootstrap, topic) == [b"first"]


async def test_a_batch_that_is_sent_again_is_known(place, unique) -> None:
    """A transaction's batch, twice with the same bytes: one record. With a gap before it: refused."""
    topic = unique("again")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        producer = transactions._producer
        (first,) = batches_of([OutputRecord(topic, b"", b"once")], producer=producer, now=0)
        await transactions._append({(topic, 0): first})
        await transactions._append({(topic, 0): first})
        gap, _ = batch_of([OutputRecord(topic, b"", b"too far")], now=0, numbered=(*producer, 5))
        with pytest.raises(OutOfOrderSequenceNumber):
            await transactions._append({(topic, 0): gap})
        await transactions.commit({})
    assert await committed(place.bootstrap, topic) == [b"once"]


async def test_the_end_of_nothing_is_refused(place, unique) -> None:
    async with opened(place, unique("id")) as transactions:
        question = ask.end_transaction(transactions._id, transactions._producer, commit=True)
        answer = await transactions._ask_coordinator(question, node=transactions._coordinator)
        assert for_code(answer.error_code) is InvalidTxnState


# Positions and generations.


async def test_a_position_comes_with_its_metadata_and_only_once_it_is_stable(place, unique, unit) -> None:
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(place.bootstrap, **{source.topic: {}, output: {}})
    async with member(place.bootstrap) as membership, claiming(place.bootstrap, source, membership) as claim:
        await committing((output, b"first"), state="remembered")(claim)
        async with client_of(place) as client:
            positions = Positions(client, GROUP)

            async def stable():
                with suppress(Unstable):
                    return await positions.read(tuple(source), stable=True)

            found = await until_async(stable, what="a stable position")
            assert found[0] == 1
            assert "remembered" in found[1]
            assert await positions.read((output, 0), stable=True) is None
            open_ = claim._holding.transactions.current
            await open_._write(records(output, b"left open"))
            await open_._move({tuple(source): (7, "not yet")})
            with pytest.raises(Unstable):
                await positions.read(tuple(source), stable=True)
            assert (await positions.read(tuple(source), stable=False))[0] == 1


async def test_metadata_has_a_bound(place, unique, unit) -> None:
    source = TopicPartition(topics.outbox(unit), 0)
    await create(place.bootstrap, **{source.topic: {}})
    async with claiming(place.bootstrap, source) as claim:
        with pytest.raises(KafkaError):
            await committing(state="x" * 4_090)(claim)


async def test_marks_are_told_and_read(place, unique) -> None:
    topic = unique("marked")
    await create(place.bootstrap, **{topic: {}})
    marks = KafkaMarks(place.bootstrap)
    try:
        await marks.tell({(topic, 0): ReadingMark(5, 200, 100)})
        assert await marks.read([(topic, 0), (topic, 1)]) == {
            (topic, 0): ReadingMark(5, 200, 100), (topic, 1): None,
        }  # fmt: skip
    finally:
        await marks.close()


async def test_a_member_that_left_commits_nothing(place, unique, unit) -> None:
    await test_kafka_takeover.test_an_older_generation_commits_nothing(place.bootstrap, unique, unit)


async def test_two_members_share_the_shards(place) -> None:
    """The second one's joining calls the first one back; both have half, under one generation."""
    async with member(place.bootstrap) as alone:
        assert alone.generation > 0
    async with AsyncExit() as members:
        first = await members.join(place.bootstrap)
        second = await members.join(place.bootstrap)
        await until_async(
            lambda: (len(first.assignment()), len(second.assignment())), lambda n: n == (32, 32), what="two halves"
        )
        one, other = first._coordinator, second._coordinator
        assert one.generation == other.generation > alone.generation
        assert one.member_id != other.member_id
        await second.stop()
        await until_async(lambda: len(first.assignment()), lambda n: n == 64, what="all of them")


@pytest.mark.parametrize("place", SLOW_ON_BOTH, indirect=True)
async def test_a_member_that_says_nothing_is_put_out(place) -> None:
    """And what it commits afterwards is refused: its heartbeats have stopped, as those of a paused process."""
    async with AsyncExit() as members:
        silent = await members.join(place.bootstrap)
        other = await members.join(place.bootstrap)
        await until_async(
            lambda: (len(silent.assignment()), len(other.assignment())), lambda n: n == (32, 32), what="two halves"
        )
        was = silent._coordinator.generation, silent._coordinator.member_id
        members.silence(silent)
        await until_async(lambda: len(other.assignment()), lambda n: n == 64, what="all of them")
        async with client_of(place) as client:
            coordinator = await client.coordinator_lookup(0, GROUP)
            code = await beat(client, coordinator, *was)
        assert code in (22, 25)


async def beat(client, coordinator: int, generation: int, name: str) -> int:
    """A heartbeat of this member."""
    from aiokafka.protocol.group import HeartbeatRequest

    return (await client.send(coordinator, HeartbeatRequest(GROUP, generation, name), group=1)).error_code


class AsyncExit:
    """Members of the routers' group, which poll until the end."""

    def __init__(self) -> None:
        self._members: dict = {}
        self._silent: list = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None:
        for consumer, polling in self._members.items():
            polling.cancel()
            await consumer.stop()
        for consumer in self._silent:
            await consumer._client.close()

    async def join(self, bootstrap: str):
        """Another member; it has joined when this returns."""
        from aiokafka import AIOKafkaConsumer

        from broker.router.outboxes import ShardAssignor

        await adapter.share_out(bootstrap)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False, session_timeout_ms=6_000,
            heartbeat_interval_ms=100, partition_assignment_strategy=(ShardAssignor,), metadata_max_age_ms=1_000,
        )  # fmt: skip
        await consumer.start()
        consumer.subscribe([topics.SHARDS])
        self._members[consumer] = asyncio.create_task(self._poll(consumer))
        await until_async(consumer.assignment, what="a share")
        return consumer

    def silence(self, consumer) -> None:
        """It asks for nothing more, and says nothing."""
        coordinator = consumer._coordinator
        for task in (self._members.pop(consumer), coordinator._heartbeat_task, coordinator._coordination_task):
            task.cancel()
        self._silent.append(consumer)

    @staticmethod
    async def _poll(consumer) -> None:
        while True:
            await consumer.getmany(timeout_ms=50)


# Gaps, ends and times.


async def test_a_reader_stops_at_a_gap_and_a_feed_counts_it(place, unique) -> None:
    topic = unique("gap")
    await create(place.bootstrap, **{topic: {}})
    await KafkaLog(place.bootstrap, topic).append([b"%d" % number for number in range(10)])
    await delete_before(place, topic, 6)
    with pytest.raises(Unavailable):
        await read_all(place, topic, position=3, count=1)
    async with KafkaTopics(place.bootstrap).reading(topic, None) as reader:
        assert await reader.span() == (6, 10)
        assert (await reader.fetch(wait_ms=10_000, most=1))[0].offset == 6
    found = await followed(place, topic, start=3, until=lambda f: len(values_of(f)) >= 4)
    assert found[0].lost == 3
    assert values_of(found) == [b"6", b"7", b"8", b"9"]
    async with client_of(place) as client:
        reader = SharedReader(client, Leaders(client), wait_ms=100)
        inflow = reader.add((topic, 0), 3)
        assert (await inflow.take(wait_ms=None, most=1))[0].offset == 6
        await reader.close()


async def test_a_position_behind_the_end_is_no_position(place, unique) -> None:
    """As after a restore of an older copy."""
    topic = unique("behind")
    await create(place.bootstrap, **{topic: {}})
    await KafkaLog(place.bootstrap, topic).append([b"one", b"two"])
    with pytest.raises(Unavailable):
        await read_all(place, topic, position=7, count=1)
    found = await followed(place, topic, start=7, until=lambda f: len(values_of(f)) >= 2)
    assert (found[0].lost, values_of(found)) == (5, [b"one", b"two"])


async def test_all_records_may_be_deleted(place, unique) -> None:
    topic = unique("empty")
    await create(place.bootstrap, **{topic: {}})
    await KafkaLog(place.bootstrap, topic).append([b"one", b"two"])
    await delete_before(place, topic, 2)
    async with KafkaTopics(place.bootstrap).reading(topic, 2) as reader:
        assert await reader.span() == (2, 2)
        await put(place.bootstrap, topic, b"three")
        assert [(r.offset, r.value) for r in await reader.fetch(wait_ms=10_000, most=5)] == [(2, b"three")]


async def test_a_stamp_too_far_ahead_is_refused_and_none_is_taken(place, unique) -> None:
    topic = unique("stamps")
    await create(place.bootstrap, **{topic: {}})
    now = int(time.time() * 1000)
    for stamp, code in ((now + 2 * HOUR, 32), (NO_STAMP, 0), (now - 300 * 24 * HOUR, 0), (now + HOUR // 2, 0)):
        batch, _ = batch_of([OutputRecord(topic, b"", b"value")], now=stamp)
        assert (await produce(place, topic, batch))[0] == code, stamp
    found = await read_all(place, topic, count=3)
    assert [record.timestamp for record in found] == [NO_STAMP, now - 300 * 24 * HOUR, now + HOUR // 2]
    assert for_code(32) is InvalidTimestampError


async def test_a_unit_whose_clock_is_ahead_is_heard(place, unit, monkeypatch) -> None:
    topic = topics.outbox(unit)
    await create(place.bootstrap, **{topic: {}})
    monkeypatch.setattr(kafka_outbox, "now", lambda: int(time.time() * 1000) + 100 * HOUR)
    outbox = KafkaOutbox(place.bootstrap, unit)
    try:
        assert (await outbox.append(0, [OutboxRecord(b"k", b"one"), OutboxRecord(b"k", b"two")])).count == 2
        assert (await outbox.append(0, [OutboxRecord(b"k", b"three")])).offset == 2
    finally:
        await outbox.close()
    assert await committed(place.bootstrap, topic) == [b"one", b"two", b"three"]


async def test_a_transaction_of_a_clock_that_is_ahead_is_refused(place, unique, monkeypatch) -> None:
    topic = unique("ahead")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        monkeypatch.setattr(transactions_module, "now", lambda: int(time.time() * 1000) + 2 * HOUR)
        with pytest.raises(InvalidTimestampError):
            await transactions.commit(records(topic, b"value"))
    assert await committed(place.bootstrap, topic) == []


async def test_a_broker_may_stamp_records_itself(place, unique) -> None:
    topic = unique("stamped")
    await create(place.bootstrap, **{topic: {"message.timestamp.type": "LogAppendTime"}})
    batch, _ = batch_of([OutputRecord(topic, b"", b"value")], now=1_000)
    before = int(time.time() * 1000)
    assert (await produce(place, topic, batch))[0] == 0
    [record] = await read_all(place, topic, count=1)
    assert before - 1 <= record.timestamp <= int(time.time() * 1000) + 1


async def test_what_is_too_old_goes_in_whole_segments(place, unique) -> None:
    """A segment that began long before a stamp is closed by it; its newest record decides when it goes."""
    topic = unique("old")
    settings = {"retention.ms": str(24 * HOUR), "segment.ms": str(3 * HOUR)}
    await create(place.bootstrap, **{topic: settings})
    now = int(time.time() * 1000)
    hours = (100, 98, 50, 49, 30, 1, 0)
    for each in hours:
        batch, _ = batch_of([OutputRecord(topic, b"", b"%d" % each)], now=now - each * HOUR)
        assert (await produce(place, topic, batch))[0] == 0
    place.expire()
    async with KafkaTopics(place.bootstrap).reading(topic, 5) as reader:
        await until_async(reader.span, lambda span: span == (5, 7), what="the old segments to be gone")
        assert [r.value for r in await reader.fetch(wait_ms=10_000, most=9)] == [b"1", b"0"]


async def test_all_that_is_old_may_go(place, unique) -> None:
    """The newest segment as well: what is read next has the next offset."""
    topic = unique("gone")
    await create(place.bootstrap, **{topic: {"retention.ms": str(HOUR)}})
    batch, _ = batch_of([OutputRecord(topic, b"", b"old")], now=int(time.time() * 1000) - 5 * HOUR)
    assert (await produce(place, topic, batch)) == (0, 0)
    place.expire()
    async with KafkaTopics(place.bootstrap).reading(topic, 1) as reader:
        await until_async(reader.span, lambda span: span == (1, 1), what="the old record to be gone")
        await put(place.bootstrap, topic, b"new")
        assert [(r.offset, r.value) for r in await reader.fetch(wait_ms=10_000, most=9)] == [(1, b"new")]


# Topics.


async def test_topics_are_made_altered_and_kept(place, unique) -> None:
    admin, name = KafkaTopicAdmin(place.bootstrap), unique("declared")
    nobody = Access((), ())

    def declared(partitions: int = 2, **config: str) -> list[Topic]:
        return [Topic(name, partitions, nobody, {key.replace("_", "."): value for key, value in config.items()})]

    [made] = await admin.apply(declared(retention_ms="1000000"))
    [kept] = await admin.apply(declared(retention_ms="1000000"))
    [altered] = await admin.apply(declared(retention_ms="2000000"))
    assert [made.action, kept.action, altered.action] == ["created", "kept", "altered"]
    assert altered.settings == ("retention.ms",)
    with pytest.raises(TopicConflict):
        await admin.apply(declared(3))
    assert name in await admin.list()
    assert await KafkaFeeds(place.bootstrap).partitions(name) == 2


async def test_a_topic_that_nobody_made_is_not_there(place, unique) -> None:
    async with client_of(place) as client:
        leaders = Leaders(client)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await leaders.partitions(unique("nowhere"))


# Outages.


@pytest.mark.parametrize("place", SLOW_ON_BOTH, indirect=True)
async def test_what_was_acknowledged_outlives_a_killed_broker(place, unique, unit) -> None:
    """Records, positions and the epochs of ids; readers and claims go on by themselves."""
    source, output, name = TopicPartition(topics.outbox(unit), 0), unique("out"), unique("id")
    await create(place.bootstrap, **{source.topic: {}, output: {}})
    following = asyncio.create_task(
        followed(place, output, start=0, until=lambda found: b"after" in values_of(found))
    )
    async with claiming(place.bootstrap, source) as claim:
        await committing((output, b"before"), state="state")(claim)
    async with opened(place, name) as zombie:
        await place.restart()
        async with opened(place, name) as heir:
            with pytest.raises((*FENCED, KafkaError)):
                await zombie.commit(records(output, b"by the zombie"))
            await heir.commit(records(output, b"after"))
    assert values_of(await following) == [b"before", b"after"]
    async with claiming(place.bootstrap, source) as claim:
        assert claim.state == "state"


@pytest.mark.parametrize("place", SLOW_ON_BOTH, indirect=True)
async def test_what_was_never_answered_may_be_done_late(place, unit, monkeypatch) -> None:
    """A broker that stands still takes a batch, and answers nobody: the unit is told nothing, and the record comes."""
    topic = topics.outbox(unit)
    await create(place.bootstrap, **{topic: {}})
    monkeypatch.setattr(kafka_outbox, "ACK_TIMEOUT", 1.0)
    outbox = KafkaOutbox(place.bootstrap, unit)
    try:
        await outbox.append(0, [OutboxRecord(b"k", b"one")])
        place.freeze()
        try:
            with pytest.raises(Unavailable):
                await outbox.append(0, [OutboxRecord(b"k", b"two")])
        finally:
            place.thaw()
        await until_async(
            lambda: committed(place.bootstrap, topic),
            lambda values: values == [b"one", b"two"],
            what="the batch that was not answered",
            despite=(KafkaError, Unavailable),
        )
        assert (await outbox.append(0, [OutboxRecord(b"k", b"three")])).offset == 2
    finally:
        await outbox.close()


@pytest.mark.parametrize("place", SLOW_ON_BOTH, indirect=True)
async def test_a_transaction_that_nobody_ends_is_ended(place, unique, monkeypatch) -> None:
    """After its time-out; and its producer can commit nothing more under its epoch."""
    topic = unique("timeout")
    await create(place.bootstrap, **{topic: {}})
    monkeypatch.setattr(transactions_module, "TRANSACTION_TIMEOUT_MS", 1_000)
    async with opened(place, unique("id")) as transactions:
        await transactions._write(records(topic, b"left open"))
        await put(place.bootstrap, topic, b"behind")
        found = await followed(place, topic, start=0, until=lambda f: bool(values_of(f)))
        assert values_of(found) == [b"behind"]
        with pytest.raises(FENCED):
            await transactions.commit(records(topic, b"too late"))


# What the suite of the router's claims says, on the model as well; on Kafka it is tests/integration that runs it.

CLAIMS = [
    test_kafka_takeover.test_a_claim_takes_the_id_of_the_claim_before_it,
    test_kafka_takeover.test_a_claim_never_starts_from_a_stale_position,
    test_kafka_takeover.test_a_late_commit_of_an_earlier_transaction_ends_nothing,
    test_kafka_takeover.test_a_late_commit_of_an_earlier_claim_ends_nothing,
    test_kafka_takeover.test_a_late_batch_of_an_earlier_transaction_is_in_no_later_one,
    test_kafka_traps.test_the_adapter_commits_nothing_when_one_record_fails,
    test_kafka_traps.test_the_adapter_is_clean_after_a_failed_batch,
]


@pytest.mark.parametrize("promise", CLAIMS, ids=lambda promise: promise.__name__.removeprefix("test_"))
async def test_the_routers_claims_on_the_model(promise, unique, unit) -> None:
    modelled = Modelled()
    with installed(modelled.model):
        await promise(modelled.bootstrap, unique, unit)


# Mutants: a model without one of the rules does not pass.

CAUGHT = [
    ("stable_ignored", test_an_open_transaction_hides_itself_and_all_behind_it),
    ("fencing_ignored", test_whoever_takes_an_id_shuts_out_those_who_had_it),
    ("generation_ignored", test_a_member_that_left_commits_nothing),
    ("unstable_ignored", test_a_position_comes_with_its_metadata_and_only_once_it_is_stable),
    ("aborts_forgotten", test_records_of_an_aborted_transaction_are_never_seen),
]


@pytest.mark.parametrize(("mutant", "promise"), CAUGHT, ids=[mutant for mutant, _ in CAUGHT])
async def test_a_model_without_a_rule_is_found_out(mutant: str, promise, unique, unit) -> None:
    modelled = Modelled(mutant)
    given = {"place": modelled, "unique": unique, "unit": unit}
    names = promise.__code__.co_varnames[: promise.__code__.co_argcount]
    with installed(modelled.model), pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(**{name: given[name] for name in names})
