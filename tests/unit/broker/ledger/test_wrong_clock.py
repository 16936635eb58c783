"""A ledger whose clock most others contradict signs nothing, says so, and goes on by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from broker.ledger import app
from broker.ledger.app import attempts, ready
from broker.ledger.record_judge import JudgedRecord, hear_signers
from broker.ledger.run import LedgerRun
from broker.replica import Replica
from protocol import topics
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY, HOUR
from runtime.errors import Unavailable
from runtime.process.clock import KAFKA, ClockCheck
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, MemoryTopics, Rig, world_of
from tests.unit.broker.ledger.test_run import ledger_run_of, until


class Whole:
    """A directory topic that is read to its end again and again: implements `broker.statement_feed.StatementFeed`."""

    def __init__(self, statements: list[bytes]) -> None:
        self.statements = statements

    async def run(self, take, caught_up) -> None:
        for statement in self.statements:
            take(statement)
        while True:
            caught_up()
            await asyncio.sleep(0.01)


def published(ledger: LedgerRun) -> int:
    """How many leaves of the audit log anybody can read."""
    due = ledger.publisher.due.get(AUDIT)
    return 0 if due is None or due.is_behind else due.size


def is_all_published(ledger: LedgerRun, rig: Rig) -> bool:
    state = rig.state()
    return state.directory_next == rig.world.directory.head.size and published(ledger) == state.size


async def sequences_by_its_own_clock(tmp_path: Path, *, off: int) -> Rig:
    """A ledger whose clock is so far ahead of Kafka's, until it works, or waits for its clock, then set right."""
    rig, bus = Rig(tmp_path, world_of(3)), MemoryTopics()
    bus.records[topics.AUDIT] = list(rig.world.audit)
    feed = Whole(rig.world.directory.snapshot())
    replica = Replica(feed, rig.world.directory.root, monotonic=time.monotonic)
    ledger, wall = ledger_run_of(rig, bus, replica), [NOON + off]
    ledger.clock = lambda: Millis(wall[0])
    ledger.times = ClockCheck(ledger.clock, lambda: 0.0)
    ledger.times.answered(KAFKA, NOON, since=0.0)
    following, attempt = asyncio.create_task(replica.run()), asyncio.create_task(ledger.attempt())
    working = asyncio.create_task(attempts(ledger) if off else asyncio.sleep(0))
    try:
        if off:
            await until(lambda: attempt.done() or rig.state().size > 0, following)
            assert isinstance(attempt.exception() if attempt.done() else None, Unavailable)
            assert rig.state().size == 0
            assert ready(ledger)["clock"]["ok"] is False
            wall[0] = NOON
        # What is published is stored; once all statements are announced, nothing more comes.
        await until(lambda: is_all_published(ledger, rig), following)
        assert ready(ledger)["clock"] == {"ok": True, "compared_with": [KAFKA, "router"]}
    finally:
        for task in (attempt, working, following):
            task.cancel()
        await asyncio.wait([attempt, working, following])
    return rig


@pytest.mark.parametrize("off", [0, 3 * HOUR, -10 * DAY, 300 * DAY])
async def test_it_signs_nothing_by_a_wrong_clock(
    tmp_path: Path, off: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sequenced while most contradict its clock; set right, it goes on by itself."""
    monkeypatch.setattr(app, "LOOK_AT_CLOCK", 0.01)
    rig = await sequences_by_its_own_clock(tmp_path, off=off)
    there = set(rig.entries())
    assert there.issuperset(rig.expected())


async def test_its_own_words_do_not_defend_it(tmp_path: Path) -> None:
    """What it has announced itself bears its own time: heard, it would outvote Kafka by agreeing with itself."""
    rig = Rig(tmp_path, world_of(3))
    replica = Replica(Whole([]), rig.world.directory.root, monotonic=time.monotonic)
    ledger = ledger_run_of(rig, MemoryTopics(), replica)
    ledger.clock = lambda: Millis(NOON + 3 * HOUR)
    ledger.times = ClockCheck(ledger.clock, lambda: 0.0)
    ledger.times.answered(KAFKA, NOON, since=0.0)
    own = JudgedRecord(0, NOON + 3 * HOUR, (b"",), (), by="ledger")
    hear_signers(ledger.times, [own], me=UnitId("ledger"))
    assert ledger.clock_fault() is not None


async def test_without_the_look_it_signs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = Mutant(LedgerRun._time, returning("self.clock()"))
    await assert_missed(mutant, test_it_signs_nothing_by_a_wrong_clock, [tmp_path, 3 * HOUR, monkeypatch])
