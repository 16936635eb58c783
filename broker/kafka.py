"""The router's side of Kafka: the one module of this package that imports aiokafka.

The rules, each with its reason (measured on aiokafka 0.14.0 and Kafka 4.3.1, docs/adr/0004):

1. One transactional id per input partition, and InitProducerId before the position is read. aiokafka
   has no group fencing (KIP-447): a router that lost a partition is stopped by the new owner's id alone.
2. Every send future is awaited before the commit. `commit_transaction` succeeds over failed sends.
3. Any exception, `CancelledError` included: the producer is thrown away and the id initialised again.
   After an authorization failure `abort_transaction` does not abort, after a failed batch the partition
   stays poisoned, and a retried EndTxn may end the next transaction. A new epoch is safe from all three.
4. Group membership decides who should work on a partition. It decides nothing about safety: rule 1 does.
5. One reader for each partition, made with its claim. A reader that is shared leaves a partition out of
   the fetch under way while its records are worked on, so that the next ones wait for that fetch to end;
   and what it has fetched ahead can survive a claim.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka import client as aiokafka_client
from aiokafka.errors import KafkaError
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import OffsetAndMetadata

from broker.errors import Unavailable
from broker.ports import InputRecord, OutputRecord, Work
from protocol import topics
from protocol.identifiers import ThreadId, UnitId
from protocol.topics import partition_of

log = structlog.get_logger()

# Between two transactions of one producer aiokafka sleeps 20 ms whenever the first one is still writing
# its markers, whatever retry_backoff_ms says. tests/integration/test_kafka_traps.py fails if the name goes.
aiokafka_sender.BACKOFF_OVERRIDE = 0.002

# Asking for a topic never makes one, whatever the cluster's auto.create.topics.enable says.
aiokafka_client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)

COMMIT_TIMEOUT: Final = 20.0
CLOSE_TIMEOUT: Final = 5.0
_COMMON: Final[dict[str, Any]] = {
    "retry_backoff_ms": 20,
    "request_timeout_ms": 5_000,
    "metadata_max_age_ms": 5_000,
}


class PartitionClaim:
    """One input partition, held with a fenced producer. Implements `broker.ports.Claim`."""

    def __init__(
        self,
        reader: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        source: TopicPartition,
        *,
        partitions: int,
        state: str,
    ) -> None:
        self.partitions = partitions
        self._reader = reader
        self._producer = producer
        self._source = source
        self.state = state
        self.owner: UnitId = topics.outbox_owner(source.topic)
        self.partition: int = source.partition
        self._partitions: dict[str, int] = {}

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        """Records that follow what was fetched before."""
        found = await self._reader.getmany(self._source, timeout_ms=wait_ms, max_records=most)
        return [
            InputRecord(record.offset, record.timestamp, record.value or b"")
            for record in found.get(self._source, ())
        ]

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """One transaction. Whatever it raises, this claim must not be used again.

        A cancellation lets the transaction end first: left open, it would hold up every reader of the
        topics that it touched until the next claim or until Kafka gives it up.
        """
        transaction = asyncio.create_task(self._transaction(outputs, position=position, state=state))
        try:
            await asyncio.shield(transaction)
        except asyncio.CancelledError:
            await asyncio.wait({transaction}, timeout=CLOSE_TIMEOUT)
            transaction.cancel()
            raise

    async def _transaction(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        async with asyncio.timeout(COMMIT_TIMEOUT):
            await self._producer.begin_transaction()
            sent = [await self._send(output) for output in outputs]
            # Records and position travel at the same time; rule 2 asks only that both have arrived.
            offsets = self._producer.send_offsets_to_transaction(
                {self._source: OffsetAndMetadata(position, state)}, topics.ROUTER_GROUP
            )
            await asyncio.gather(*sent, offsets)
            await self._producer.commit_transaction()

    async def _send(self, output: OutputRecord) -> asyncio.Future[Any]:
        count = self._partitions.get(output.topic)
        if count is None:
            count = self._partitions[output.topic] = len(await self._producer.partitions_for(output.topic))
        partition = partition_of(ThreadId(output.key), count) if count > 1 else 0
        future: asyncio.Future[Any] = await self._producer.send(
            output.topic, output.value, key=output.key or None, partition=partition
        )
        return future


class KafkaOutboxes(ConsumerRebalanceListener):  # type: ignore[misc]
    """All outboxes, shared in one consumer group. Implements `broker.ports.OutboxLog`."""

    def __init__(self, bootstrap: str, *, fetch_wait_ms: int) -> None:
        self._bootstrap = bootstrap
        self._fetch_wait_ms = fetch_wait_ms
        self._consumer: AIOKafkaConsumer | None = None
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._work: Work | None = None
        self.claimed: set[TopicPartition] = set()
        """What we hold right now, for health pages."""

    @property
    def joined(self) -> bool:
        """Whether the group has given us a share, which may be empty."""
        return self._generation > 0

    async def run(self, work: Work) -> None:
        """Take part in the group and work on what falls to us, until cancelled."""
        self._work = work
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=topics.ROUTER_GROUP,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            **_COMMON,
        )
        self._consumer = consumer
        try:
            await consumer.start()
            consumer.subscribe(pattern=r"^outbox\..+$", listener=self)
            # Nothing comes this way, all partitions are paused; but a member that never asks is put out.
            while True:
                await consumer.getmany(timeout_ms=1_000)
        except KafkaError as error:
            raise Unavailable(
                f"Kafka is not reachable at {self._bootstrap} ({type(error).__name__})"
            ) from error
        finally:
            await self._drop(list(self._tasks))
            await _close(consumer.stop())
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Stop work at once. It is fencing, not this politeness, that keeps it safe."""
        await self._drop(list(revoked))

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Start to claim what fell to us; nothing is fetched before a claim holds."""
        if self._consumer is None:
            return
        self._generation += 1
        self._consumer.pause(*assigned)
        for source in assigned:
            if source not in self._tasks:
                self._tasks[source] = asyncio.create_task(self._hold(source), name=f"claim {source.topic}")

    async def _drop(self, sources: list[TopicPartition]) -> None:
        tasks = [task for source in sources if (task := self._tasks.pop(source, None)) is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)

    async def _hold(self, source: TopicPartition) -> None:
        """Claim, work, and after any failure claim again; until the partition is taken from us."""
        pause = 0.05
        # Not for ever: aiokafka may lose our cancellation to an error of the same moment, and a task that
        # went on to claim what belongs to another router by now would fence that one again and again.
        while self._tasks.get(source) is asyncio.current_task():
            producer = self._new_producer(source)
            began = asyncio.get_running_loop().time()
            try:
                await self._claim_and_work(source, producer)
            except (asyncio.CancelledError, Exception) as error:  # rule 3: whatever it is
                if isinstance(error, asyncio.CancelledError) and _are_we_cancelled():
                    raise
                log.warning(
                    "claim_lost", topic=source.topic, partition=source.partition, error=type(error).__name__
                )
            finally:
                # stop() waits for an open transaction: that must not be in the way of the next claim.
                self._close_behind(producer.stop())
            pause = 0.05 if asyncio.get_running_loop().time() - began > 5 else min(pause * 2, 2.0)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _claim_and_work(self, source: TopicPartition, producer: AIOKafkaProducer) -> None:
        if self._consumer is None or self._work is None:
            return
        await producer.start()  # InitProducerId: fences every earlier holder and ends its open transaction
        position, state = await self._committed(source)
        async with self._reader(source, position) as reader:
            log.info("claimed", topic=source.topic, partition=source.partition, offset=position)
            self.claimed.add(source)
            try:
                count = len(await producer.partitions_for(source.topic))
                await self._work(PartitionClaim(reader, producer, source, partitions=count, state=state))
            finally:
                self.claimed.discard(source)

    @asynccontextmanager
    async def _reader(self, source: TopicPartition, position: int) -> AsyncIterator[AIOKafkaConsumer]:
        reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._fetch_wait_ms,
            max_partition_fetch_bytes=4_000_000,
            **_COMMON,
        )
        try:
            await reader.start()
            reader.assign([source])
            reader.seek(source, position)
            yield reader
        finally:
            self._close_behind(reader.stop())

    async def _committed(self, source: TopicPartition) -> tuple[int, str]:
        """Position and state from one answer of the coordinator, or the beginning.

        `consumer.committed` gives the offset alone; two questions could get answers of two commits.
        """
        assert self._consumer is not None
        answer = await self._consumer._coordinator.fetch_committed_offsets([source])  # noqa: SLF001
        committed = answer.get(source)
        if committed is None or committed.offset < 0:
            beginnings = await self._consumer.beginning_offsets([source])
            return beginnings[source], ""
        return committed.offset, committed.metadata or ""

    def _new_producer(self, source: TopicPartition) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            transactional_id=topics.transactional_id(source.topic, source.partition),
            transaction_timeout_ms=15_000,
            acks="all",
            max_batch_size=262_144,
            max_request_size=4_000_000,
            linger_ms=0,
            **_COMMON,
        )

    def _close_behind(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_close(closing))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class KafkaStatements:
    """The directory topic, read from its beginning. Implements `broker.ports.StatementFeed`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Feed statements in order; say so whenever the end of the topic is reached."""
        source = TopicPartition(topics.DIRECTORY, 0)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=500,
            **_COMMON,
        )
        try:
            await consumer.start()
            consumer.assign([source])
            await consumer.seek_to_beginning(source)
            while True:
                end = (await consumer.end_offsets([source]))[source]
                while await consumer.position(source) < end:
                    await self._take(consumer, source, take)
                caught_up()
                await self._take(consumer, source, take)
        except KafkaError as error:
            raise Unavailable(f"the directory topic cannot be read ({type(error).__name__})") from error
        except asyncio.CancelledError:
            if _are_we_cancelled():
                raise
            raise Unavailable("the directory topic cannot be read (its reader was cancelled)") from None
        finally:
            await _close(consumer.stop())

    async def _take(
        self, consumer: AIOKafkaConsumer, source: TopicPartition, take: Callable[[bytes], None]
    ) -> None:
        found = await consumer.getmany(source, timeout_ms=1_000)
        for record in found.get(source, ()):
            if record.value is not None:
                take(record.value)


def _are_we_cancelled() -> bool:
    """Whether a cancellation is meant for us: aiokafka lets those of its own tasks out of its calls."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _close(closing: Coroutine[Any, Any, None]) -> None:
    """Close a part of aiokafka for as long as that may take; whatever comes out of it ends here."""
    task = asyncio.create_task(closing)
    await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
    if not task.done():
        task.cancel()
    elif not task.cancelled():
        task.exception()  # looked at, so that nobody complains of it later
