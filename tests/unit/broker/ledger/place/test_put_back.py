"""Two people state that Kafka was put back: of a leaf at which the ledger went back, and every unit is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.ledger.record_judge import RecordJudge
from broker.ledger.run import LedgerRun
from broker.ledger.store.record_store import RecordStore
from protocol import topics
from protocol.errors import Code
from protocol.identifiers import Millis, UnitId
from protocol.trail.acts import PutBack, kafka_put_back, parse_act, put_back_of
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import is_notice
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, returning, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON, World
from tests.unit.broker.ledger.place.test_same_log import ALL, Restored, ended
from tests.unit.broker.ledger.rig import AUDIT, world_of
from tests.unit.broker.ledger.test_run import until
from tests.unit.protocol.trail.acts import stated

COPIED, BACK = Millis(NOON - 10), Millis(NOON - 5)


@pytest.fixture
def restored(tmp_path: Path) -> Restored:
    return Restored(tmp_path, world_of(ALL))


def statement(world: World, leaf: int, *, log: str = AUDIT, role: str = "registrar", times: int = 1) -> bytes:
    act = kafka_put_back(
        world.now, UnitId(role), PutBack(log, leaf, COPIED, BACK), why="disks", by="Costa", second="Smit"
    )
    return stated(world, role, *[act] * times)


async def went_back(restored: Restored) -> int:
    """The leaf at which the ledger went back."""
    restored.put_back()
    await restored.goes_on()
    ((leaf, _),) = restored.ways_back()
    return leaf


def backs(restored: Restored) -> list[PutBack | None]:
    rows = [row for row in restored.rig.records.rows(AUDIT) if row.type == RecordType.KAFKA_PUT_BACK]
    return [put_back_of(parse_act(row.record or b"")) for row in rows]


def unverified(restored: Restored) -> list[str]:
    return [row.reasons for row in restored.rig.records.rows(AUDIT) if row.type == RecordType.UNVERIFIED]


def notices(restored: Restored) -> list[bytes]:
    return [each for each in restored.bus.records.get(topics.LEDGER, ()) if is_notice(each)]


async def test_it_is_a_leaf_and_every_unit_is_told_at_once(restored: Restored) -> None:
    """While the ledger runs; and again at each of its starts."""
    leaf = await went_back(restored)
    made = statement(restored.rig.world, leaf)
    tasks = restored.attempt()
    try:
        await until(lambda: restored.ledger.working, *tasks)
        restored.bus.records[topics.AUDIT].append(made)
        await until(lambda: notices(restored) == [made], *tasks)
    finally:
        await ended(*tasks)
    assert backs(restored) == [PutBack(AUDIT, leaf, COPIED, BACK)]
    tasks = restored.attempt()
    try:
        await until(lambda: notices(restored) == [made, made], *tasks)
    finally:
        await ended(*tasks)


async def test_it_is_taken_of_a_way_back_alone(restored: Restored) -> None:
    """Of another leaf, of a log that this ledger does not have, with a second act, or by somebody else it is none."""
    leaf = await went_back(restored)
    world = restored.rig.world
    restored.bus.records[topics.AUDIT] += [
        statement(world, leaf - 1),
        statement(world, leaf + 1),
        statement(world, leaf, log="contrada.example/audit/2026h1"),
        statement(world, leaf, times=2),
        statement(world, leaf, role="ledger"),
        statement(world, leaf, role="router"),
    ]
    await restored.goes_on()
    assert backs(restored) == []
    assert unverified(restored) == [Code.E_LOG_ROLLBACK] * 3 + [Code.E_SCHEMA] + [Code.E_ISSUER] * 2


async def test_a_ledger_that_went_nowhere_takes_none(restored: Restored) -> None:
    """Whoever has the registrar's key, and names whatever leaf, explains nothing where nothing was put back."""
    end = restored.rig.state().size
    restored.bus.records[topics.AUDIT] += [statement(restored.rig.world, leaf) for leaf in range(end + 3)]
    await restored.goes_on()
    assert backs(restored) == []
    assert set(unverified(restored)) == {Code.E_LOG_ROLLBACK}


async def test_what_was_stated_of_a_ledger_before_this_one_stays_what_it_is(restored: Restored) -> None:
    """A ledger that began again under a new name reads it from the topic."""
    restored.bus.records[topics.AUDIT].append(
        statement(restored.rig.world, 7, log="old.example/audit/2026h2")
    )
    await restored.goes_on()
    assert backs(restored) == [PutBack("old.example/audit/2026h2", 7, COPIED, BACK)]


MUTANTS = [
    (test_it_is_a_leaf_and_every_unit_is_told_at_once, Mutant(LedgerRun._sequence, unchecked(RecordType.KAFKA_PUT_BACK))),
    (test_it_is_a_leaf_and_every_unit_is_told_at_once, Mutant(LedgerRun._placed, dropped("give_notice"))),
    (test_it_is_taken_of_a_way_back_alone, Mutant(RecordJudge._check_put_back, unchecked(Code.E_SCHEMA))),
    (test_it_is_taken_of_a_way_back_alone, Mutant(RecordStore.is_way_back, forced(True, "row.type"))),
    (test_a_ledger_that_went_nowhere_takes_none, Mutant(RecordJudge._check_put_back, unchecked(Code.E_LOG_ROLLBACK))),
    (test_what_was_stated_of_a_ledger_before_this_one_stays_what_it_is, Mutant(RecordJudge._is_ours, returning("True"))),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "mutant"), MUTANTS)
async def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant, restored: Restored) -> None:
    """Without it the test fails, or waits for what does not come."""
    await assert_missed(mutant, lambda: asyncio.wait_for(promise(restored), 5))
