"""How fast a backlog empties, what it costs, and bare copies beside it: without cryptography, and with one signature."""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.request import urlopen

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from clients.demo.free_ports import free_port
from protocol import topics
from protocol.envelope.wire import parse_submission
from protocol.identifiers import UnitId, digest
from protocol.signatures import HEADER, verify
from runtime.kafka.client import connection_settings
from tests.bench import stage as stages
from tests.bench.bare import Copy, SignedRecords, make_topics
from tests.bench.figures import Figure
from tests.bench.stage import SENDERS, Stage, cpu_seconds

BACKLOG = 12_000
ROUNDS = 3


async def measure() -> list[Figure]:
    """In plain and with TLS, each on a broker of its own, in turn."""
    async with stages.stage() as plain, stages.stage(tls=True) as guarded:
        return await _measure(plain, guarded)


async def _measure(stage: Stage, guarded: Stage) -> list[Figure]:
    """One process, two processes, one over TLS and the bare copies, in turn."""
    for each in (stage, guarded):
        await one(each, processes=1, backlog=BACKLOG)  # warms the broker: it costs twice as much when fresh
    checked = await CheckedCopy.made(stage, BACKLOG)
    alone, both, cost, bare, bare_cost, signed, over_tls = [], [], [], [], [], [], []
    for _ in range(ROUNDS):
        rate, ms = await one(stage, processes=1, backlog=BACKLOG)
        alone.append(rate)
        cost.append(ms)
        over_tls.append((await one(guarded, processes=1, backlog=BACKLOG))[0])
        both.append((await one(stage, processes=2, backlog=BACKLOG))[0])
        rate, ms = await _bare_copy(stage, BACKLOG)
        bare.append(rate)
        bare_cost.append(ms + _bare_cryptography(stage))
        signed.append(await checked.rate(stage))
    return [
        Figure("drain_msgs_per_s", statistics.median(alone), statistics.median(bare)),
        Figure("drain_msgs_per_s_tls", statistics.median(over_tls), statistics.median(alone)),
        Figure("drain_over_floor", statistics.median(alone), statistics.median(signed)),
        Figure("drain_2proc_ratio", statistics.median(b / a for a, b in zip(alone, both, strict=True))),
        Figure("hub_cpu_ms_drain", statistics.median(cost), statistics.median(bare_cost)),
    ]


async def one(stage: Stage, *, processes: int, backlog: int) -> tuple[float, float]:
    """Messages per second, and CPU of router and Kafka per message, over one backlog.

    The routers have joined and claimed before there is a backlog, and stand still while it is made: neither
    their start nor a rebalance is part of the figure.
    """
    waiting = {sender: stage.compose(sender, backlog // len(SENDERS)) for sender in SENDERS}
    ports = [free_port() for _ in range(processes)]
    routers = [stage.exchange.start_router(log_level="warning", http_port=port) for port in ports]
    pids = [*stage.kafka_pids, *(router.pid for router in routers)]
    await all_claimed(stage, ports)
    for router in routers:
        router.send_signal(signal.SIGSTOP)
    for sender, submissions in waiting.items():
        await stage.load(topics.outbox(UnitId(sender)), submissions)
    start, _ = await _reach(stage, 0)
    for router in routers:
        router.send_signal(signal.SIGCONT)
    came, began = await _reach(stage, start + backlog // 10)
    used = cpu_seconds(*pids)
    # Both ends lie inside the run: a router that is done with its share would count as slow.
    done, ended = await _reach(stage, start + backlog * 8 // 10)
    used = cpu_seconds(*pids) - used
    await _reach(stage, start + backlog)
    _stop(routers)
    return (done - came) / (ended - began), used / (done - came) * 1000


async def all_claimed(stage: Stage, ports: list[int]) -> None:
    """Wait until every outbox is held, and each process holds some."""
    until = time.monotonic() + 60
    while True:
        held = [await asyncio.to_thread(_claims, port) for port in ports]
        if sum(held) == len(stage.world.parties) and all(held):
            return
        if time.monotonic() > until:
            raise TimeoutError(f"the routers hold {held} of {len(stage.world.parties)} outboxes")
        await asyncio.sleep(0.2)


def _claims(port: int) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(json.load(answer)["checks"]["group"]["claims"])
    except (OSError, ValueError):
        return 0


async def _positions(admin: AIOKafkaAdminClient) -> int:
    sources = [TopicPartition(topics.outbox(UnitId(sender)), 0) for sender in SENDERS]
    found = await admin.list_consumer_group_offsets(topics.ROUTER_GROUP, partitions=sources)
    return sum(max(0, committed.offset) for committed in found.values())


async def _reach(stage: Stage, position: int) -> tuple[int, float]:
    """Wait until the committed positions add up to so many: where they were then, and when."""
    admin = AIOKafkaAdminClient(**connection_settings(stage.cluster.bootstrap))
    await admin.start()
    try:
        async with asyncio.timeout(120):
            while (there := await _positions(admin)) < position:
                await asyncio.sleep(0.1)
        return there, time.monotonic()
    finally:
        await admin.close()


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


async def _bare_copy(stage: Stage, count: int) -> tuple[float, float]:
    """The same records through a copy that checks nothing: records a second, and CPU with Kafka's for each."""
    copy = Copy(stage.cluster.bootstrap, topics.outbox(UnitId("fr")), topics.inbox(UnitId("it")))
    used = cpu_seconds(*stage.kafka_pids)
    await copy.run(count)
    used = cpu_seconds(*stage.kafka_pids) - used + copy.thread_seconds
    return copy.copied / copy.seconds, used / copy.copied * 1000


@dataclass(frozen=True)
class CheckedCopy:
    """A copy that checks one signature of each record, and nothing else; over a backlog of its own."""

    records: SignedRecords
    source: str

    @classmethod
    async def made(cls, stage: Stage, count: int) -> Self:
        """So many records, each as large as a submission."""
        made = cls(SignedRecords(count, len(stage.compose("fr", 1)[0])), f"signed-{time.monotonic_ns()}")
        await make_topics(stage.cluster.bootstrap, made.source)
        await stage.load(made.source, made.records.values)
        return made

    async def rate(self, stage: Stage) -> float:
        """Records a second, once through."""
        copy = Copy(stage.cluster.bootstrap, self.source, topics.inbox(UnitId("it")), self.records.verify)
        await copy.run(len(self.records.values))
        return copy.copied / copy.seconds
