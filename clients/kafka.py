"""The clients' side of Kafka: the one module of this package that imports aiokafka.

The rules, each with its reason (measured on aiokafka 0.14.0 and Kafka 4.3.1, docs/adr/0004):

1. One batch in flight for each partition of an outbox, and nothing behind it until Kafka has acknowledged
   it. A batch is appended whole or not at all, so a later message can never stand in the log without the
   earlier ones; aiokafka's own queue would let a second batch pass a first one that expired unsent.
2. Any exception, `CancelledError` included: the producer is thrown away. A partition stays poisoned after
   a failed batch, and what the old producer may still deliver is a double, which the router drops.
3. Readers have no group and commit nothing: the position is the caller's, kept with what was read.
4. One consumer for each partition. With several on one, a fetch that waits for an idle partition holds up
   the records of a busy one for as long as `fetch_max_wait_ms`.
5. Asking for a topic never makes one, whatever the cluster's `auto.create.topics.enable` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import client as aiokafka_client
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from clients.ports import Appended, Fetched, Incoming, Outgoing, Take, TopicChange, TopicConflict, Unavailable
from protocol import topics
from protocol.identifiers import UnitId, digest
from protocol.limits import MAX_RECORD
from protocol.topics import Topic

log = structlog.get_logger()

# Rule 5: aiokafka asks for metadata in a way that lets the broker create what it does not have.
aiokafka_client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)

ACK_TIMEOUT: Final = 10.0
CREATE_TIMEOUT: Final = 30.0
CLOSE_TIMEOUT: Final = 5.0
FETCH_WAIT_MS: Final = 500
IDLE_MS: Final = 30_000
TAKE_AT_MOST: Final = 64
_COMMON: Final[dict[str, Any]] = {
    "retry_backoff_ms": 50,
    "request_timeout_ms": 5_000,
    "metadata_max_age_ms": 30_000,
}
_READER: Final[dict[str, Any]] = {
    **_COMMON,
    # A reader tries again for as long as its broker is away, which may be days.
    "retry_backoff_ms": 250,
}
_DYNAMIC_TOPIC_CONFIG: Final = 1


class Backoff:
    """How long to wait before trying again: doubling, with jitter, up to a bound; a success resets it."""

    __slots__ = ("_first", "_most", "_next")

    def __init__(self, *, first: float = 0.1, most: float = 15.0) -> None:
        self._first = self._next = first
        self._most = most

    def reset(self) -> None:
        """It worked."""
        self._next = self._first

    async def wait(self) -> None:
        """Sleep: half of the interval for certain, the other half by chance, so that units do not march."""
        interval, self._next = self._next, min(self._next * 2, self._most)
        await asyncio.sleep(interval * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


class KafkaOutbox:
    """A unit's outbox. Implements `clients.ports.OutboxLog`."""

    def __init__(self, bootstrap: str, unit: UnitId) -> None:
        self._bootstrap = bootstrap
        self._topic = topics.outbox(unit)
        self._producers: dict[int, AIOKafkaProducer] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def append(self, partition: int, records: Sequence[Outgoing]) -> Appended:
        """Append a batch and wait for the acknowledgement (rules 1 and 2)."""
        acknowledged = False
        try:
            async with asyncio.timeout(ACK_TIMEOUT):
                producer = await self._producer(partition)
                batch = producer.create_batch()
                count = 0
                for record in records:
                    if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                        break
                    count += 1
                batch.close()
                future = await producer.send_batch(batch, self._topic, partition=partition)
                done = await future
                acknowledged = True
                return Appended(done.offset, count)
        except (KafkaError, TimeoutError, OSError, AssertionError) as error:
            # AssertionError: a partition that the topic does not have.
            raise Unavailable(
                f"Kafka did not take a batch for {self._topic} ({type(error).__name__})",
                hint="nothing is lost: it is sent again by itself",
            ) from error
        finally:
            if not acknowledged:
                self._drop(partition)

    async def close(self) -> None:
        """Let go of every producer."""
        for partition in list(self._producers):
            self._drop(partition)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT)

    async def _producer(self, partition: int) -> AIOKafkaProducer:
        producer = self._producers.get(partition)
        if producer is None:
            producer = self._producers[partition] = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=512 * 1024,
                max_request_size=MAX_RECORD + 200_000,
                **_COMMON,
            )
            await producer.start()
        return producer

    def _drop(self, partition: int) -> None:
        producer = self._producers.pop(partition, None)
        if producer is None:
            return
        task = asyncio.create_task(_ended(producer.stop()), name="close producer")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class KafkaFeeds:
    """Committed records of topics. Implements `clients.ports.FeedReader`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        async with self._consumer() as consumer:
            found = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - the only way that waits
            return len(found)

    async def end(self, topic: str, partition: int) -> int:
        """The offset behind the last record."""
        source = TopicPartition(topic, partition)
        async with self._consumer() as consumer:
            consumer.assign([source])
            ends: dict[TopicPartition, int] = await consumer.end_offsets([source])
            return ends[source]

    async def follow(self, topic: str, partition: int, *, start: int, take: Take) -> None:
        """Read for ever from `start`; a reader that fails or stalls is replaced."""
        source = TopicPartition(topic, partition)
        backoff = Backoff()
        position = start
        while True:
            try:
                async with self._consumer() as consumer:
                    consumer.assign([source])
                    begin = (await consumer.beginning_offsets([source]))[source]
                    lost = max(0, begin - position) if position else 0
                    position = max(position, begin)
                    consumer.seek(source, position)
                    while (fetched := await self._next(consumer, source, position, lost)) is not None:
                        backoff.reset()
                        if fetched.position != position or lost:
                            await take(fetched)
                        position, lost = fetched.position, 0
                log.warning("feed_stalled", topic=topic, partition=partition, offset=position)
            except Unavailable as error:
                log.warning("feed_interrupted", topic=topic, partition=partition, error=str(error))
            await backoff.wait()

    async def _next(
        self, consumer: AIOKafkaConsumer, source: TopicPartition, position: int, lost: int
    ) -> Fetched | None:
        """The next records; nothing new is a `Fetched` without records, None is a reader that hangs."""
        found = await consumer.getmany(source, timeout_ms=IDLE_MS, max_records=TAKE_AT_MOST)
        reached = await consumer.position(source)
        records = tuple(Incoming(record.offset, record.value or b"") for record in found.get(source, ()))
        if reached == position:
            ends: dict[TopicPartition, int] = await consumer.end_offsets([source])
            # There is something, and half a minute was not enough to get it. An open transaction looks the
            # same and ends within its own timeout; a new reader then does no harm.
            if ends[source] > position:
                return None
        return Fetched(source.topic, source.partition, records, reached, lost)

    @contextlib.asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=4_000_000,
            **_READER,
        )
        try:
            await consumer.start()
            yield consumer
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(
                f"Kafka is not reachable at {self._bootstrap} ({type(error).__name__})"
            ) from error
        finally:
            await _ended(consumer.stop())


class KafkaDirectory:
    """The directory topic, for writing. Implements `clients.ports.DirectoryLog`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def publish(self, statements: Sequence[bytes]) -> None:
        """Append statements in their order."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, **_COMMON
        )
        try:
            await producer.start()
            for statement in statements:
                await producer.send_and_wait(topics.DIRECTORY, statement, key=digest(statement), partition=0)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"the directory topic took no statement ({type(error).__name__})") from error
        finally:
            await _ended(producer.stop())


class KafkaTopics:
    """The shape of the exchange. Implements `clients.ports.TopicAdmin`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def list(self) -> tuple[str, ...]:
        """The names of all topics."""
        async with self._admin() as admin:
            return tuple(sorted(await admin.list_topics()))

    async def apply(self, wanted: Sequence[Topic]) -> tuple[TopicChange, ...]:
        """Make Kafka agree with the declaration. Done twice, the second time changes nothing."""
        async with self._admin() as admin:
            described = await admin.describe_topics()
            there = {row["topic"]: len(row["partitions"]) for row in described}
            for topic in wanted:
                _check_partitions(topic, there.get(topic.name))
            missing = [topic for topic in wanted if topic.name not in there]
            present = [topic for topic in wanted if topic.name in there]
            altered = await self._alter(admin, present) if present else {}
            if missing:
                await self._create(admin, missing)
            changes = [TopicChange(topic.name, "created", tuple(topic.config)) for topic in missing]
            for topic in present:
                names = altered.get(topic.name, ())
                changes.append(TopicChange(topic.name, "altered" if names else "kept", names))
            return tuple(sorted(changes, key=lambda change: change.name))

    async def _create(self, admin: AIOKafkaAdminClient, missing: Sequence[Topic]) -> None:
        cluster = await admin.describe_cluster()
        replicas = 3 if len(cluster["brokers"]) >= 3 else 1
        answer = await admin.create_topics(
            [NewTopic(t.name, t.partitions, replicas, topic_configs=t.config) for t in missing]
        )
        for name, code, message in answer.topic_errors:
            # 36: somebody else has just created it, as declared like ours.
            if code not in (0, 36):
                raise TopicConflict(
                    f"Kafka did not create {name}: {for_code(code).__name__}", hint=message or ""
                )
        await self._wait_for_leaders(admin, {topic.name for topic in missing})

    async def _wait_for_leaders(self, admin: AIOKafkaAdminClient, names: set[str]) -> None:
        # Creation is asynchronous: without a leader the first record would fail.
        async with asyncio.timeout(CREATE_TIMEOUT):
            while True:
                rows = {row["topic"]: row["partitions"] for row in await admin.describe_topics()}
                if all(rows.get(name) and all(p["leader"] >= 0 for p in rows[name]) for name in names):
                    return
                await asyncio.sleep(0.05)

    async def _alter(
        self, admin: AIOKafkaAdminClient, present: Sequence[Topic]
    ) -> dict[str, tuple[str, ...]]:
        current = await _settings(admin, [topic.name for topic in present])
        changed: dict[str, tuple[str, ...]] = {}
        resources = []
        for topic in present:
            have = current.get(topic.name, {})
            names = tuple(key for key, value in topic.config.items() if have.get(key) != value)
            if names:
                changed[topic.name] = names
                # The call replaces all of a topic's settings: what others have set is said again.
                resources.append(
                    ConfigResource(ConfigResourceType.TOPIC, topic.name, {**have, **topic.config})
                )
        if resources:
            for answer in await admin.alter_configs(resources):
                for code, message, _, name in answer.resources:
                    if code:
                        raise TopicConflict(
                            f"Kafka did not alter {name}: {for_code(code).__name__}", hint=message or ""
                        )
        return changed

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=15_000)
        try:
            await admin.start()
            yield admin
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(
                f"Kafka is not reachable at {self._bootstrap} ({type(error).__name__})",
                hint="start it, or correct the bootstrap servers",
            ) from error
        finally:
            await _ended(admin.close())


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """What is set on each topic itself, defaults left out."""
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names]):
        for code, _, _, name, entries in answer.resources:
            if code == 0:
                own = [entry for entry in entries if entry[3] == _DYNAMIC_TOPIC_CONFIG]
                found[name] = {entry[0]: entry[1] for entry in own}
    return found


def _check_partitions(topic: Topic, there: int | None) -> None:
    if there is not None and there != topic.partitions:
        raise TopicConflict(
            f"the topic {topic.name} has {there} partitions, and {topic.partitions} are declared",
            hint="the number is chosen once, or conversations lose their order: declare what is there",
        )


async def _ended(closing: Coroutine[Any, Any, None]) -> None:
    """Wait for a part of aiokafka to close, for a while, whatever comes of it.

    In a task of its own: while a broker is away `stop()` ends in a `CancelledError` of aiokafka's own
    tasks, which here would look as if somebody had cancelled us.
    """
    task = asyncio.create_task(closing)
    done, pending = await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
    for late in pending:
        late.cancel()
    for ended in done:
        if not ended.cancelled():
            ended.exception()
