"""`contrada ledger put-back` states what the ledger itself saw, and no time that it contradicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broker.ledger.admin import put_back_stating
from broker.ledger.admin.put_back_stating import KnownSpan, PutBackStatement, find_way_back
from broker.ledger.settings import LedgerSettings
from broker.ledger.store.audit_read import AuditRead
from protocol.identifiers import Millis, UnitId
from protocol.limits import HOUR, MINUTE
from protocol.times import show_time
from protocol.trail.acts import PutBack, Rewinding, kafka_put_back
from runtime.errors import Conflict
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, returning, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON, World
from tests.unit.broker.ledger.rig import AUDIT, Rig
from tests.unit.protocol.trail.acts import stated

HOURS, COMMON, READ = 8, 3, 5
"""A decision each hour from noon on: the copy has those of noon to two, the ledger had read up to four."""


def at(hour: float) -> Millis:
    return Millis(int(NOON + hour * HOUR))


class Ledger:
    """A ledger that went back at half past five."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(put_back_stating, "now", lambda: at(100))
        world = World()
        for hour in range(HOURS):
            world.now = at(hour)
            world.submit("fr", world.compose("fr", ["it"]))
            world.route("fr")
        self.rig = Rig(path, world)
        self.settings = LedgerSettings.model_construct(directory=path, records="")
        self.rig.run(self.rig.writer(), upto=READ)
        self.undone = sum(len(each.entries) for each in self.rig.readings(0, COMMON))

    def goes_back(self, hour: float = 5.5) -> int:
        """The leaf that says so."""
        writer = self.rig.writer()
        leaf = writer.resume().size
        way = Rewinding(READ, COMMON, AUDIT, self.undone)
        writer.advance([self.rig.judge.rewound(way, now=at(hour))], now=at(hour), read=AuditRead())
        return leaf

    def takes(self, act: bytes) -> None:
        """The statement becomes a leaf."""
        judge = replace(self.rig.judge, went_back=self.rig.records.is_way_back)
        writer = self.rig.writer()
        writer.resume()
        writer.advance([judge.read(InputRecord(99, NOON, act), first=0)], now=NOON)

    def finds(self, copied: float = 2.5, restored: float = 5.0, second: str = "Smit") -> PutBack:
        said = PutBackStatement(
            copied=at(copied), restored=at(restored), why="disks", by="Costa", second=second
        )
        return find_way_back(self.settings, said)

    def fits(self, *said: float) -> bool:
        try:
            return self.finds(*said).log == AUDIT
        except Conflict:
            return False

    def refuses(self, *said: float, second: str = "Smit") -> str:
        with pytest.raises(Conflict) as told:
            self.finds(*said, second=second)
        return f"{told.value} {told.value.hint}"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(tmp_path, monkeypatch)


def test_the_leaf_is_looked_up_and_the_times_are_theirs(ledger: Ledger) -> None:
    """Whoever states it types no offset and no leaf."""
    leaf = ledger.goes_back()
    assert ledger.finds() == PutBack(AUDIT, leaf, at(2.5), at(5))


def test_where_the_ledger_went_nowhere_nothing_is_stated(ledger: Ledger) -> None:
    """The error says when it goes back, and when there is nothing to state."""
    assert "audit_rewound" in ledger.refuses()


def test_one_person_states_nothing(ledger: Ledger) -> None:
    """However the name is written."""
    ledger.goes_back()
    assert "--second" in ledger.refuses(2.5, 5, second="COSTA")


def test_a_copy_is_put_back_after_it_was_made_and_not_tomorrow(ledger: Ledger) -> None:
    """Both times the wrong way round, the same, or to come."""
    ledger.goes_back()
    for said in ((5, 2.5), (5, 5), (2.5, 101)):
        assert "after it was made" in ledger.refuses(*said)


