"""The clients' Kafka adapter against a real Kafka: what its rules promise."""

from __future__ import annotations

import asyncio

import pytest

from clients.daemon.sending import kafka_outbox
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from protocol import topics
from protocol.identifiers import Millis, UnitId, digest
from protocol.limits import HOUR, MAX_RECORD
from protocol.topics import Access, Topic
from runtime.errors import TopicConflict, Unavailable
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.client import connection_settings
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.partition_log import KafkaDirectory
from runtime.kafka.ports import Fetched
from tests.waiting import until_async

NOBODY = Access((), ())


class Reading:
    """A feed that is followed, and what came of it."""

    def __init__(self, bootstrap: str, topic: str, *, partition: int = 0, start: int = 0) -> None:
        self.batches: list[Fetched] = []
        self.task = asyncio.create_task(
            KafkaFeeds(bootstrap).follow(topic, partition, start=start, take=self.take)
        )

    async def take(self, fetched: Fetched) -> None:
        self.batches.append(fetched)

    @property
    def values(self) -> list[bytes]:
        return [record.value for batch in self.batches for record in batch.records]

    async def until(self, count: int) -> list[bytes]:
        enough = f"{count} records"
        return await until_async(
            lambda: self.values, lambda seen: len(seen) >= count, what=enough, alive=self.lives
        )

    def lives(self) -> None:
        assert not self.task.done()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def unit(kafka, unique):
    """A unit of this test alone, with its topics: two outbox partitions, two inbox partitions."""
    name = UnitId(unique("u"))
    await KafkaTopicAdmin(kafka.bootstrap).apply(
        topics.of_unit(name, outbox_partitions=2, inbox_partitions=2)
    )
    return name


def records(*values: bytes) -> list[OutboxRecord]:
    return [OutboxRecord(b"thread", value) for value in values]


async def test_a_batch_is_appended_whole_and_in_order(kafka, unit):
    """What is acknowledged stands in the partition, from the offset that was named, in the order given."""
    outbox = KafkaOutbox(kafka.bootstrap, unit)
    first = await outbox.append(1, records(b"0", b"1", b"2"))
    second = await outbox.append(1, records(b"3"))
    await outbox.close()
    reading = Reading(kafka.bootstrap, topics.outbox(unit), partition=1)

    assert await reading.until(4) == [b"0", b"1", b"2", b"3"]
    assert ((first.offset, first.count), (second.offset, second.count)) == ((0, 3), (3, 1))
    assert [r.offset for batch in reading.batches for r in batch.records] == [0, 1, 2, 3]
    await reading.close()


async def test_what_does_not_fit_is_left_for_the_next_batch(kafka, unit):
    """Large records: as many as one batch holds, at least one, and the caller is told how many."""
    outbox = KafkaOutbox(kafka.bootstrap, unit)
    large = [bytes([i]) * 300_000 for i in range(4)]
    appended = await outbox.append(0, records(*large))
    assert 1 <= appended.count < 4
    single = await outbox.append(0, records(bytes(MAX_RECORD)))
    assert single.count == 1
    await outbox.close()


async def test_a_clock_that_is_ahead_of_kafkas_keeps_nothing_from_the_router(kafka, unit, monkeypatch):
    """Kafka refuses a stamp of more than an hour ahead; the records are appended all the same, in order."""
    outbox, right = KafkaOutbox(kafka.bootstrap, unit), kafka_outbox.now
    await outbox.append(0, records(b"0"))
    monkeypatch.setattr(kafka_outbox, "now", lambda: Millis(right() + 2 * HOUR))
    ahead = await outbox.append(0, records(b"1", b"2"))
    monkeypatch.undo()
    await outbox.append(0, records(b"3"))
    await outbox.close()
    reading = Reading(kafka.bootstrap, topics.outbox(unit))

    assert (ahead.offset, ahead.count) == (1, 2)
    assert await reading.until(4) == [b"0", b"1", b"2", b"3"]
    await reading.close()


async def test_a_topic_is_never_made_by_being_used(new_cluster):
    """Even where the cluster would create topics: asking for one, writing and reading leave no trace."""
    cluster = new_cluster(settings={"auto.create.topics.enable": "true"})
    outbox, feeds = KafkaOutbox(cluster.bootstrap, UnitId("nobody")), KafkaFeeds(cluster.bootstrap)
    # Side by side: each waits for its topic as long as it may.
    refused = await asyncio.gather(
        outbox.append(0, records(b"x")),
        feeds.partitions("inbox.nobody"),
        feeds.end("inbox.nobody", 0),
        KafkaDirectory(cluster.bootstrap).publish([b"x"]),
        return_exceptions=True,
    )
    assert [type(each) for each in refused] == [Unavailable] * 4
    await outbox.close()

    ours = [name for name in await KafkaTopicAdmin(cluster.bootstrap).list() if not name.startswith("__")]
    assert ours == []


async def test_topics_are_applied_as_often_as_one_likes(kafka, unique):
    """Created, kept, altered; what others have set stays; another number of partitions is refused."""
    name, admin = unique("topic"), KafkaTopicAdmin(kafka.bootstrap)
    topic = Topic(name, 2, NOBODY, {"retention.ms": "3600000", "max.message.bytes": "2000000"})
    assert [change.action for change in await admin.apply([topic])] == ["created"]
    assert [change.action for change in await admin.apply([topic])] == ["kept"]
    other = Topic(name, 2, NOBODY, {"segment.ms": "600000"})
    (changed,) = await admin.apply([other])
    assert (changed.action, changed.settings) == ("altered", ("segment.ms",))
    assert [change.action for change in await admin.apply([topic])] == ["kept"], "its settings stayed"
    with pytest.raises(TopicConflict, match="has 2 partitions, and 3 are declared"):
        await admin.apply([Topic(name, 3, NOBODY, {})])
    assert name in await admin.list()


