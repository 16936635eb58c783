"""Reading records of any partition of any topic, through outages that may last for days.

Owns the retries. A reader that stops at a gap is in runtime/kafka/partition_log.py; why there are
two is said in runtime/kafka/ports.py. The rules, each with its reason (measured on aiokafka 0.14.0 and Kafka
4.3.1, docs/adr/0004):

1. Readers have no group and commit nothing: the position is the caller's, kept with what was read.
2. One consumer for each partition. With several on one, a fetch that waits for an idle partition holds up
   the records of a busy one for as long as `fetch_max_wait_ms`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import structlog

from runtime.errors import Unavailable
from runtime.kafka.addresses import not_reachable
from runtime.kafka.client import (
    SPARING,
    AIOKafkaClient,
    AIOKafkaConsumer,
    KafkaError,
    TopicPartition,
)
from runtime.kafka.closing import close
from runtime.kafka.ports import Fetched, InputRecord, Place, Take
from runtime.kafka.topic_ends import topic_ends

log = structlog.get_logger()

FETCH_WAIT_MS: Final = 500
IDLE_MS: Final = 30_000
TAKE_AT_MOST: Final = 64
_READER: Final[dict[str, Any]] = {
    **SPARING,
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
        """Sleep half of the interval, and up to as much again at random: units do not all return at once."""
        interval, self._next = self._next, min(self._next * 2, self._most)
        await asyncio.sleep(interval * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


class KafkaFeeds:
    """Committed records of topics. Implements `runtime.kafka.ports.FeedReader`."""

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

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The same of many places at once; the topics are there."""
        client = AIOKafkaClient(bootstrap_servers=self._bootstrap, **SPARING)
        try:
            await client.bootstrap()
            return await topic_ends(client, places)
        except (KafkaError, OSError, TimeoutError) as error:
            raise not_reachable(self._bootstrap, error) from error
        finally:
            await close(client.close())

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
                    end = (await consumer.end_offsets([source]))[source]
                    position, lost = _place(position, begin, end)
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
        """The next records; nothing new is a `Fetched` without records, None is a reader that is stuck."""
        found = await consumer.getmany(source, timeout_ms=IDLE_MS, max_records=TAKE_AT_MOST)
        reached = await consumer.position(source)
        records = tuple(
            InputRecord(record.offset, record.timestamp, record.value or b"")
            for record in found.get(source, ())
        )
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
            raise not_reachable(self._bootstrap, error) from error
        finally:
            await close(consumer.stop())


def _place(position: int, begin: int, end: int) -> tuple[int, int]:
    """Where to read, and how many offsets are lost: those that were deleted, or a whole topic made anew."""
    if position > end:
        return begin, position - end
    return max(position, begin), max(0, begin - position) if position else 0
