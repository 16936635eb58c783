"""The nemesis' schedule: made of its seed alone, and never more than the exchange must bear."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.chaos.nemesis import CLOCKS_MS, LENGTHS, schedule

SHAPE = {"every": 2.0, "brokers": 3, "routers": 2, "daemons": 4}


@pytest.mark.parametrize("seed", range(20))
def test_the_same_seed_gives_the_same_faults(seed: int) -> None:
    """A run can be made again from its seed; another seed gives another run."""
    faults = schedule(seed, seconds=60, **SHAPE)
    assert faults == schedule(seed, seconds=60, **SHAPE)
    assert faults != schedule(seed + 1, seconds=60, **SHAPE)


@pytest.mark.parametrize("seed", range(20))
def test_at_most_one_broker_is_away(seed: int) -> None:
    """Of three copies one may be missing, and the next may go only after it had time to catch up."""
    faults = [f for f in schedule(seed, seconds=300, **SHAPE) if f.victim == "broker"]
    assert faults
    for earlier, later in pairwise(faults):
        assert later.at >= earlier.at + earlier.seconds + 5


@pytest.mark.parametrize("seed", range(20))
def test_a_victim_is_hit_again_only_after_it_is_back(seed: int) -> None:
    """A process that is paused or gone is left alone."""
    back: dict[tuple[str, int], float] = {}
    for fault in schedule(seed, seconds=300, **SHAPE):
        assert fault.at > back.get((fault.victim, fault.index), 0.0)
        back[(fault.victim, fault.index)] = fault.at + fault.seconds


def test_every_kind_of_fault_happens() -> None:
    """All are killed and paused, pauses longer than any session; and there is a second ledger sometimes."""
    faults = schedule(1, seconds=600, **SHAPE)
    both = {
        (victim, action)
        for victim in ("router", "broker", "daemon", "ledger")
        for action in ("kill", "pause")
    }
    assert {(f.victim, f.action) for f in faults} == both | {
        ("ledger", "double"),
        ("witness", "drip"),
        ("router", "misdate"),
    }
    assert {f.off_ms for f in faults} == {0, *CLOCKS_MS}
    for fault in faults:
        low, high = LENGTHS[fault.action]
        assert low <= fault.seconds <= high


def test_a_single_broker_is_left_alone() -> None:
    """Without copies a broker that is gone is a pause for everybody, and no test of anything."""
    faults = schedule(1, seconds=300, **{**SHAPE, "brokers": 1})
    assert "broker" not in {fault.victim for fault in faults}


def test_the_ledger_fails_while_a_second_one_is_there() -> None:
    """The first ledger may be killed or paused in the middle of it: then the second one goes on."""
    faults = [f for seed in range(20) for f in schedule(seed, seconds=300, **SHAPE) if f.victim == "ledger"]
    doubled = [f for f in faults if f.action == "double"]
    assert {f.index for f in doubled} == {1}
    assert any(f.at < g.at < f.at + f.seconds for f in doubled for g in faults if g.index == 0)


def test_without_a_ledger_nothing_happens_to_it() -> None:
    """A run that has none is not asked for one."""
    faults = schedule(1, seconds=300, **SHAPE, ledgers=0)
    assert faults
    assert not {"ledger", "witness"} & {fault.victim for fault in faults}
