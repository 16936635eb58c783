"""How fast a backlog empties, what it costs, and the same records without cryptography beside it."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from protocol import topics
from protocol.envelope import parse_submission
from protocol.identifiers import UnitId, digest
from protocol.signatures import HEADER, verify
from tests.bench.figures import Figure
from tests.bench.stage import Stage, cpu_seconds, take

BACKLOG = 12_000
ROUNDS = 3
SENDERS = ("fr", "de")


async def measure(stage: Stage) -> list[Figure]:
    """One process, two processes and the bare copy, in turn."""
    await _drain(stage, processes=1, backlog=4_000)  # warms the broker: it costs twice as much when fresh
    one, two, cost, bare = [], [], [], []
    for _ in range(ROUNDS):
        rate, ms = await _drain(stage, processes=1, backlog=BACKLOG)
        one.append(rate)
        cost.append(ms)
        two.append((await _drain(stage, processes=2, backlog=BACKLOG))[0])
        bare.append(await _bare_copy(stage, BACKLOG))
    floor = statistics.median(bare)
    return [
        Figure("drain_msgs_per_s", statistics.median(one), "1/s", floor),
        Figure("drain_2proc_ratio", statistics.median(b / a for a, b in zip(one, two, strict=True)), "ratio"),
        Figure("hub_cpu_ms_drain", statistics.median(cost), "ms", _bare_cryptography(stage)),
    ]


async def _drain(stage: Stage, *, processes: int, backlog: int) -> tuple[float, float]:
    """Messages per second, and CPU of router and Kafka per message, over one backlog."""
    for sender in SENDERS:
        await stage.load(topics.outbox(UnitId(sender)), stage.compose(sender, backlog // len(SENDERS)))
    async with stage.reader() as consumer:
        source = TopicPartition(topics.inbox(UnitId("it")), 0)
        consumer.assign([source])
        await consumer.seek_to_end(source)
        await consumer.position(source)
        routers = [stage.exchange.start_router(log_level="warning") for _ in range(processes)]
        pids = [*stage.kafka_pids, *(router.pid for router in routers)]
        # The start of the processes is not part of the figure: the clock begins with the first tenth.
        came, began = await take(consumer, backlog // 10, within=60)
        used = cpu_seconds(*pids)
        rest, last = await take(consumer, backlog - came, within=120)
        used = cpu_seconds(*pids) - used
    _stop(routers)
    return rest / (last - began), used / rest * 1000


def _stop(routers: Sequence[subprocess.Popen[bytes]]) -> None:
    for router in routers:
        router.terminate()
    for router in routers:
        router.wait(timeout=20)


def _bare_cryptography(stage: Stage) -> float:
    """CPU milliseconds of what no router can leave out: one signature and the hashes, without Kafka."""
    (submission,) = (parse_submission(value) for value in stage.compose("fr", 1))
    public = stage.world.parties["fr"].identity.public
    rounds, began = 2_000, time.process_time()
    for _ in range(rounds):
        verify(submission.signed, public, context=HEADER)
        digest(submission.ciphertext)
        digest(submission.wraps[0])
    return (time.process_time() - began) / rounds * 1000


async def _bare_copy(stage: Stage, backlog: int) -> float:
    """The same records through an exactly-once copy that checks nothing."""
    name = f"bare-{time.monotonic_ns()}"
    source, target = topics.outbox(UnitId("fr")), topics.inbox(UnitId("it"))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stage.cluster.bootstrap, group_id=name, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=4_000_000,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.cluster.bootstrap, transactional_id=name, acks="all", max_batch_size=262_144
    )
    await consumer.start()
    await producer.start()
    tp = TopicPartition(source, 0)
    consumer.assign([tp])
    await consumer.seek_to_beginning(tp)
    copied, began = 0, time.monotonic()
    try:
        while copied < backlog // 2:
            records = (await consumer.getmany(tp, timeout_ms=1000, max_records=500)).get(tp, [])
            if not records:
                continue
            async with producer.transaction():
                sent = [await producer.send(target, record.value, partition=0) for record in records]
                await asyncio.gather(*sent)
                await producer.send_offsets_to_transaction(
                    {tp: OffsetAndMetadata(records[-1].offset + 1, "")}, name
                )
            copied += len(records)
        return copied / (time.monotonic() - began)
    finally:
        await consumer.stop()
        await producer.stop()
