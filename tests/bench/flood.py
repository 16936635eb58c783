"""How long three units' messages take while a fourth floods its own outbox, over the same without the flood.

Owns who is there, the floods, and the turns: each round has every flood once, between two parts as long without
one. A flood is one kind of the worst records that are known (tests/hostile_records.py), written by a process of its own
through the adapter of a unit's daemon, as fast as Kafka takes them, up to a bound on what they become in Kafka. The
figure is that of the worst flood: a mixture of all would hide it behind the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clients.daemon.home import make_unit_home
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from clients.demo.free_ports import free_port
from keys.enrolment import enrolment_statements
from protocol import topics
from protocol.identifiers import UnitId
from protocol.limits import MAX_RECIPIENTS, MAX_RECORD
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.partition_log import KafkaDirectory
from tests.bench.drain import all_claimed
from tests.bench.figures import Figure
from tests.bench.latency import quantile, warm_up
from tests.bench.load import Load, between
from tests.bench.stage import Stage, stage
from tests.chaos.processes import say
from tests.hostile_records import LARGEST_CONTENT, HostileSender, empty_maps
from tests.integration.exchange import present
from tests.integration.units import UnitProcess, start
from tests.sim.world import facts
from tests.undecided import undecided
from tests.waiting import until_async

HONEST = ("at", "be", "cz")
"""Units with a daemon; each sends to the next one."""

FLOODING = UnitId("fr")
"""Its quota is that of any unit."""

SILENT = tuple(UnitId(f"u{number:03}") for number in range(MAX_RECIPIENTS))
"""Units that a flood goes to."""

RATE, SECONDS = 5, 10
"""Of each honest unit. Of the 150 messages of a part, the second slowest is its p99."""

ROUNDS = 3
MOST_BYTES = 500_000_000
"""What a flood becomes in Kafka, its deliveries included: half of what a unit's quota lets it have at once. In all rounds
together its refusals stay below their quota, too: else the router would leave its outbox alone, and all would be calm."""

MOST_RECORDS = 6_000
"""As many replays as a unit's quota lets it have at once: what comes twice counts as a message."""

BATCH = 200
"""So many records are offered at a time; of large ones a batch holds one."""

DECIDED_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Flood:
    """One kind of record, written again and again."""

    name: str
    records: Sequence[bytes]
    """In this order, and from the beginning again."""

    times: int


def write_flood(bootstrap: str, flood: Flood, seconds: float) -> int:
    """Put a flood into the outbox until its time or its records are over; how many there were. In its own process."""

    async def write() -> int:
        outbox, written, until = KafkaOutbox(bootstrap, FLOODING), 0, time.monotonic() + seconds
        most = flood.times * len(flood.records)
        try:
            while written < most and time.monotonic() < until:
                batch = [
                    OutboxRecord(b"", flood.records[number % len(flood.records)])
                    for number in range(written, min(written + BATCH, most))
                ]
                written += (await outbox.append(0, batch)).count
        finally:
            await outbox.close()
        return written

    return asyncio.run(write())


async def measure() -> list[Figure]:
    """The figure of this group."""
    async with stage(senders=SILENT) as built, _site(built) as site:
        await warm_up(site.loads[0])
        before = p99(await site.latencies())
        ratios: dict[str, list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for flood in site.floods():
                beside = p99(await site.beside(flood))
                after = p99(await site.latencies())
                # By both neighbours: other work on the machine comes and goes.
                ratios[flood.name].append(beside / statistics.mean((before, after)))
                say(f"{flood.name}: p99 {beside:.0f} ms, {before:.0f} before and {after:.0f} after")
                before = after
    return [Figure("flood_p99_ratio", max(statistics.median(each) for each in ratios.values()))]


def p99(latencies: list[float]) -> float:
    """Of latencies in order."""
    return quantile(latencies, 0.99)


@dataclass(frozen=True)
class Site:
    """A running exchange: the honest units' load, and the unit that floods."""

    stage: Stage
    loads: Sequence[Load]
    sender: HostileSender
    pool: ProcessPoolExecutor

    def floods(self) -> list[Flood]:
        """All of them, made anew: what a router has decided before, it would know for a duplicate."""
        wide = self.sender.submission(SILENT, now=present(), size=LARGEST_CONTENT)
        count = MOST_BYTES // (len(wide) * len(SILENT))
        more = [self.sender.submission(SILENT, now=present(), size=LARGEST_CONTENT) for _ in range(count - 1)]
        small = self.sender.submission(SILENT[:1], now=present())
        large = MOST_BYTES // MAX_RECORD
        return [
            Flood("empty maps", [empty_maps()], large),
            Flood("garbage", [os.urandom(MAX_RECORD)], large),
            Flood(f"{MAX_RECIPIENTS} addressees", [wide, *more], 1),
            Flood("replays", [small], MOST_RECORDS),
        ]

    async def latencies(self) -> list[float]:
        """Of the honest units' messages, in order, in milliseconds."""
        each = await asyncio.gather(*(one.at_rate(RATE, SECONDS) for one in self.loads))
        return sorted(latency for one in each for latency in one)

    async def beside(self, flood: Flood) -> list[float]:
        """The same beside a flood. Returns when all of it is decided."""
        write = (write_flood, self.stage.cluster.bootstrap, flood, SECONDS)
        writing = asyncio.get_running_loop().run_in_executor(self.pool, *write)
        latencies, began = await self.latencies(), time.monotonic()
        written = await writing
        bootstrap = self.stage.cluster.bootstrap
        await until_async(
            lambda: undecided(bootstrap, FLOODING),
            lambda left: left == 0,
            what="the flood to be decided",
            within=DECIDED_WITHIN,
        )
        say(
            f"{written} records of {flood.name}, decided {time.monotonic() - began:.1f} s after it: "
            f"p50 {quantile(latencies, 0.5):.0f} ms"
        )
        return latencies


@contextlib.asynccontextmanager
async def _site(built: Stage) -> AsyncIterator[Site]:
    async with contextlib.AsyncExitStack() as stack:
        port = free_port()
        built.exchange.start_router(log_level="warning", http_port=port)
        await all_claimed(built, [port])
        units = await _enrolled(built, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cf-"))))
        for unit in units:
            stack.callback(unit.stop)
        await asyncio.to_thread(start, *units)
        loads = [
            await stack.enter_async_context(between(unit.home.socket, to.home.socket, to.name))
            for unit, to in zip(units, (*units[1:], units[0]), strict=True)
        ]
        # Not forked: the event loop's threads and connections would be in the child, too.
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        stack.callback(pool.shutdown, cancel_futures=True)
        identity = built.world.parties[FLOODING].identity
        sender = HostileSender(identity=identity, directory=built.world.directory, entropy=os.urandom)
        yield Site(built, loads, sender, pool)


async def _enrolled(built: Stage, place: Path) -> list[UnitProcess]:
    """The honest units, with topics and in the directory; no daemon runs yet."""
    world, bootstrap = built.world, built.cluster.bootstrap
    units: list[UnitProcess] = []
    statements: list[bytes] = []
    for name in HONEST:
        home = make_unit_home(
            place / name, unit=UnitId(name), bootstrap=bootstrap, root=world.directory.root.encoded()
        )
        request = home.enrolment.read_bytes()
        statements += enrolment_statements(
            request, registrar=world.registrar, facts=facts(name), now=present()
        )
        units.append(UnitProcess(name, home))
    await KafkaTopicAdmin(bootstrap).apply(topics.all_topics(map(UnitId, HONEST)))
    await KafkaDirectory(bootstrap).publish(statements)
    return units
