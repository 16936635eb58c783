"""What leaves the daemon is on the disk: the log as the last call to the disk left it is all that a power cut spares."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from clients.daemon.daemon import Daemon
from clients.daemon.sending.outbox_log import Appended
from clients.daemon.store.database import Store
from clients.daemon.store.disk import Disk
from protocol.identifiers import UnitId
from runtime.process.tasks import end_tasks
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, instead
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, wish
from tests.waiting import GENEROUS, until_async


class PowerCut:
    """Stands before the real call to the disk: holds it back, counts it, keeps what the disk has after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.spared = b""
        self.threads: list[str] = []
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()
        self._real = os.fdatasync
        monkeypatch.setattr("clients.daemon.store.disk.os.fdatasync", self._call)

    def _call(self, descriptor: int) -> None:
        log = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not log.name.endswith("-wal"):
            self._real(descriptor)
            return
        self.threads.append(threading.current_thread().name)
        before = log.read_bytes()
        if self.fails:
            raise OSError(errno.EIO, "the disk does not take it")
        assert self.gate.wait(10)
        self._real(descriptor)
        self.calls += 1
        self.spared = before

    def after(self, store: Path, to: Path) -> Store:
        """The database as it comes back: what SQLite had copied into it, and the log as it was spared."""
        shutil.copy(store, to / store.name)
        (to / f"{store.name}-wal").write_bytes(self.spared)
        return Store(to / store.name)


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> PowerCut:
    return PowerCut(monkeypatch)


def put(store: Store, key: str) -> None:
    with store.transaction():
        store.write("INSERT INTO meta VALUES (?, 'x')", key)


async def test_what_is_settled_survives_a_power_cut_and_what_is_not_does_not(tmp_path, power):
    """Settling brings everything to the disk that was committed before; later commits may be lost."""
    store = Store(tmp_path / "state.sqlite")
    disk = Disk(store)
    put(store, "settled")
    await disk.flushed()
    put(store, "later")
    (tmp_path / "after").mkdir()
    back = power.after(tmp_path / "state.sqlite", tmp_path / "after")
    assert [row["key"] for row in back.rows("SELECT key FROM meta WHERE value = 'x'")] == ["settled"]


async def test_one_call_serves_everybody_who_asked_before_it_began(tmp_path, power):
    """Three wait behind a slow disk: one call for the first, and one for the other two."""
    store = Store(tmp_path / "state.sqlite")
    disk = Disk(store)
    power.gate.clear()
    waiting = []
    for key in "abc":
        put(store, key)
        waiting.append(asyncio.create_task(disk.flushed()))
        # The first is at the disk before the others ask.
        await until_async(lambda: power.threads, what="a call to the disk")
    await asyncio.sleep(0)
    power.gate.set()
    await asyncio.wait_for(asyncio.gather(*waiting), GENEROUS)
    assert power.calls == 2


async def test_nothing_committed_costs_no_call(tmp_path, power):
    """Who asks again without a commit in between is answered at once."""
    store = Store(tmp_path / "state.sqlite")
    disk = Disk(store)
    put(store, "a")
    await disk.flushed()
    await disk.flushed()
    assert power.calls == 1


class Outbox:
    """Kafka's side: what was appended."""

    def __init__(self) -> None:
        self.appended = 0

    async def append(self, partition, records):
        self.appended += len(records)
        return Appended(0, len(records))


async def test_neither_answer_nor_record_leaves_before_the_disk_has_the_message(tmp_path, power):
    """While the disk is busy the user waits and Kafka gets nothing; then both get theirs. The loop goes on."""
    await neither_leaves_before_the_disk_has_the_message(tmp_path, power)
    assert power.threads == ["contrada-disk"]


async def neither_leaves_before_the_disk_has_the_message(tmp_path, power):
    worker, log = Worker(), Outbox()
    world = World()
    unit = await worker.do(lambda: UnitFixture(world, UnitId("es"), tmp_path / "es"))
    daemon = Daemon(unit.context, worker, log_=log, feeds=None, directory=None, marks=None)
    daemon.directory_read.set()
    daemon._catching_up.done.set()
    # The lanes begin when the disk is busy already: before that the worker has nothing but the request.
    parts = [asyncio.create_task(daemon.intake.run())]
    power.gate.clear()
    answer = asyncio.create_task(daemon.intake.submit(wish("it")))
    try:
        await until_async(lambda: power.threads or answer.done(), what="the disk to be asked")
        assert not answer.done()
        parts.append(asyncio.create_task(daemon._run_lanes()))
        await asyncio.sleep(0.2)
        assert not answer.done()
        assert log.appended == 0
        power.gate.set()
        assert (await asyncio.wait_for(answer, GENEROUS)).state == "sealed"
        await until_async(lambda: log.appended, what="the message to go out")
        assert log.appended == 1
    finally:
        # Where it fails, too: a task that nobody ends is found by the garbage collector, in another test.
        power.gate.set()
        await end_tasks([*parts, answer])
        await worker.do(unit.context.store.close)
        worker.close()


async def test_a_disk_that_fails_ends_the_daemon_and_nothing_leaves(tmp_path, power):
    """What the log holds is unknown then: only a start from what the disk has tells."""
    await a_disk_that_fails_ends_the_daemon(tmp_path, power)


async def a_disk_that_fails_ends_the_daemon(tmp_path, power):
    worker, log = Worker(), Outbox()
    unit = await worker.do(lambda: UnitFixture(World(), UnitId("es"), tmp_path / "es"))
    daemon = Daemon(unit.context, worker, log_=log, feeds=None, directory=None, marks=None)
    daemon.directory_read.set()
    daemon._catching_up.done.set()
    power.fails = True
    parts = [asyncio.create_task(daemon.intake.run()), asyncio.create_task(daemon._run_lanes())]
    answer = asyncio.create_task(daemon.intake.submit(wish("it")))
    try:
        await until_async(lambda: answer.done() or all(part.done() for part in parts), what="an end")
        assert not answer.done()
        assert log.appended == 0
        for part in parts:
            assert part.exception().split(OSError)[1] is None
    finally:
        await end_tasks([*parts, answer])
        await worker.do(unit.context.store.close)
        worker.close()


async def test_a_disk_that_fails_and_is_believed_is_noticed(tmp_path, power):
    believed = "try: await self._worker.do(partial(os.fdatasync, self._descriptor))\nexcept OSError: pass"
    with mutated(Mutant(Disk.flushed, instead(believed, "self._worker.do"))), pytest.raises(AssertionError):
        await a_disk_that_fails_ends_the_daemon(tmp_path, power)


UNSETTLED = Mutant(Disk.flushed, dropped(os.fdatasync))


async def test_a_settled_that_was_never_brought_to_the_disk_is_noticed(tmp_path, power):
    """Without the call the answer leaves while the disk is busy."""
    with mutated(UNSETTLED), pytest.raises(AssertionError):
        await neither_leaves_before_the_disk_has_the_message(tmp_path, power)
