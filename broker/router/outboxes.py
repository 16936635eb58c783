"""The router's place in the group: which shards of the outboxes it works on.

Owns membership alone. Group membership decides who should work on what; that nobody else can commit there is
decided by its generation and by broker/router/holding.py, which holds the claims. The group is over the topic
`shards`, so that a rebalance moves 64 numbers and not every outbox there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from broker.router.claims import Work
from broker.router.holding import Holding, HoldingParts, end_all
from protocol import topics
from runtime.kafka.addresses import not_reachable
from runtime.kafka.client import (
    CALM,
    PROMPT,
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    KafkaError,
    RangePartitionAssignor,
    TopicPartition,
    connection_settings,
)
from runtime.kafka.closing import close
from runtime.kafka.ports import Place
from runtime.kafka.requests import Membership

log = structlog.get_logger()


class ShardAssignor(RangePartitionAssignor):  # type: ignore[misc]
    """Shares the shards out. Its name keeps routers of another kind out of the group: Kafka mixes none."""

    name = "contrada-shards"


class KafkaOutboxes(ConsumerRebalanceListener):  # type: ignore[misc]
    """All outboxes, shared in one consumer group among the routers that run."""

    def __init__(self, parts: HoldingParts) -> None:
        self._parts = parts
        self._consumer: AIOKafkaConsumer | None = None
        self._work: Work | None = None
        self._generation = 0
        self._holding: Holding | None = None
        self._task: asyncio.Task[None] | None = None
        self._let_go_at = parts.monotonic()

    @property
    def joined(self) -> bool:
        """Whether the group has assigned a share, which may be empty where routers are many.

        Where the topic of the shards is missing everybody's is, and that is none.
        """
        consumer = self._consumer
        return self._generation > 0 and bool(consumer and consumer.partitions_for_topic(topics.SHARDS))

    @property
    def unassigned_for(self) -> float:
        """Seconds since there is no share to work on, not even an empty one; 0 while there is one."""
        return 0.0 if self._holding is not None else self._parts.monotonic() - self._let_go_at

    @property
    def claimed(self) -> set[Place]:
        """What we hold right now, for health pages."""
        return set() if self._holding is None else self._holding.claimed

    async def run(self, work: Work, *, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """Take part in the group and work on the outboxes of the assigned shards, until cancelled.

        Not before `after`, if there is something to wait for: others may have the shards meanwhile.
        """
        self._work = work
        consumer = AIOKafkaConsumer(
            **connection_settings(self._parts.bootstrap),
            group_id=topics.ROUTER_GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            partition_assignment_strategy=(ShardAssignor,),
            **PROMPT,
            **CALM,
        )
        self._consumer = consumer
        try:
            await consumer.start()
            if after is not None:
                await after()
            consumer.subscribe([topics.SHARDS], listener=self)
            # The shards hold no records; but a member that never polls is removed.
            while True:
                await consumer.getmany(timeout_ms=1_000)
        except KafkaError as error:
            raise not_reachable(self._parts.bootstrap, error) from error
        finally:
            await self._let_go()
            await close(consumer.stop())

    async def on_partitions_revoked(self, _: Any) -> None:
        """Stop work at once. Safety rests on fencing, not on this."""
        await self._let_go()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin to claim what was assigned, under the generation of this very assignment (rule 1)."""
        assert self._consumer is not None
        assert self._work is not None
        await self._let_go()
        coordinator = self._consumer._coordinator  # noqa: SLF001
        membership = Membership(topics.ROUTER_GROUP, coordinator.generation, coordinator.member_id)
        if membership.generation < 0 or not membership.member:
            return  # lost in this moment: without a generation Kafka would refuse nothing
        shards = frozenset(source.partition for source in assigned)
        self._generation = membership.generation
        log.info("assigned", generation=membership.generation, shards=len(shards))
        self._holding = Holding(self._parts, membership, shards=shards, work=self._work)
        self._task = asyncio.create_task(self._hold(self._holding), name="outboxes")

    async def _hold(self, holding: Holding) -> None:
        try:
            await holding.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the group assigns anew
            log.warning("outboxes_lost", error=type(error).__name__)
            self._holding, self._let_go_at = None, self._parts.monotonic()
            if self._consumer is not None:
                self._consumer._coordinator.request_rejoin()  # noqa: SLF001

    async def _let_go(self) -> None:
        if self._holding is not None:
            self._let_go_at = self._parts.monotonic()
        task, self._task, self._holding = self._task, None, None
        if task is not None:
            await end_all([task])
