"""What a message costs the hub when messages come one by one, from few units or from many, and how long it takes.

The units' side is bare here: submissions that were sealed before, written by one producer. So what differs is only
from how many outboxes the router takes them. `beside_load` is the same with every core taken by a busy loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from clients.demo.free_ports import free_port
from protocol import topics
from protocol.envelope.wire import parse_delivery, parse_submission
from protocol.identifiers import MessageId, UnitId
from tests.bench import drain
from tests.bench.figures import Figure
from tests.bench.latency import quantile
from tests.bench.stage import SENDERS, Stage, cpu_seconds, stage

RATE = 200
MANY = tuple(f"u{number:03}" for number in range(100))
WARM_UP, SECONDS = 30, 12
"""Of messages at the rate. A fresh broker costs twice the CPU while its compiler is at work."""
ROUNDS, ROUNDS_BESIDE_LOAD = 3, 2
LATE = 90
"""Seconds that the last messages may take when the cores are taken by others."""


@dataclass(frozen=True)
class Run:
    """So many messages of so many units."""

    cpu_ms: float
    """Of router and Kafka, for each message."""

    p50_ms: float


async def measure() -> list[Figure]:
    """All figures of this group, on one broker."""
    async with stage(senders=sorted({*SENDERS, *MANY})) as built:
        await drain.one(built, processes=1, backlog=drain.BACKLOG)
        drained = [(await drain.one(built, processes=1, backlog=drain.BACKLOG))[1] for _ in range(ROUNDS)]
        port = free_port()
        router = built.exchange.start_router(log_level="warning", http_port=port)
        await drain.all_claimed(built, [port])
        async with _hub(built, router.pid) as hub:
            await hub.run(MANY, WARM_UP)
            few, many = await _in_turn(hub, ROUNDS)
            with busy_cores():
                few_beside, many_beside = await _in_turn(hub, ROUNDS_BESIDE_LOAD)
    spread = statistics.median(run.cpu_ms for run in many)
    p50_many, p50_few = (statistics.median(run.p50_ms for run in runs) for runs in (many, few))
    return [
        Figure("hub_cpu_ms_at_200_spread", spread, statistics.median(drained)),
        Figure("spread_cpu_ratio", _ratio(many, few)),
        Figure("spread_cpu_ratio_beside_load", _ratio(many_beside, few_beside)),
        Figure("latency_p50_ms_at_200_spread", p50_many, p50_few),
    ]


def _ratio(many: Sequence[Run], few: Sequence[Run]) -> float:
    return statistics.median(m.cpu_ms / f.cpu_ms for m, f in zip(many, few, strict=True))


async def _in_turn(hub: Hub, rounds: int) -> tuple[list[Run], list[Run]]:
    few, many = [], []
    for _ in range(rounds):
        few.append(await hub.run(SENDERS, SECONDS))
        many.append(await hub.run(MANY, SECONDS))
    return few, many


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Other work on every core."""
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@dataclass(frozen=True)
class Made:
    """A message that was sealed before it is due."""

    topic: str
    submission: bytes
    message_id: MessageId

    @classmethod
    def by(cls, built: Stage, sender: str) -> Self:
        """One more of this unit."""
        (submission,) = built.compose(sender, 1)
        core = parse_submission(submission).header.core
        return cls(topics.outbox(UnitId(sender)), submission, core.message_id)


@dataclass(frozen=True)
class Hub:
    """A router and Kafka, with the clients that load them."""

    stage: Stage
    pids: tuple[int, ...]
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer

    async def run(self, senders: Sequence[str], seconds: int) -> Run:
        """So many seconds of messages at the rate, of these units in turn, to one addressee."""
        count = RATE * seconds
        made = [Made.by(self.stage, sender) for sender in islice(cycle(senders), count)]
        used = cpu_seconds(*self.pids)
        async with asyncio.timeout(seconds + LATE), asyncio.TaskGroup() as group:
            offering = group.create_task(self._offer(made))
            arrived = await self._arrivals(count)
        used = cpu_seconds(*self.pids) - used
        delays = sorted((arrived[message] - at) * 1000 for message, at in offering.result().items())
        return Run(used / count * 1000, quantile(delays, 0.5))

    async def _offer(self, made: Sequence[Made]) -> dict[MessageId, float]:
        """Write each when it is due (an open loop: a slow hub does not slow it); when each was due."""
        began, due_at = time.monotonic(), {}
        for number, one in enumerate(made):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self.producer.send(one.topic, one.submission, partition=0)
            due_at[one.message_id] = due
        return due_at

    async def _arrivals(self, count: int) -> dict[MessageId, float]:
        found: dict[MessageId, float] = {}
        while len(found) < count:
            for records in (await self.consumer.getmany(timeout_ms=200)).values():
                now = time.monotonic()
                found |= {parse_delivery(record.value).header.core.message_id: now for record in records}
        return found


@contextlib.asynccontextmanager
async def _hub(built: Stage, router: int):
    inbox = TopicPartition(topics.inbox(UnitId("it")), 0)
    producer = AIOKafkaProducer(bootstrap_servers=built.cluster.bootstrap, acks="all")
    await producer.start()
    try:
        async with built.reader() as consumer:
            consumer.assign([inbox])
            await consumer.seek_to_end(inbox)
            await consumer.position(inbox)
            yield Hub(built, (*built.kafka_pids, router), producer, consumer)
    finally:
        await producer.stop()
