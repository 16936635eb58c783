"""A router as one would write it from a tutorial: the mutation that the checker must catch.

Everything but its side of Kafka is the real router's. It breaks the rules of broker/router/holding.py:

1. One producer for the whole process, with an id of its own: nobody fences a router that lost its place.
2. The position is committed to the group after the transaction, not within it.
3. After a failure it aborts and goes on with what it has fetched meanwhile.

`CHAOS_NAIVE_DIES_ONCE=FILE` makes the first such router that delivers something die between the transaction
and the position, so that a short run shows what a long one shows by chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from broker.router import app
from broker.router.__main__ import main
from broker.router.claims import Work
from protocol import topics
from runtime.kafka.client import connection_settings
from runtime.kafka.ports import InputRecord, OutputRecord
from runtime.kafka.security.access import KafkaAddress

real_build = app.build_router


class NaiveClaim:
    """A partition that the group gave us. No claim at all, in the sense of `broker.router.claims.Claim`."""

    def __init__(self, outboxes: NaiveOutboxes, source: TopicPartition, state: str) -> None:
        self._outboxes = outboxes
        self._source = source
        self.state = state
        self.owner = topics.outbox_owner(source.topic)
        self.partition = source.partition
        self.partitions = 1
        self.end = 0

    async def fetch(self, *, wait_ms: int | None, most: int) -> list[InputRecord]:
        """What comes next."""
        found = await self._outboxes.consumer.getmany(
            self._source, timeout_ms=wait_ms or 1_000, max_records=most
        )
        return [InputRecord(r.offset, r.timestamp, r.value or b"") for r in found.get(self._source, ())]

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """A transaction, and then the position."""
        async with self._outboxes.lock:
            await self._outboxes.write(outputs)
            if any(output.topic.startswith(topics.INBOX_PREFIX) for output in outputs):
                die_once()
            with contextlib.suppress(Exception):
                await self._outboxes.consumer.commit({self._source: OffsetAndMetadata(position, state)})


class NaiveOutboxes(ConsumerRebalanceListener):
    """All outboxes, shared by the group alone."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self.claimed: set[TopicPartition] = set()
        self.joined = False
        self.unassigned_for = 0.0
        self.lock = asyncio.Lock()
        self._bootstrap = bootstrap
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}

    async def run(self, work: Work, *, after: Callable[[], Awaitable[None]]) -> None:
        """Work on what the group gives us, until cancelled."""
        await after()
        self._work = work
        common = {**connection_settings(self._bootstrap), "metadata_max_age_ms": 5_000}
        self.consumer = AIOKafkaConsumer(
            group_id=topics.ROUTER_GROUP,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            **common,
        )
        self.producer = AIOKafkaProducer(
            transactional_id=f"router-{uuid.uuid4()}", max_request_size=4_000_000, **common
        )
        await self.producer.start()
        await self.consumer.start()
        self.consumer.subscribe(pattern=r"^outbox\..+$", listener=self)
        await asyncio.Event().wait()

    async def write(self, outputs: Sequence[OutputRecord]) -> None:
        """A transaction that is tried until it works, with the producer that is there."""
        while True:
            try:
                async with self.producer.transaction():
                    sent = [
                        await self.producer.send(o.topic, o.value, key=o.key or None, partition=0)
                        for o in outputs
                    ]
                    await asyncio.gather(*sent)
            except Exception:
                await asyncio.sleep(0.2)
            else:
                return

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Stop, some time."""
        for source in revoked:
            if source in self._tasks:
                self._tasks.pop(source).cancel()
            self.claimed.discard(source)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Start."""
        self.joined = True
        for source in assigned:
            self.claimed.add(source)
            self._tasks[source] = asyncio.create_task(self._hold(source))

    async def _hold(self, source: TopicPartition) -> None:
        while True:
            try:
                answer = await self.consumer._coordinator.fetch_committed_offsets([source])
                state = answer[source].metadata if source in answer else ""
                await self._work(NaiveClaim(self, source, state))
            except Exception as error:
                sys.stderr.write(f"naive router: {error!r}\n")
            await asyncio.sleep(0.2)


def die_once() -> None:
    """SIGKILL to ourselves, if we are told to and nobody did so before."""
    marker = os.environ.get("CHAOS_NAIVE_DIES_ONCE")
    if marker:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), signal.SIGKILL)


def build(settings):
    """The real router's parts, but for Kafka."""
    router, _ = real_build(settings)
    return router, NaiveOutboxes(settings.access())


if __name__ == "__main__":
    app.build_router = build
    raise SystemExit(main(Path(sys.argv[1])))
