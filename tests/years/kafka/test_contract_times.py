"""The contract suite (places.py): gaps, ends and stamps; topics; and what outlives a broker that is killed or stands still."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    for_code,
)

from clients.daemon.sending import kafka_outbox
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from protocol import topics
from protocol.topics import Access, Topic
from runtime.errors import TopicConflict, Unavailable
from runtime.kafka import transactions as transactions_module
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.leaders import Leaders
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaLog, KafkaTopics
from runtime.kafka.ports import OutputRecord, ReadingMark
from runtime.kafka.record_batches import NO_STAMP, batch_of
from runtime.kafka.shared_reader import SharedReader
from runtime.kafka.transactions import Transactions
from tests.integration import adapter
from tests.integration.adapter import claiming, committed, committing, create, put
from tests.waiting import until_async
from tests.years.kafka import places
from tests.years.kafka.places import (
    FENCED,
    HOUR,
    SLOW_ON_BOTH,
    client_of,
    delete_before,
    followed,
    opened,
    produce,
    read_all,
    records,
    values_of,
)

no_late_tracebacks = adapter.no_late_tracebacks
place, own_cluster, unit = places.place, places.own_cluster, places.unit


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
    assert (found[0].rewound_from, values_of(found)) == (7, [b"one", b"two"])


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
    # For ever: the last stamp closes the segment of the others, and this broker looks for what is old all the time.
    await create(place.bootstrap, **{topic: {"retention.ms": "-1"}})
    now = int(time.time() * 1000)
    for stamp, code in (
        (now + 2 * HOUR, 32),
        (NO_STAMP, 0),
        (now - 300 * 24 * HOUR, 0),
        (now + HOUR // 2, 0),
    ):
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
        return [
            Topic(name, partitions, nobody, {key.replace("_", "."): value for key, value in config.items()})
        ]

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
    # Kafka 4.1 and later may never end a transaction that was acknowledged, when all replicas of a partition are
    # killed before its markers are written (KAFKA-20734). So this waits until they are.
    async with claiming(place.bootstrap, source) as claim:
        assert claim.state == "state"
    await until_async(
        lambda: committed(place.bootstrap, output), lambda values: values == [b"before"], what="the markers"
    )
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


@pytest.mark.parametrize("place", SLOW_ON_BOTH, indirect=True)
async def test_an_older_copy_takes_all_back(place, unique) -> None:
    """Records, positions and the epochs of ids; who knows more than the cluster is refused, and offsets come again."""
    topic, name = unique("restored"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    marks = KafkaMarks(place.bootstrap)
    async with opened(place, name) as transactions:
        await transactions.commit(records(topic, b"one"))
    await marks.tell({(topic, 0): ReadingMark(2, 100, 100)})
    await marks.close()
    await committed(place.bootstrap, topic)
    await place.copy()
    async with opened(place, name) as ahead:
        await ahead.commit(records(topic, b"two"))
        await ahead.commit(records(topic, b"three"))
    await marks.tell({(topic, 0): ReadingMark(6, 200, 200)})
    await marks.close()
    await place.restore()
    assert (await marks.read([(topic, 0)]))[topic, 0] == ReadingMark(2, 100, 100)
    await marks.close()
    late = Transactions(place.bootstrap, name)
    await late._client.bootstrap()
    late._producer, late._coordinator = ahead._producer, ahead._coordinator
    try:
        with pytest.raises(FENCED):
            await late.commit(records(topic, b"from the future"))
    finally:
        await late.close()
    async with opened(place, name) as heir:
        await heir.commit(records(topic, b"again"))
    found = await followed(place, topic, start=0, until=lambda f: len(values_of(f)) >= 2)
    assert values_of(found) == [b"one", b"again"]
    assert found[-1].records[-1].offset == 2