async def test_only_what_was_committed_is_read(kafka, unit):
    """A reader sees no record of a transaction that was aborted, and goes on behind it."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(**connection_settings(kafka.bootstrap), transactional_id=f"test-{unit}")
    await producer.start()
    for value, commit in ((b"aborted", False), (b"committed", True)):
        await producer.begin_transaction()
        await producer.send_and_wait(topics.inbox(unit), value, partition=0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    await producer.stop()
    reading = Reading(kafka.bootstrap, topics.inbox(unit))

    assert await reading.until(1) == [b"committed"]
    assert reading.batches[-1].position == await KafkaFeeds(kafka.bootstrap).end(topics.inbox(unit), 0)
    await reading.close()


async def test_reading_goes_on_where_it_was_left(kafka, unit):
    """The position is the caller's: nothing before it comes again."""
    outbox = KafkaOutbox(kafka.bootstrap, unit)
    await outbox.append(0, records(*(str(i).encode() for i in range(500))))
    reading = Reading(kafka.bootstrap, topics.outbox(unit))
    await reading.until(500)
    await reading.close()
    middle = reading.batches[0].position
    again = Reading(kafka.bootstrap, topics.outbox(unit), start=middle)
    await again.until(500 - middle)

    assert again.values == [str(i).encode() for i in range(middle, 500)]
    assert all(len(batch.records) <= 64 for batch in reading.batches), "transactions stay small"
    await again.close()
    await outbox.close()


async def test_what_retention_took_is_counted(kafka, unit):
    """A position that the log no longer has becomes its beginning, and the loss is said once."""
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
    from aiokafka.structs import TopicPartition

    outbox = KafkaOutbox(kafka.bootstrap, unit)
    await outbox.append(0, records(*(str(i).encode() for i in range(10))))
    admin = AIOKafkaAdminClient(**connection_settings(kafka.bootstrap))
    await admin.start()
    await admin.delete_records({TopicPartition(topics.outbox(unit), 0): RecordsToDelete(before_offset=7)})
    await admin.close()
    reading = Reading(kafka.bootstrap, topics.outbox(unit), start=3)

    assert await reading.until(3) == [b"7", b"8", b"9"]
    assert [batch.lost for batch in reading.batches] == [4] + [0] * (len(reading.batches) - 1)
    await reading.close()
    await outbox.close()


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(kafka, unit):
    """A position behind the end is of another topic: its records are not passed over, and the loss is said."""
    outbox = KafkaOutbox(kafka.bootstrap, unit)
    await outbox.append(0, records(*(str(i).encode() for i in range(10))))
    reading = Reading(kafka.bootstrap, topics.outbox(unit), start=17)

    assert await reading.until(10) == [str(i).encode() for i in range(10)]
    assert [batch.rewound_from for batch in reading.batches] == [17] + [None] * (len(reading.batches) - 1)
    await reading.close()
    await outbox.close()


async def test_what_take_raises_comes_out(kafka, unit):
    """A reader does not swallow the fault of whoever reads."""

    async def take(_: Fetched) -> None:
        raise ZeroDivisionError

    outbox = KafkaOutbox(kafka.bootstrap, unit)
    await outbox.append(0, records(b"x"))
    with pytest.raises(ZeroDivisionError):
        await KafkaFeeds(kafka.bootstrap).follow(topics.outbox(unit), 0, start=0, take=take)
    await outbox.close()


async def test_statements_are_keyed_by_their_hash(kafka):
    """Each statement stands under its own hash, and as it is."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    await KafkaTopicAdmin(kafka.bootstrap).apply(topics.shared())
    before = await KafkaFeeds(kafka.bootstrap).end(topics.DIRECTORY, 0)
    await KafkaDirectory(kafka.bootstrap).publish([b"one", b"two"])
    consumer = AIOKafkaConsumer(**connection_settings(kafka.bootstrap))
    await consumer.start()
    consumer.assign([TopicPartition(topics.DIRECTORY, 0)])
    consumer.seek(TopicPartition(topics.DIRECTORY, 0), before)
    found = [await consumer.getone(), await consumer.getone()]
    await consumer.stop()

    assert [(record.key, record.value) for record in found] == [
        (digest(b"one"), b"one"),
        (digest(b"two"), b"two"),
    ]


async def test_a_broker_that_goes_and_comes_back(new_cluster):
    """Reading goes on by itself, writing fails with `Unavailable` and then holds; nothing is lost."""
    cluster = new_cluster()
    unit = UnitId("fr")
    await KafkaTopicAdmin(cluster.bootstrap).apply(topics.of_unit(unit))
    outbox = KafkaOutbox(cluster.bootstrap, unit)
    reading = Reading(cluster.bootstrap, topics.outbox(unit))
    await outbox.append(0, records(b"before"))
    for _ in range(2):
        await asyncio.to_thread(cluster.kill, 0)
        with pytest.raises(Unavailable):
            await outbox.append(0, records(b"while it is away"))
        await asyncio.to_thread(cluster.restart, 0)
        await until_async(
            lambda: outbox.append(0, records(b"after")),
            what="the broker to take a record",
            despite=(Unavailable,),
        )
    await until_async(
        lambda: reading.values.count(b"after"),
        lambda count: count >= 2,
        what="both to be read",
        alive=reading.lives,
    )
    assert reading.values[0] == b"before"
    await reading.close()
    await outbox.close()
