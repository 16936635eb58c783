"""The tasks that follow the ledger: what a start has before it reads anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.daemon.daemon import Daemon
from clients.daemon.ledger.watch import LedgerWatch
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.store.positions import set_position
from protocol import topics
from protocol.identifiers import UnitId
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped
from tests.mutants.promises import assert_missed
from tests.sim.one_log import DIRECTORY, SHARD, policy
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import Silent, UnitFixture
from tests.waiting import until_async


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    worker = Worker()
    unit = await worker.do(lambda: UnitFixture(World(), UnitId("es"), tmp_path / "es"))
    unit.context.ledger = Ledger(policy(SHARD, DIRECTORY))
    made = Daemon(unit.context, worker, log_=None, feeds=Silent(), directory=None, marks=Silent())
    yield made
    made.disk.close()
    await worker.do(unit.context.store.close)
    worker.close()


async def opened_and_followed(daemon: Daemon) -> None:
    """What was followed before is open at once; nothing is read before the directory was."""
    following: list[str] = []

    async def follow(_: Ledger) -> None:
        following.append("ledger")

    daemon.ledger._follow = follow
    running = asyncio.create_task(daemon.ledger.run(daemon.directory_read))
    try:
        held = daemon.context.ledger
        await until_async(lambda: held.opened, what="what is held", within=2)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert following == []
        daemon.directory_read.set()
        await until_async(lambda: following, what="the feed", within=2)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_headers_name_what_was_followed_before_from_the_start(daemon: Daemon) -> None:
    await opened_and_followed(daemon)


class Ends(Silent):
    """Two feeds of 5 records."""

    async def end(self, topic: str, partition: int) -> int:
        assert (topic in {topics.LEDGER, topics.DIRECTORY}, partition) == (True, 0)
        return 5


async def test_both_feeds_are_judged_and_the_second_asked_for_only_where_it_matters(daemon: Daemon) -> None:
    """The directory's end costs a request: where log and replica agree, nobody asks."""
    unit, watch = daemon.context, LedgerWatch(daemon.context, daemon.jobs, Ends(), patiently=None)
    held, watch._position = unit.ledger, 5
    watch.read.set()
    now = 0.0
    unit.monotonic = lambda: now

    def read_all() -> None:
        with unit.transaction():
            set_position(unit.store, topics.DIRECTORY, 0, 5)

    await daemon.jobs.run("position", read_all)
    seen = []
    for held.uneven in (None, None, (3, 0.0), (3, 0.0), None, None):
        now += 10.0
        await watch._judge(held)
        seen.append((watch._steady.since, watch._directory_steady.since))
    assert seen == [(None, None), (20.0, None), (20.0, None), (20.0, 40.0), (20.0, 40.0), (20.0, None)]


@pytest.mark.parametrize("rule", ["ledger.open_ledger", "directory_read.wait"])
async def test_each_step_is_needed(daemon: Daemon, rule: str) -> None:
    """A header without the head that this unit has seen; a notice that is judged without its signer's key."""
    await assert_missed(Mutant(LedgerWatch.run, dropped(rule)), opened_and_followed, (), daemon=daemon)
