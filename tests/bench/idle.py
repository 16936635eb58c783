"""What it costs that units are there and say nothing: ten of them, and five thousand.

Owns who is there and what is looked at: the router while nothing comes, and how long a router, a daemon and a
command of the centre take to know all of them. Each has started before, as after any upgrade of the machine: the
first start of all verifies every signature and is measured beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import httpx

from clients.daemon.home import make_unit_home
from clients.demo.free_ports import free_port
from keys.enrolment import enrolment_statements
from protocol import topics
from protocol.identifiers import Millis, UnitId
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.partition_log import KafkaDirectory
from runtime.kafka.security.access import KafkaAddress, tls_files
from runtime.kafka.security.rights import KafkaRights
from runtime.process.homes import CentreHome
from runtime.process.settings_text import toml_text
from tests.bench.cli import contrada
from tests.bench.figures import Figure
from tests.bench.stage import cpu_seconds
from tests.guarded import CENTRE, as_unit, cluster_of, lines_as
from tests.integration.exchange import Exchange
from tests.integration.units import UnitProcess
from tests.sim.world import World, facts
from tests.waiting import ended

FEW, MANY = 10, 5_000
SETTLE, SECONDS = 15, 20
WITHIN = 600.0
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Fifteen thousand directories are no measure of a disk."""

PATIENT = {"broker.session.timeout.ms": "18000", "broker.heartbeat.interval.ms": "2000"}
"""A broker that makes fifteen thousand topics on a busy machine is late with its heartbeats, and alive."""

UNIT = UnitId("watched")
"""The unit whose daemon is started."""


@dataclass(frozen=True)
class Idle:
    """One router among so many units that say nothing, and what starts beside it."""

    cpu: float
    """Seconds of CPU of router and Kafka, for each second."""

    rss_mb: float
    files: int
    first_start: float
    """Seconds from the start of a router that has verified nothing yet to its last claim."""

    start: float
    daemon_start: float
    daemon_rss_mb: float
    command: float


async def measure() -> list[Figure]:
    """Few and many, each on a broker of its own."""
    few, many = await idle(FEW), await idle(MANY)
    return [
        Figure("idle_cpu_ratio_5000", many.cpu / few.cpu),
        Figure("router_rss_mb_5000", many.rss_mb, few.rss_mb),
        Figure("router_files_5000", many.files, few.files),
        Figure("start_5000_s", many.start, few.start),
        Figure("start_daemon_5000_s", many.daemon_start, few.daemon_start),
        Figure("first_start_5000_s", many.first_start, few.first_start),
        Figure("daemon_rss_mb_5000", many.daemon_rss_mb, few.daemon_rss_mb),
        Figure("centre_units_5000_s", many.command, few.command),
    ]


