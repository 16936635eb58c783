"""Topics of one partition, read from a position or written by one process, without group and without claim.

For the ledger's input and publications, the statements of acts, and the directory. Owns how such a reader and
writer behave: a reader never moves by itself (a position that Kafka does not have any more is an error, never
a jump; runtime/kafka/ports.py says why), and whatever the library raises becomes `Unavailable`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from protocol import topics
from protocol.identifiers import digest
from runtime.errors import Unavailable
from runtime.kafka.client import (
    CALM,
    COMMIT_TIMEOUT,
    PROMPT,
    SPARING,
    AIOKafkaConsumer,
    AIOKafkaProducer,
    KafkaError,
    TopicPartition,
    connection_settings,
)
from runtime.kafka.closing import close, is_task_cancelled
from runtime.kafka.ports import InputRecord, LogWriter, OutputRecord, Place
from runtime.kafka.security.access import KafkaAddress
from runtime.kafka.transactions import Transactions

APPEND_BYTES: Final = 900_000
"""So much is one batch: a broker takes a megabyte where nothing else is set."""


class KafkaReader:
    """One partition from a position on. Implements `runtime.kafka.ports.LogReader`."""

    def __init__(self, consumer: AIOKafkaConsumer, source: TopicPartition) -> None:
        self._consumer = consumer
        self._source = source

    async def span(self) -> tuple[int, int]:
        """Where the records that are kept begin, and where those that are committed end."""
        first = await self._consumer.beginning_offsets([self._source])
        end = await self._consumer.end_offsets([self._source])
        return first[self._source], end[self._source]

    async def position(self) -> int:
        """Where the next record may be: behind markers of transactions, too."""
        position: int = await self._consumer.position(self._source)
        return position

    def seek(self, position: int) -> None:
        """Go on from here."""
        self._consumer.seek(self._source, position)

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        """Records that follow; a deleted value counts as an empty one."""
        found = await self._consumer.getmany(self._source, timeout_ms=wait_ms, max_records=most)
        return [
            InputRecord(record.offset, record.timestamp, record.value or b"")
            for record in found.get(self._source, ())
        ]


class KafkaWriter:
    """Writes to partition 0 of any topic, beside others. Implements `runtime.kafka.ports.LogWriter`."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def write(self, outputs: Sequence[OutputRecord]) -> None:
        """Write records in their order; returns when all replicas have them."""
        async with asyncio.timeout(COMMIT_TIMEOUT):
            sent = [
                await self._producer.send(one.topic, one.value, key=one.key or None, partition=0)
                for one in outputs
            ]
            await asyncio.gather(*sent)  # a send that nobody awaits may fail in silence


class FencedWriter:
    """Writes to partition 0 of any topic, alone. Implements `runtime.kafka.ports.LogWriter`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def write(self, outputs: Sequence[OutputRecord]) -> None:
        """Write records in their order, all or none."""
        placed: dict[Place, list[OutputRecord]] = {}
        for one in outputs:
            placed.setdefault((one.topic, 0), []).append(one)
        if placed:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                await self._transactions.commit(placed)


class KafkaTopics:
    """Topics of one partition, to read and to write. Implements `runtime.kafka.ports.Topics`."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self._bootstrap = bootstrap

    @asynccontextmanager
    async def reading(self, topic: str, position: int | None) -> AsyncIterator[KafkaReader]:
        """A reader from a position, or from the beginning; never moved elsewhere by the library."""
        source = TopicPartition(topic, 0)
        consumer = AIOKafkaConsumer(
            **connection_settings(self._bootstrap),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=4_000_000,
            **PROMPT,
            **CALM,
        )
        async with _as_ours(topic, "read"):
            try:
                await consumer.start()
                consumer.assign([source])
                if position is None:
                    await consumer.seek_to_beginning(source)
                else:
                    consumer.seek(source, position)
                yield KafkaReader(consumer, source)
            finally:
                await close(consumer.stop())

    @asynccontextmanager
    async def writing(self, *, alone: str | None = None) -> AsyncIterator[LogWriter]:
        """A writer. Under a name it writes `alone`: it fences every earlier one of that name."""
        opened = self._beside() if alone is None else self._alone(alone)
        async with _as_ours("what the ledger and the router announce", "written"), opened as writer:
            yield writer

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[LogWriter]:
        producer = AIOKafkaProducer(
            **connection_settings(self._bootstrap),
            acks="all",
            enable_idempotence=True,
            max_batch_size=262_144,
            max_request_size=4_000_000,
            linger_ms=0,
            **PROMPT,
        )
        try:
            await producer.start()
            yield KafkaWriter(producer)
        finally:
            await close(producer.stop())

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[LogWriter]:
        transactions = Transactions(self._bootstrap, name)
        try:
            await transactions.open()
            yield FencedWriter(transactions)
        finally:
            await close(transactions.close())


class KafkaLog:
    """One topic of one partition, for commands that append a few records to it and end.

    One batch at a time, where `KafkaWriter` sends all at once: if one is refused, none behind it is in the
    log, and of a batch all records are or none. Statements rest on those before them.
    """

    def __init__(self, bootstrap: KafkaAddress, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic

    async def append(self, values: Sequence[bytes]) -> None:
        """Append in their order, each keyed by its own hash; returns when Kafka has acknowledged all."""
        producer = AIOKafkaProducer(
            **connection_settings(self._bootstrap),
            acks="all",
            enable_idempotence=True,
            max_batch_size=APPEND_BYTES,
            **SPARING,
        )
        try:
            await producer.start()
            left = deque(values)
            while left:
                batch = producer.create_batch()
                # The first always fits, however large it is; what does not fit begins the next batch.
                while left and batch.append(key=digest(left[0]), value=left[0], timestamp=None) is not None:
                    left.popleft()
                await (await producer.send_batch(batch, self._topic, partition=0))
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"the topic {self._topic} took no record ({type(error).__name__})") from error
        finally:
            await close(producer.stop())


class KafkaDirectory(KafkaLog):
    """The directory topic, for writing. Implements `runtime.kafka.ports.DirectoryTopic`."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        super().__init__(bootstrap, topics.DIRECTORY)

    async def publish(self, statements: Sequence[bytes]) -> None:
        """Append statements in their order."""
        await self.append(statements)


@asynccontextmanager
async def _as_ours(topic: str, what: str) -> AsyncIterator[None]:
    """Errors of Kafka or its client become `Unavailable`; only a cancellation of this task stays one."""
    try:
        yield
    except KafkaError as error:
        raise Unavailable(f"the topic {topic} cannot be {what} ({type(error).__name__})") from error
    except TimeoutError:
        raise Unavailable(f"the topic {topic} cannot be {what} (Kafka does not answer)") from None
    except asyncio.CancelledError:
        if is_task_cancelled():
            raise
        raise Unavailable(f"the topic {topic} cannot be {what} (a call was cancelled)") from None