def test_times_that_the_ledger_contradicts_are_refused_with_what_it_knows(ledger: Ledger) -> None:
    """The copy has what was decided at two, and not what was decided at three; at four Kafka was the old one still."""
    ledger.goes_back()
    for said in ((1.8, 5), (3.2, 5), (2.5, 3.8), (2.5, 5.8)):
        told = ledger.refuses(*said)
        assert f"the copy is from {show_time(at(2))} to {show_time(at(3))}" in told
        assert f"put back from {show_time(at(4))} to {show_time(at(5.5))}" in told


def test_clocks_may_differ(ledger: Ledger) -> None:
    """By as much as they may everywhere."""
    ledger.goes_back()
    near = 4 * MINUTE / HOUR
    for said in ((2 - near, 5), (3 + near, 5), (2.5, 4 - near), (2.5, 5.5 + near)):
        assert ledger.fits(*said)


def test_each_way_back_is_stated_once_the_oldest_first(ledger: Ledger) -> None:
    """What was stated is not found again; a second way back is another one."""
    first = ledger.goes_back()
    world = ledger.rig.world
    found = ledger.finds()
    act = kafka_put_back(world.now, UnitId("registrar"), found, why="disks", by="Costa", second="Smit")
    ledger.takes(stated(world, "registrar", act))
    assert "nobody has stated why" in ledger.refuses()
    second = ledger.goes_back(6.5)
    assert (found.leaf, ledger.finds().leaf) == (first, second)


def test_the_one_that_fits_is_found_among_several(ledger: Ledger) -> None:
    """Two ways back, and the second is stated first."""
    first, second = ledger.goes_back(4.5), ledger.goes_back(8)
    assert ledger.finds(restored=4.3).leaf == first
    assert ledger.finds(restored=7).leaf == second


def test_a_way_back_that_undid_no_decision_has_bounds_too(ledger: Ledger) -> None:
    """What was lost were acts: the copy may be of any time up to the way back."""
    ledger.undone = ledger.rig.state().size
    leaf = ledger.goes_back()
    ledger.rig.run(ledger.rig.writer())
    assert ledger.finds(copied=5, restored=5.2).leaf == leaf
    assert f"the copy is from {show_time(at(4))} to {show_time(at(5.5))}" in ledger.refuses(3, 5)


def test_a_copy_of_what_an_earlier_one_had_left_may_be_made_long_behind_what_that_one_lost(
    ledger: Ledger,
) -> None:
    """Kafka is put back, copied before anything else is decided, and put back once more."""
    ledger.goes_back(5.5)
    ledger.rig.run(ledger.rig.writer(), upto=READ + 3)
    second = ledger.goes_back(9)
    assert ledger.fits(4.9, 8)
    assert ledger.finds(copied=4.9, restored=8).leaf == second
    assert not ledger.fits(5.3, 8)


MUTANTS = [
    (test_one_person_states_nothing, Mutant(put_back_stating.find_way_back, unchecked("casefold"))),
    (test_a_copy_is_put_back_after_it_was_made_and_not_tomorrow, Mutant(put_back_stating.find_way_back, forced(True, "said.copied", "now"))),
    (test_times_that_the_ledger_contradicts_are_refused_with_what_it_knows, Mutant(KnownSpan.has, returning("True"))),
    (test_clocks_may_differ, Mutant(KnownSpan.has, rewritten("self.since - CLOCK_TOLERANCE", "self.since"))),
    (test_clocks_may_differ, Mutant(KnownSpan.has, rewritten("self.until + CLOCK_TOLERANCE", "self.until"))),
    (test_each_way_back_is_stated_once_the_oldest_first, Mutant(put_back_stating.unstated_ways_back, forced(True, "stated"))),
    (test_a_way_back_that_undid_no_decision_has_bounds_too, Mutant(put_back_stating._first_lost, forced(False, "here", "found.row.index"))),
    (test_a_copy_of_what_an_earlier_one_had_left_may_be_made_long_behind_what_that_one_lost, Mutant(put_back_stating._first_lost, forced(False, "undone"))),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "mutant"), MUTANTS)
async def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant, ledger: Ledger) -> None:
    """Without it the test fails."""
    await assert_missed(mutant, promise, [ledger])
