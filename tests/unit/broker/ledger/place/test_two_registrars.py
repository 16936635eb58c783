"""A ledger of an exchange with two registrars: what one has signed opens no way, and has no leaf of an act."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest

from broker.ledger.record_judge import RecordJudge
from broker.ledger.sequencer import Sequencer
from keys.statement_types import Revocation
from protocol import topics
from protocol.errors import Code
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.trail import stated_acts
from protocol.trail.acts import Act, AuditGap, PutBack, audit_gap, kafka_put_back
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import is_notice, verify_acts
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.two_registrars import TwoRegistrars
from tests.sim.world import NOON
from tests.unit.broker.ledger.place.test_gaps import READ, Cut, CutTopics
from tests.unit.broker.ledger.rig import AUDIT, Rig, world_of


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    """A ledger before a gap, of an exchange with two registrars."""
    rig = Rig(tmp_path, world_of(10, TwoRegistrars))
    rig.run(rig.writer(), upto=READ)
    return Cut(rig, CutTopics(rig.inputs))


def world_in(cut: Cut) -> TwoRegistrars:
    assert isinstance(cut.rig.world, TwoRegistrars)
    return cut.rig.world


def gap_act(cut: Cut, gap: AuditGap | None = None) -> Act:
    name = cut.rig.world.registrar.name
    return audit_gap(NOON, name, gap or cut.gap, why="retention", by="Costa", second="Smit")


def put(cut: Cut, *records: bytes) -> None:
    cut.bus.records[topics.AUDIT] += records


def codes(cut: Cut) -> list[str]:
    return [row.reasons for row in cut.rig.records.rows(AUDIT) if row.type == RecordType.UNVERIFIED]


async def test_one_signature_opens_no_way(cut: Cut) -> None:
    """Two names are typed by one person: the ledger stays where it is."""
    put(cut, world_in(cut).half(gap_act(cut)))
    told = await cut.is_refused()
    assert "contrada ledger gap" in told
    assert cut.gap_rows() == []


async def test_two_signatures_open_it(cut: Cut) -> None:
    """Its one leaf stands at the gap, every unit is shown both; the half beside it is a leaf that says what it lacks."""
    world = world_in(cut)
    half = world.half(gap_act(cut))
    both = world.agreed(half, t=NOON + DAY)
    put(cut, half, both)
    before = cut.rig.state().size
    await cut.goes_on()
    assert cut.gap_rows() == [before]
    assert codes(cut) == [Code.E_AGREEMENT.value]
    (told,) = {each for each in cut.bus.records[topics.LEDGER] if is_notice(each)}
    assert told == both
    assert verify_acts(told, parties=world.directory).by.names == "registrar and registrar-2"


async def test_a_restart_tells_the_same(cut: Cut) -> None:
    """What two signed is made again of what is stored, byte for byte."""
    both = world_in(cut).both(gap_act(cut))
    put(cut, both)
    await cut.goes_on()
    cut.bus.records[topics.LEDGER] = [each for each in cut.bus.records[topics.LEDGER] if not is_notice(each)]
    await cut.goes_on()
    assert len(cut.gap_rows()) == 1
    assert [each for each in cut.bus.records[topics.LEDGER] if is_notice(each)] == [both]


async def test_a_registrar_that_is_withdrawn_meanwhile_opens_nothing(cut: Cut) -> None:
    """Whichever of the two it is."""
    world = world_in(cut)
    put(cut, world.both(gap_act(cut)))
    made, world.directory = world.directory, copy.deepcopy(world.directory)
    try:
        gone = Revocation(world.second.name, world.second.public.kid, reason="stolen", compromised_since=NOON)
        world.publish(gone, by=world.root_key)
        await cut.is_refused()
    finally:
        world.directory = made
    assert cut.gap_rows() == []


@pytest.mark.parametrize("at_once", [1, 100])
def test_what_is_agreed_to_twice_has_one_leaf(tmp_path: Path, at_once: int) -> None:
    """A thief of the second key signs the same half again and again: nobody finds an act done twice."""
    rig = Rig(tmp_path, world_of(4, TwoRegistrars))
    world = rig.world
    assert isinstance(world, TwoRegistrars)
    act = Act(RecordType.QUARANTINE_RELEASE, NOON, world.registrar.name, bytes(32), ("fr", 0, 1, "a", "b"))
    half = world.half(act)
    rig.inputs += [world.agreed(half, t=NOON + later) for later in (1, 2, 3)]
    rig.run(rig.writer(), at_once=at_once)
    types = [row.type for row in rig.records.rows(AUDIT)]
    assert types.count(RecordType.QUARANTINE_RELEASE) == 1
    assert RecordType.UNVERIFIED not in types


def test_its_time_is_the_second_one_s(tmp_path: Path) -> None:
    """A half lies for weeks: its time says nothing of anybody's clock, and closes no half-year."""
    rig = Rig(tmp_path, world_of(1, TwoRegistrars))
    world = rig.world
    assert isinstance(world, TwoRegistrars)
    act = Act(RecordType.QUARANTINE_RELEASE, NOON, world.registrar.name, bytes(32), ("fr", 0, 1, "a", "b"))
    rig.inputs = [world.both(act, later=DAY)]
    (reading,) = rig.readings(0)
    assert (reading.t, reading.by) == (NOON + DAY, "registrar-2")
    assert reading.rows[0].t == NOON


def test_a_put_back_takes_two(tmp_path: Path) -> None:
    """Of a leaf at which the ledger went back, as ever."""
    rig = Rig(tmp_path, world_of(1, TwoRegistrars))
    world = rig.world
    assert isinstance(world, TwoRegistrars)
    back = PutBack(AUDIT, 0, Millis(1), Millis(2))
    act = kafka_put_back(NOON, world.registrar.name, back, why="disks", by="Costa", second="Smit")
    judge = RecordJudge(
        world.directory, world.ledger.name, os.urandom, "contrada.example", went_back=lambda *_: True
    )
    with pytest.raises(Exception, match="E_AGREEMENT"):
        judge.read(InputRecord(0, NOON, world.half(act)), first=0)
    assert (
        judge.read(InputRecord(0, NOON, world.both(act)), first=0).rows[0].type == RecordType.KAFKA_PUT_BACK
    )


ONE_IS_ENOUGH = Mutant(
    stated_acts.check_stated, rewritten("not takes_two(entries, parties)", "agreed is None")
)
MUTANTS = [
    ("the way", ONE_IS_ENOUGH, test_one_signature_opens_no_way),
    ("the leaf", ONE_IS_ENOUGH, test_two_signatures_open_it),
    ("a put-back", ONE_IS_ENOUGH, test_a_put_back_takes_two),
    ("one leaf", Mutant(Sequencer._once, rewritten("half_of(reading.signed)", "reading.signed")), test_what_is_agreed_to_twice_has_one_leaf),
    ("one leaf of a store", Mutant(Sequencer._once, rewritten("half_of(signed)", "signed")), test_what_is_agreed_to_twice_has_one_leaf),
    ("its time", Mutant(RecordJudge._acts, rewritten("acts.by.last", "(acts.by.actor, acts.by.t)")), test_its_time_is_the_second_one_s),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("mutant", "promise"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, cut: Cut, tmp_path: Path) -> None:
    await assert_missed(mutant, promise, at_once=1, cut=cut, tmp_path=_fresh(tmp_path))


def _fresh(path: Path) -> Path:
    made = path / "another"
    made.mkdir()
    return made