async def idle(units: int, *, tls: bool = False) -> Idle:
    """All of it on one broker, with so many units; with `tls` each party has a certificate, and each unit its rights."""
    with (
        tempfile.TemporaryDirectory(prefix="cb-", dir=_IN_MEMORY, ignore_cleanup_errors=True) as name,
        cluster_of(Path(name) / "kafka", plain=not tls, profile="large", settings=PATIENT) as cluster,
    ):
        world = World(now=Millis(time.time_ns() // 1_000_000))
        exchange = Exchange(world, cluster.bootstrap, Path(name) / "centre")
        unit = _unit(exchange, Path(name) / "unit")
        for number in range(units - len(world.directory.units())):
            world.enrol(f"u{number:04}")
        known = [each.unit for each in world.directory.units()]
        await KafkaTopicAdmin(cluster.bootstrap).apply(topics.all_topics(known))
        await exchange.found(topics_exist=True, publish=False, rights=False)
        await _grant(cluster.bootstrap, known)
        await KafkaDirectory(cluster.bootstrap).publish(world.directory.snapshot())
        kafka = tuple(pid for pid in cluster.pids if pid)
        try:
            return await _watch(exchange, unit, kafka, units)
        finally:
            unit.stop()
            exchange.stop()


async def _grant(bootstrap: KafkaAddress, units: Sequence[UnitId]) -> None:
    """What is declared for all of them, at once; how long it took is said."""
    if tls_files(bootstrap) is None:
        return
    rights = topics.role_rights().union(*map(topics.unit_rights, units))
    began = time.monotonic()
    async with KafkaRights.at(bootstrap) as there:
        await there.apply(rights, {topics.unit_principal(unit): topics.UNIT_QUOTAS for unit in units})
    print(f"{len(rights)} rights granted in {time.monotonic() - began:.1f} s", file=sys.stderr)


def _unit(exchange: Exchange, path: Path) -> UnitProcess:
    """A unit with a home, taken into the world."""
    world = exchange.world
    home = make_unit_home(
        path, unit=UNIT, bootstrap=as_unit(exchange.bootstrap, UNIT), root=world.directory.root.encoded()
    )
    for statement in enrolment_statements(
        home.enrolment.read_bytes(), registrar=world.registrar, facts=facts(UNIT), now=world.now
    ):
        world.directory.apply(statement)
    return UnitProcess(UNIT, home)


async def _watch(exchange: Exchange, unit: UnitProcess, kafka: tuple[int, ...], units: int) -> Idle:
    verified = str(exchange.directory / "router.verified")
    router, first_start = await _router(exchange, units, verified)
    await _until(lambda: units < 100 or Path(verified).exists())
    _end(router)
    router, start = await _router(exchange, units, verified)
    _end(router)
    router, second = await _router(exchange, units, verified)
    await asyncio.sleep(SETTLE)
    used = cpu_seconds(*kafka, router.pid)
    await asyncio.sleep(SECONDS)
    used = cpu_seconds(*kafka, router.pid) - used
    rss, files = _rss_mb(router.pid), len(list(Path(f"/proc/{router.pid}/fd").iterdir()))
    _end(router)
    daemons, commands = [], []
    for _ in range(3):
        daemons.append(await _daemon(unit, units))
        assert unit.process is not None
        daemon_rss = _rss_mb(unit.process.pid)
        unit.kill(signal.SIGTERM)
        commands.append(await asyncio.to_thread(_command, exchange, units))
    return Idle(
        cpu=used / SECONDS,
        rss_mb=rss,
        files=files,
        first_start=first_start,
        start=min(start, second),
        daemon_start=min(daemons),
        daemon_rss_mb=daemon_rss,
        command=min(commands),
    )


async def _router(exchange: Exchange, units: int, verified: str) -> tuple[subprocess.Popen[bytes], float]:
    """A router that holds all outboxes by a whole directory, and after how many seconds."""
    port, began = free_port(), time.monotonic()
    router = exchange.start_router(log_level="warning", http_port=port, verified=verified)
    size = exchange.world.directory.head.size

    def holds_all() -> bool:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            checks = json.load(answer)["checks"]
        return checks["group"]["claims"] >= units and checks["directory"]["statements"] >= size

    await _until(holds_all)
    return router, time.monotonic() - began


async def _daemon(unit: UnitProcess, units: int) -> float:
    """After how many seconds a daemon that has just been started is ready and knows all units."""
    began = time.monotonic()
    unit.start(wait=False)
    await _until(lambda: unit.get("/readyz")["ready"] and len(unit.get("/v1/units")["items"]) >= units)
    return time.monotonic() - began


def _command(exchange: Exchange, units: int) -> float:
    """After how many seconds `contrada centre units` has listed all of them."""
    home = CentreHome(exchange.directory / "home")
    home.path.mkdir(exist_ok=True, mode=0o700)
    home.root.write_bytes(exchange.world.directory.root.encoded())
    secret = exchange.directory / "router.secret"
    home.settings.write_text(toml_text(lines_as(exchange.bootstrap, CENTRE) | {"secret": str(secret)}))
    began = time.monotonic()
    done = subprocess.run(
        [contrada(), "--home", str(home.path), "centre", "units", "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    took = time.monotonic() - began
    assert len(json.loads(done.stdout)) == units
    return took


async def _until(good: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not await asyncio.to_thread(_is, good):
            await asyncio.sleep(0.05)


def _is(good: Callable[[], bool]) -> bool:
    """A process that does not answer yet, or says that it is not ready, is none that is."""
    try:
        return good()
    except (OSError, ValueError, KeyError, AssertionError, httpx.HTTPError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    ended(process)


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    for count in map(int, (word for word in sys.argv[1:] if word != "--tls")):
        print(count, asyncio.run(idle(count, tls="--tls" in sys.argv)), os.times(), flush=True)
