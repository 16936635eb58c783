"""A small part of `make years`: some days with some faults, a seed that repeats, a hole that is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from aiokafka.structs import BrokerMetadata

from tests.years.__main__ import each
from tests.years.campaign import Outcome, simulate, units_of
from tests.years.exchange import Size
from tests.years.holes import HOLES
from tests.years.judge import Findings
from tests.years.kafka.cluster import KafkaModel
from tests.years.kafka.connection import installed
from tests.years.mutants import changed, search
from tests.years.nemesis import FAULTS, GAPS
from tests.years.plan import Episode, Plan, Struck, plan_of
from tests.years.shrink import command, shrunk

SMALL = Size(units=2, routers=1, witnesses=1, quorum=1)


def test_a_plan_is_the_seeds_and_what_is_left_of_it_does_not_change():
    whole = plan_of(7, years=1, units=units_of(4))
    assert whole == plan_of(7, years=1, units=units_of(4)) != plan_of(8, years=1, units=units_of(4))
    kept = {fault.number for fault in whole.faults[::2]}
    part = whole.only(kept, {episode.number for episode in whole.episodes[3:]})
    assert [fault for fault in whole.faults if fault.number in kept and fault in part.faults] == part.faults
    assert part.episodes[0].talks == whole.episodes[3].talks


def _fails_with(*numbers):
    """What a simulation would be that fails whenever these faults are in its plan."""

    def run(plan: Plan) -> Outcome:
        findings = Findings()
        if set(numbers) <= {fault.number for fault in plan.faults}:
            findings.add("lost", "a message")
        return Outcome(plan, findings, virtual=float("inf"))

    return run


@pytest.mark.parametrize("wanted", [(5,), (0, 39), (17, 18)])
def test_a_failing_plan_shrinks_to_what_it_needs(wanted):
    episodes = tuple(
        Episode(
            place, place * 1000.0, tuple(Struck(2 * place + n, 0, "router_killed", 1, 1) for n in (0, 1)), ()
        )
        for place in range(20)
    )
    run = _fails_with(*wanted)
    small = shrunk(run(Plan(1, 1, 2, tuple(FAULTS), episodes)), run=run)
    assert [fault.number for fault in small.plan.faults] == list(wanted)


def test_the_command_repeats_a_part_of_a_plan():
    whole = plan_of(7, years=0.2, units=units_of(4))
    assert command(whole) == "python -m tests.years --seed 7 --years 0.2 --units 4"
    often = plan_of(7, years=0.2, units=units_of(4), per_year=400)
    assert command(often).endswith("--units 4 --per-year 400")
    chosen = plan_of(7, years=0.2, units=units_of(4), names=("router_killed", "epoch_keys_lost"))
    assert command(chosen).endswith("--units 4 --kinds router_killed,epoch_keys_lost")
    assert {fault.name for fault in chosen.faults} == {"router_killed", "epoch_keys_lost"}
    part = whole.only({fault.number for fault in whole.faults[:2]}, {0, 1})
    assert command(part).startswith("python -m tests.years --seed 7 --years 0.2 --units 4 --episodes 0,1")


def test_every_fault_has_another_name_and_a_time():
    assert not FAULTS.keys() & GAPS.keys()
    for fault in (*FAULTS.values(), *(fault for fault, _ in GAPS.values())):
        assert 0 < fault.seconds[0] <= fault.seconds[1]
        assert fault.weight > 0


def test_the_page_names_every_fault():
    page = (Path(__file__).parents[2] / "docs" / "years.md").read_text()
    assert [name for name in (*FAULTS, *GAPS) if f"`{name}`" not in page] == []


def test_the_page_names_every_hole_with_its_seeds():
    page = (Path(__file__).parents[2] / "docs" / "years.md").read_text()
    assert [hole.name for hole in HOLES if f"| {hole.name} | {hole.seeds} |" not in page] == []


def test_every_hole_is_met_by_faults_that_there_are():
    assert {name for hole in HOLES for name in hole.faults} <= FAULTS.keys() | GAPS.keys()


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
def test_the_mutants_of_a_hole_fit_their_places(hole):
    """A stale one is an error here, in a second, and not after minutes of simulation."""
    with changed(hole.without):
        pass
    with changed(hole.mutants):
        pass


@pytest.mark.slow
def test_more_seeds_than_a_process_does_are_all_done():
    """One process that is exchanged for another after two of five."""
    assert sorted(each(abs, [-1, 2, -3, 4, -5], jobs=1, per_process=2)) == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_seed_repeats_step_by_step():
    plan = plan_of(5, years=0.02, units=units_of(2), names=("router_killed", "unit_paused"), per_year=100)
    first, second = simulate(plan, size=SMALL), simulate(plan, size=SMALL)
    assert first.ok
    assert (first.steps, first.records, first.notes) == (second.steps, second.records, second.notes)


@pytest.mark.slow
def test_power_that_is_lost_within_a_step_is_back_in_seconds():
    """Who waits for it was told within the life that ended by it, and so never: the disk stayed away as long as it could."""
    fault = "ledger_power_cut_in_a_step"
    plan = plan_of(4, years=0.02, units=units_of(2), names=(fault,), per_year=100)
    episode = plan.episodes[1]
    outcome = simulate(plan.only({episode.faults[0].number}, {episode.number}), size=SMALL)
    assert outcome.ok
    began, over = (at for at, what in outcome.notes if what.startswith(fault))
    assert over < began + episode.faults[0].seconds - 1


@pytest.mark.slow
def test_a_seed_repeats_in_another_process():
    """Addresses differ there: of None, too, and so the hash of whatever has it inside."""
    plan = plan_of(5, years=0.005, units=units_of(2), names=("router_killed",), per_year=100)
    runs = list(each(simulate, [plan] * 4, jobs=2, per_process=1))
    assert {(run.steps, run.records, tuple(run.notes)) for run in runs} == {
        (runs[0].steps, runs[0].records, tuple(runs[0].notes))
    }


def test_a_broker_has_one_place_in_a_set_whatever_the_process():
    model = KafkaModel(random.Random(1), clock=lambda: 0)
    with installed(model):
        assert {hash(BrokerMetadata(1, "model", 9092, rack)) for rack in (None, "here")} == {hash(1)}


@pytest.mark.slow
def test_weeks_with_faults_of_every_party_find_nothing():
    names = ("router_killed", "unit_killed", "ledger_killed", "witness_killed", "broker_killed")
    outcome = simulate(plan_of(2, years=0.05, units=units_of(3), names=names, per_year=60))
    assert outcome.ok, outcome.findings.found
    assert outcome.messages
    assert outcome.faults


@pytest.mark.slow
def test_what_people_do_at_the_centre_is_the_programs_own():
    """Each of these acts calls a command of the centre: one that has changed breaks here, and not in a long campaign."""
    names = (
        "registrar_key_stolen",
        "router_key_lost",
        "keys_renewed_early",
        "identity_rotated",
        "witness_exchanged",
        "unit_suspended",
    )
    outcome = simulate(plan_of(4, years=0.03, units=units_of(3), names=names, per_year=150))
    assert outcome.ok, outcome.findings.found
    assert set(outcome.faults) == set(names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["what was decided is not remembered"])
def test_a_hole_is_found(name):
    assert search(name).ok
