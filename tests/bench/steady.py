"""What the hub costs while messages come one by one at a steady rate."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaProducer, TopicPartition

from clients.daemon.sending.intake import SPACING
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from protocol import topics
from protocol.identifiers import UnitId
from tests.bench.bare import Copy, make_topics
from tests.bench.drain import _stop
from tests.bench.figures import Figure
from tests.bench.stage import Stage, cpu_seconds, take

RATE = 1_000
SECONDS = 12
WARM_UP = 24
"""A fresh broker costs twice the CPU while its compiler is at work: what it does then is not the figure."""


async def measure(stage: Stage) -> list[Figure]:
    """CPU of router and Kafka per message at 1,000 messages a second, through the daemon's own producer."""
    submissions = stage.compose("fr", RATE * (SECONDS + WARM_UP))
    routers = [stage.exchange.start_router(log_level="warning")]
    outbox = KafkaOutbox(stage.cluster.bootstrap, UnitId("fr"))
    pids = [*stage.kafka_pids, routers[0].pid]
    try:
        async with stage.reader() as consumer:
            source = TopicPartition(topics.inbox(UnitId("it")), 0)
            consumer.assign([source])
            await consumer.seek_to_end(source)
            await consumer.position(source)
            warm = RATE * WARM_UP
            offering = asyncio.create_task(_offer(outbox, submissions))
            came, _ = await take(consumer, warm, within=60)
            used = cpu_seconds(*pids)
            rest, _ = await take(consumer, len(submissions) - came, within=60)
            used = cpu_seconds(*pids) - used
            await offering
    finally:
        await outbox.close()
        _stop(routers)
    return [Figure("hub_cpu_ms_at_1000", used / rest * 1000, await _bare(stage))]


async def _bare(stage: Stage) -> float:
    """CPU milliseconds per record of Kafka and a copy that checks nothing, at the same rate."""
    name = f"bare-at-{time.monotonic_ns()}"
    await make_topics(stage.cluster.bootstrap, f"{name}-in", f"{name}-out")
    values = [bytes(stage.compose("fr", 1)[0])] * (RATE * SECONDS)
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.cluster.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        with Copy(stage.cluster.bootstrap, f"{name}-in", f"{name}-out").in_thread() as copy:
            used, began, pending = cpu_seconds(*stage.kafka_pids), time.monotonic(), []
            while len(pending) < len(values) or copy.copied < len(values):
                due = min(len(values), int((time.monotonic() - began) * RATE) + 1)
                pending += [
                    await producer.send(f"{name}-in", value, partition=0)
                    for value in values[len(pending) : due]
                ]
                if time.monotonic() - began > 10 * SECONDS:
                    raise TimeoutError(f"the bare copy has {copy.copied} of {len(values)} records")
                await asyncio.sleep(SPACING)
            used = cpu_seconds(*stage.kafka_pids) - used + copy.thread_seconds
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return used / len(values) * 1000


async def _offer(outbox: KafkaOutbox, submissions: list[bytes]) -> None:
    """Append what is due, again and again: an open loop, so that a slow hub does not slow the load."""
    began, at = time.monotonic(), 0
    while at < len(submissions):
        due = min(len(submissions), int((time.monotonic() - began) * RATE) + 1)
        if due <= at:
            await asyncio.sleep(SPACING)  # as a daemon takes requests in
            continue
        appended = await outbox.append(0, [OutboxRecord(b"", value) for value in submissions[at:due]])
        at += appended.count
