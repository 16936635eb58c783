"""The clients' side of Kafka: reading topics, and writing the few that have one partition.

The unit's outbox is in clients/daemon/sending/kafka_outbox.py, what topics there are in
runtime/kafka/admin.py. The rules, each with its reason (measured on aiokafka 0.14.0 and Kafka 4.3.1,
docs/adr/0004):

1. Readers have no group and commit nothing: the position is the caller's, kept with what was read.
2. One consumer for each partition. With several on one, a fetch that waits for an idle partition holds up
   the records of a busy one for as long as `fetch_max_wait_ms`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import structlog

from clients.kafka_client import (
    COMMON,
    AIOKafkaConsumer,
    AIOKafkaProducer,
    KafkaError,
    TopicPartition,
    ended,
)
from protocol import topics
from protocol.identifiers import digest
from runtime.errors import Unavailable
from runtime.kafka.feed_ports import Fetched, Incoming, Take

log = structlog.get_logger()

FETCH_WAIT_MS: Final = 500
IDLE_MS: Final = 30_000
TAKE_AT_MOST: Final = 64
_READER: Final[dict[str, Any]] = {
    **COMMON,
    # A reader tries again for as long as its broker is away, which may be days.
    "retry_backoff_ms": 250,
}


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


class KafkaFeeds:
    """Committed records of topics. Implements `runtime.kafka.feed_ports.FeedReader`."""

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
            await ended(consumer.stop())


class KafkaLog:
    """A topic of one partition, for writing."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic

    async def append(self, values: Sequence[bytes]) -> None:
        """Append in their order, each keyed by its own hash; returns when Kafka has acknowledged all."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, **COMMON
        )
        try:
            await producer.start()
            for value in values:
                await producer.send_and_wait(self._topic, value, key=digest(value), partition=0)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"the topic {self._topic} took no record ({type(error).__name__})") from error
        finally:
            await ended(producer.stop())


class KafkaDirectory(KafkaLog):
    """The directory topic, for writing. Implements `runtime.kafka.feed_ports.DirectoryLog`."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap, topics.DIRECTORY)

    async def publish(self, statements: Sequence[bytes]) -> None:
        """Append statements in their order."""
        await self.append(statements)
