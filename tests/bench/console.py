"""What the console costs where a thousand units are in its view and somebody watches: its own CPU, and a router's.

Owns one broker with so many units, one router under a small steady load, and a console that comes and goes: the router is
measured with it and without it in turn, so that the machine's mood is in both. The one who watches opens what an open first
page asks with each look.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from aiokafka import AIOKafkaProducer

from broker.console.home import ConsoleHome
from broker.console.pages.console_pages import PARTS
from broker.console.people.links import ConsoleRole, Grant, make_link
from clients.demo.free_ports import free_port
from protocol import topics
from protocol.content.parts import Part
from protocol.identifiers import Millis, UnitId
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.client import connection_settings
from runtime.kafka.partition_log import KafkaDirectory
from runtime.process.settings_text import toml_text
from tests.bench.cli import contrada
from tests.bench.figures import Figure
from tests.bench.idle import PATIENT, _router, _until
from tests.bench.stage import cpu_seconds
from tests.chaos.processes import say
from tests.guarded import cluster_of, lines_as
from tests.integration.exchange import Exchange
from tests.sim.world import World
from tests.waiting import ended

UNITS = 1_000
PACE = 5
"""Seconds from one look to the next, as it is set by default."""

ROUNDS, SETTLE, SECONDS = 3, 8, 20
RATE = 20
"""Messages a second: a router that does nothing at all has no CPU to compare."""


@dataclass
class Watched:
    """A console that runs, and somebody who watches."""

    pid: int
    address: str
    cookies: httpx.Cookies
    metrics: str

    def looks(self) -> float:
        """How many it has taken."""
        lines = httpx.get(self.metrics, timeout=60).text.splitlines()
        return next(
            float(line.split()[1]) for line in lines if line.startswith("contrada_console_looks_total")
        )

    async def watch(self) -> None:
        """Ask for what an open first page asks for, at the pace of looks."""
        async with httpx.AsyncClient(base_url=self.address, cookies=self.cookies, timeout=60) as client:
            while True:
                for path in (*(f"/part/{name}" for name in PARTS), "/data/rates", "/data/growth"):
                    (await client.get(path)).raise_for_status()
                await asyncio.sleep(5)


async def measure() -> list[Figure]:
    """The figures of this group."""
    with (
        tempfile.TemporaryDirectory(prefix="cb-", dir="/dev/shm", ignore_cleanup_errors=True) as name,
        cluster_of(Path(name) / "kafka", plain=True, profile="large", settings=PATIENT) as cluster,
    ):
        world = World(now=Millis(time.time_ns() // 1_000_000))
        for number in range(UNITS - len(world.directory.units())):
            world.enrol(f"u{number:04}")
        exchange = Exchange(world, cluster.bootstrap, Path(name) / "centre")
        known = [each.unit for each in world.directory.units()]
        await KafkaTopicAdmin(cluster.bootstrap).apply(topics.all_topics(known))
        await exchange.found(topics_exist=True, publish=False, rights=False)
        await KafkaDirectory(cluster.bootstrap).publish(world.directory.snapshot())
        try:
            return await _in_turn(exchange)
        finally:
            exchange.stop()


async def _in_turn(exchange: Exchange) -> list[Figure]:
    router, _ = await _router(exchange, UNITS, str(exchange.directory / "router.verified"))
    sending = asyncio.create_task(_send(exchange))
    alone, beside, own = [], [], []
    try:
        for _ in range(ROUNDS):
            used, _ = await _used(router.pid)
            alone.append(used)
            async with _console(exchange) as console:
                watching = asyncio.create_task(console.watch())
                looks = console.looks()
                used, console_used = await _used(router.pid, console.pid)
                looks = console.looks() - looks
                watching.cancel()
            beside.append(used)
            # By the look: one that gets no turn on a busy machine is not read as a cheap one.
            own.append(console_used * (SETTLE + SECONDS) / PACE / max(looks, 1))
            say(
                f"router {alone[-1]:.2f} % alone, {beside[-1]:.2f} % beside a console, which takes {own[-1]:.2f} %"
            )
    finally:
        sending.cancel()
        router.send_signal(signal.SIGTERM)
        ended(router)
    ratio = statistics.median(beside) / statistics.median(alone)
    return [Figure("console_cpu_pct", statistics.median(own)), Figure("console_router_cpu_ratio", ratio)]


async def _used(*pids: int) -> tuple[float, float]:
    """Per cent of one core that the first and the second of these use."""
    await asyncio.sleep(SETTLE)
    before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
    await asyncio.sleep(SECONDS)
    took = time.monotonic() - began
    used = [(cpu_seconds(pid) - start) / took * 100 for pid, start in zip(pids, before, strict=True)]
    return used[0], used[-1]


async def _send(exchange: Exchange) -> None:
    """A few messages a second, from one unit to others in turn."""
    world = exchange.world
    receivers = [unit.unit for unit in world.directory.units() if unit.unit.startswith("u")]
    producer = AIOKafkaProducer(**connection_settings(exchange.bootstrap), acks="all", linger_ms=5)
    await producer.start()
    try:
        number = 0
        while True:
            world.now = Millis(time.time_ns() // 1_000_000)
            core = world.core("fr", [receivers[number % len(receivers)]])
            sealed = world.seal(core, Part(0, world.entropy(512))).submission
            await producer.send(topics.outbox(UnitId("fr")), sealed, partition=0)
            number += 1
            await asyncio.sleep(1 / RATE)
    finally:
        await producer.stop()


@asynccontextmanager
async def _console(exchange: Exchange) -> AsyncIterator[Watched]:
    home, port, http_port = ConsoleHome(exchange.directory / "console"), free_port(), free_port()
    home.links.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.path.chmod(0o700)
    root = str(exchange.directory / "root.pin")
    values = lines_as(exchange.bootstrap, "console") | {"root": root, "port": port}
    values |= {"http_port": http_port, "log_level": "warning"}
    home.settings.write_text(toml_text(values))
    process = _started(home, exchange.directory / "console.log")
    address = f"http://127.0.0.1:{port}"
    try:
        token, _ = make_link(
            home, Grant(ConsoleRole.WATCH, "bench"), minutes=5, moment=Millis(time.time_ns() // 1_000_000)
        )
        async with httpx.AsyncClient(base_url=address, headers={"origin": address}, timeout=60) as client:
            await _until(lambda: httpx.get(f"{address}/static/icon.svg").status_code == 200)
            assert (await client.post("/enter", data={"token": token})).status_code == 303
            await _until(lambda: httpx.get(address, cookies=client.cookies).status_code == 200)
            yield Watched(process.pid, address, client.cookies, f"http://127.0.0.1:{http_port}/metrics")
    finally:
        process.send_signal(signal.SIGTERM)
        ended(process)


def _started(home: ConsoleHome, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [contrada(), "--home", str(home.path), "centre", "console", "run"], stderr=file
        )
