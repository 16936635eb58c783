"""The router's claims on outboxes in Kafka: which partitions it works on, and how it holds them.

The rules, each with its reason (measured on aiokafka 0.14.0 and Kafka 4.3.1, docs/adr/0004 and 0018):

1. One transactional id per input partition, and it is opened before the position is read. A router that
   lost a partition is stopped by the new owner's id alone.
2. A transaction's records and position are all acknowledged before it is committed
   (runtime/kafka/transactions.py).
3. After any exception, `CancelledError` included, the id's connections are closed and it is opened again.
4. Group membership decides who should work on a partition. It decides nothing about safety: rule 1 does.
5. One reader for each partition, made with its claim. A reader that is shared leaves a partition out of
   the fetch under way while its records are worked on, so that the next ones wait for that fetch to end;
   and what it has fetched ahead can survive a claim.
6. The committed position is read by a request of this project (runtime/kafka/positions.py): aiokafka takes a
   coordinator that has just moved for a group that never committed anything.

Topics that one process reads or writes by itself, without claims, are in runtime/kafka/partition_log.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from broker.router.claims import Work
from protocol import topics
from protocol.errors import ContradaError
from protocol.identifiers import ThreadId, UnitId
from protocol.topics import partition_of
from runtime.errors import Unavailable
from runtime.kafka.client import (
    COMMIT_TIMEOUT,
    PROMPT,
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    KafkaError,
    OffsetFetchRequest,
    TopicPartition,
)
from runtime.kafka.closing import CLOSE_TIMEOUT, close, is_task_cancelled
from runtime.kafka.ports import InputRecord, OutputRecord
from runtime.kafka.positions import position_in
from runtime.kafka.transactions import Place, Progress, Transactions

log = structlog.get_logger()


class PartitionClaim:
    """One input partition, held with a fenced producer. Implements `broker.router.claims.Claim`."""

    def __init__(
        self,
        reader: AIOKafkaConsumer,
        transactions: Transactions,
        source: TopicPartition,
        *,
        partitions: int,
        state: str,
    ) -> None:
        self.partitions = partitions
        self._reader = reader
        self._transactions = transactions
        self._source = source
        self.state = state
        self.owner: UnitId = topics.outbox_owner(source.topic)
        self.partition: int = source.partition

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        """Records that follow what was fetched before."""
        found = await self._reader.getmany(self._source, timeout_ms=wait_ms, max_records=most)
        return [
            InputRecord(record.offset, record.timestamp, record.value or b"")
            for record in found.get(self._source, ())
        ]

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """One transaction. After any exception this claim must not be used again.

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
            placed: dict[Place, list[OutputRecord]] = {}
            for output in outputs:
                placed.setdefault(await self._place(output), []).append(output)
            progress = Progress((self._source.topic, self._source.partition), position, state)
            await self._transactions.commit(placed, progress)

    async def _place(self, output: OutputRecord) -> Place:
        count = await self._transactions.partitions(output.topic)
        return output.topic, partition_of(ThreadId(output.key), count) if count > 1 else 0


class KafkaOutboxes(ConsumerRebalanceListener):  # type: ignore[misc]
    """All outboxes, shared in one consumer group among the routers that run."""

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
        """Whether the group has assigned a share, which may be empty."""
        return self._generation > 0

    async def run(self, work: Work) -> None:
        """Take part in the group and work on the assigned partitions, until cancelled."""
        self._work = work
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=topics.ROUTER_GROUP,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            **PROMPT,
        )
        self._consumer = consumer
        try:
            await consumer.start()
            consumer.subscribe(pattern=r"^outbox\..+$", listener=self)
            # All partitions are paused, so nothing is read; but a member that never polls is removed.
            while True:
                await consumer.getmany(timeout_ms=1_000)
        except KafkaError as error:
            raise Unavailable(
                f"Kafka is not reachable at {self._bootstrap} ({type(error).__name__})"
            ) from error
        finally:
            await self._drop(list(self._tasks))
            await close(consumer.stop())
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Stop work at once. Safety rests on fencing, not on this."""
        await self._drop(list(revoked))

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Start to claim what was assigned; nothing is fetched before a claim holds."""
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
        """Claim, work, and after any failure claim again; until the partition is revoked."""
        pause = 0.05
        # Not for ever: aiokafka may lose a cancellation to an error of the same moment, and a task that still
        # claimed what belongs to another router by now would fence that one again and again.
        while self._tasks.get(source) is asyncio.current_task():
            transactions = self._transactions(source)
            began = asyncio.get_running_loop().time()
            try:
                await self._claim_and_work(source, transactions)
            except (asyncio.CancelledError, Exception) as error:  # rule 3: whatever it is
                if isinstance(error, asyncio.CancelledError) and is_task_cancelled():
                    raise
                log.warning(
                    "claim_lost",
                    topic=source.topic,
                    partition=source.partition,
                    error=type(error).__name__,
                    hint=error.hint if isinstance(error, ContradaError) else "",
                )
            finally:
                self._close_behind(transactions.close())
            pause = 0.05 if asyncio.get_running_loop().time() - began > 5 else min(pause * 2, 2.0)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _claim_and_work(self, source: TopicPartition, transactions: Transactions) -> None:
        if self._consumer is None or self._work is None:
            return
        await transactions.open()  # fences every earlier holder and ends its open transaction
        position, state = await self._committed(source)
        async with self._reader(source, position) as reader:
            log.info("claimed", topic=source.topic, partition=source.partition, offset=position)
            self.claimed.add(source)
            try:
                count = await transactions.partitions(source.topic)
                claim = PartitionClaim(reader, transactions, source, partitions=count, state=state)
                await self._work(claim)
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
            **PROMPT,
        )
        try:
            await reader.start()
            reader.assign([source])
            reader.seek(source, position)
            yield reader
        finally:
            self._close_behind(reader.stop())

    async def _committed(self, source: TopicPartition) -> tuple[int, str]:
        """Position and state from one answer of the coordinator, or the beginning (rule 6)."""
        assert self._consumer is not None
        coordinator = self._consumer._coordinator  # noqa: SLF001
        await coordinator.ensure_coordinator_known()
        question = OffsetFetchRequest(coordinator.group_id, [(source.topic, [source.partition])])
        answer = await coordinator._send_req(question)  # noqa: SLF001
        try:
            committed = position_in(answer, source.topic, source.partition)
        except Unavailable:
            coordinator.coordinator_dead()  # the next attempt looks for it again
            raise
        if committed is None:
            beginnings = await self._consumer.beginning_offsets([source])
            return beginnings[source], ""
        return committed

    def _transactions(self, source: TopicPartition) -> Transactions:
        name = topics.transactional_id(source.topic, source.partition)
        return Transactions(self._bootstrap, name, group=topics.ROUTER_GROUP)

    def _close_behind(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(close(closing))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
