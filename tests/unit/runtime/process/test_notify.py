"""What the service manager is told, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from clients.daemon.home import make_unit_home
from protocol.identifiers import UnitId
from runtime.process.notify import keep_watchdog, notify
from runtime.process.tasks import run_until_end
from tests.sim.world import World
from tests.waiting import GENEROUS

pytestmark = pytest.mark.slow


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's socket."""
    path = str(tmp_path / "notify")
    shown = path if request.param == "path" else "@" + path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path if request.param == "path" else "\0" + path)
        listener.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", shown)
        yield listener


def test_a_state_arrives(manager: socket.socket) -> None:
    """READY=1 reaches the manager, at a path and at an abstract name."""
    notify("READY=1")
    assert manager.recv(100) == b"READY=1"


async def test_the_watchdog_is_kept(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the loop turns the manager hears of it, again and again."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    keeping = asyncio.create_task(keep_watchdog())
    heard = [await asyncio.to_thread(manager.recv, 100) for _ in range(3)]
    keeping.cancel()
    assert heard == [b"WATCHDOG=1"] * 3


async def test_router_and_ledger_tell_of_begin_life_and_end(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two words the manager hears that the loop turns; afterwards nothing more."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    ending = asyncio.Event()
    course = asyncio.create_task(run_until_end({asyncio.create_task(ending.wait())}, serving=set()))
    heard = [await asyncio.to_thread(manager.recv, 100) for _ in range(3)]
    ending.set()
    await course
    while (last := await asyncio.to_thread(manager.recv, 100)) == b"WATCHDOG=1":
        pass
    assert sorted(heard) == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert heard[0] == b"READY=1"
    assert last == b"STOPPING=1"
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


async def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that was started by hand tells nobody, and does not fail by it."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    notify("READY=1")
    await keep_watchdog()


@pytest.mark.parametrize("asked", ["0", "", "-1", "many", "1e9", "²", "9" * 400, " 5", None])
async def test_what_is_no_interval_asks_for_nothing(
    asked: str | None, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a busy loop nor a failure: the process works as without a watchdog."""
    if asked is None:
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_USEC", asked)
    await keep_watchdog()
    assert_nothing_came(manager)


async def test_the_watchdog_of_another_process_is_not_ours(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who inherits the environment of a service must not speak for it."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getppid()))
    await keep_watchdog()
    assert_nothing_came(manager)


@pytest.mark.parametrize("asked", ["1", "9" * 20])
async def test_no_interval_is_too_short_or_too_long(
    asked: str, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a timer cannot hold is an hour, and what would keep the loop busy is some milliseconds."""
    monkeypatch.setenv("WATCHDOG_USEC", asked)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await keep_watchdog()
    assert manager.recv(100) == b"WATCHDOG=1"
    assert waits == [0.005 if asked == "1" else 3600.0]


@pytest.mark.parametrize("address", ["/nowhere/at/all", "@nobody", "no path", "/" + "a" * 300, "vsock:2:1"])
def test_a_manager_that_is_not_there_stops_nobody(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged, since the manager may wait for what never comes."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with capture_logs() as lines:
        notify("READY=1")
    assert [line["event"] for line in lines] == ["manager_not_told"]


def assert_nothing_came(manager: socket.socket) -> None:
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_a_daemon_says_that_it_serves_and_that_it_stops(manager: socket.socket, tmp_path: Path) -> None:
    """READY=1 once its socket is there, with or without Kafka; STOPPING=1 after SIGTERM, and an orderly end."""
    home = make_unit_home(
        tmp_path / "es", unit=UnitId("es"), bootstrap="127.0.0.1:9", root=World().directory.root.encoded()
    )
    command = [sys.executable, "-P", "-m", "clients.daemon", str(home.path)]
    environment = os.environ | {"WATCHDOG_USEC": "60000000"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as daemon:
        heard = {manager.recv(100), manager.recv(100)}
        served = home.socket.exists()
        daemon.send_signal(signal.SIGTERM)
        last = manager.recv(100)
        ended = daemon.wait(GENEROUS)
    assert heard == {b"READY=1", b"WATCHDOG=1"}
    assert (served, last, ended) == (True, b"STOPPING=1", 0)
