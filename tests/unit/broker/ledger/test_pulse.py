"""The ledger's pulse: what it needs is tried while it is idle, and what fails makes it unready, not only late."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import obstore
import pytest

from broker.ledger import app, pulse
from broker.ledger.store.record_store import RecordStore
from broker.ledger.store.tile_store import TileStore
from broker.replica import KAFKA_RECENT, Replica
from protocol import topics
from runtime.errors import Unavailable
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped
from tests.unit.broker.ledger.rig import MemoryTopics, Rig, world_of
from tests.unit.broker.ledger.test_run import LateFeed, ledger_run_of, until
from tests.waiting import GENEROUS


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A ledger that has nothing to do, its world, and a clock for the age of its replica."""
    monkeypatch.setattr(pulse, "EVERY", 0.01)
    rig, bus, clock = Rig(tmp_path, world_of(2)), MemoryTopics(), [0.0]
    bus.records[topics.AUDIT] = list(rig.world.audit)
    replica = Replica(
        LateFeed(rig.world.directory.snapshot()), rig.world.directory.root, monotonic=lambda: clock[0]
    )
    return ledger_run_of(rig, bus, replica), rig, clock


@asynccontextmanager
async def at_work(ledger, replica):
    """The ledger's attempts, one after another, as its process makes them."""
    tasks = [asyncio.create_task(replica.run()), asyncio.create_task(app.attempts(ledger))]
    try:
        await until(lambda: is_ready(ledger), *tasks)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def is_ready(ledger) -> bool:
    return all(check["ok"] for check in app.ready(ledger).values())


class Broken:
    """A method that fails, or never ends, while a test says so."""

    def __init__(self, method, error: Exception) -> None:
        self.method = method
        self.error = error
        self.broken = False

    def __call__(self, *args, **more):
        if self.broken:
            raise self.error
        return self.method(*args, **more)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["records", "tiles"])
async def test_an_idle_ledger_whose_disk_is_full_is_not_ready_until_it_has_room(parts, part, monkeypatch):
    """Nothing comes that would have to be written, and it is noticed all the same; not for a moment it looks ready."""
    ledger, _, _ = parts
    if part == "records":
        full = Broken(RecordStore.try_commit, Unavailable("SQLITE_FULL"))
        monkeypatch.setattr(RecordStore, "try_commit", lambda store: full(store))
    else:
        full = Broken(obstore.put, OSError(28, "No space left on device"))
        monkeypatch.setattr(obstore, "put", full)
    async with at_work(ledger, ledger.replica) as tasks:
        seen: list[bool] = []
        full.broken = True
        await until(lambda: not is_ready(ledger), *tasks)
        for _ in range(30):
            await asyncio.sleep(0.01)
            seen.append(is_ready(ledger))
        assert not any(seen)
        full.broken = False
        await until(lambda: is_ready(ledger), *tasks)


async def test_a_database_that_does_not_answer_ends_the_attempt(parts, monkeypatch):
    """It hangs: after a bound that is as bad as an error."""
    ledger, _, _ = parts
    monkeypatch.setattr(pulse, "WITHIN", 0.05)
    answer = threading.Event()
    hung = Broken(RecordStore.try_commit, Unavailable(""))
    monkeypatch.setattr(
        RecordStore, "try_commit", lambda store: answer.wait(GENEROUS) if hung.broken else hung(store)
    )
    async with at_work(ledger, ledger.replica) as tasks:
        hung.broken = True
        await until(lambda: not ledger.working, *tasks)
        assert not is_ready(ledger)
        answer.set()


async def test_a_ledger_that_has_not_heard_kafka_lately_is_not_ready(parts):
    """Its reader waits in silence while Kafka is away; the age of the last answer says so."""
    ledger, _, clock = parts
    async with at_work(ledger, ledger.replica):
        heard_at = clock[0]
        clock[0] += KAFKA_RECENT + 1
        ledger.replica._current_at = heard_at
        assert app.ready(ledger)["kafka"] == {"ok": False, "age_seconds": KAFKA_RECENT + 1}


async def test_it_tells_how_far_it_has_come(parts):
    """The mark is what is sequenced, and it is told while nothing comes, too."""
    ledger, rig, _ = parts
    async with at_work(ledger, ledger.replica) as tasks:
        await until(
            lambda: ledger.pulse.marks.told[topics.AUDIT, 0].position == rig.state().position > 0, *tasks
        )


def test_what_is_never_published_is_noticed(parts):
    """A committed head whose log is published no further: after a minute the ledger is not ready."""
    ledger, _, clock = parts
    beat = ledger.pulse
    beat.monotonic = lambda: clock[0]
    due = type("Due", (), {"is_behind": True, "size": 7})()
    ledger.publisher.due = {"log": due}
    for step in (0, 40, 40):
        clock[0] += step
        beat._look_at_publisher()
    assert beat.checks()["published"] == {"ok": False, "waits_seconds": 80.0}
    due.size = 9  # it goes on, if slowly
    beat._look_at_publisher()
    assert beat.checks()["published"]["ok"] is True


def test_trying_leaves_nothing_behind(tmp_path: Path):
    """A store that is copied by others has no file of it, and the version is what it was."""
    rig = Rig(tmp_path, world_of(1))
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    rig.records.try_commit()
    rig.store.try_write()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
    RecordStore(rig.url).close()  # it opens again under the same version


@pytest.mark.slow
async def test_without_the_first_beat_a_ledger_looks_ready_between_two_failures(parts, monkeypatch):
    """The mutant: it works before anything was tried, and is ready for a moment again and again."""
    ledger, _, _ = parts
    full = Broken(TileStore.try_write, Unavailable("full"))
    monkeypatch.setattr(TileStore, "try_write", lambda store: full(store))
    with mutated(Mutant(type(ledger).attempt, dropped("self.pulse.beat"))):
        async with at_work(ledger, ledger.replica) as tasks:
            full.broken = True
            await until(lambda: not ledger.working, *tasks)
            await until(lambda: ledger.working, *tasks)
