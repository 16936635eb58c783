"""The judgement on memory: what counts as flat."""

from __future__ import annotations

import pytest

from tests.chaos.memory import ROOM, judge

MIB = 2**20


def samples(*sizes: int) -> list[tuple[int, dict[str, int]]]:
    """A router's size over a hundred messages."""
    return [(100 * (i + 1) // len(sizes), {"router-0": size * MIB}) for i, size in enumerate(sizes)]


def test_a_warm_up_is_no_growth() -> None:
    """What a process takes in the first fifth counts for nothing."""
    assert judge(samples(10, 60, 66, 64, 66, 65, 66, 65, 66, 66), 100, seconds=1)["ok"]


@pytest.mark.parametrize("step", [1, 10])
def test_growth_that_goes_on_is_found(step: int) -> None:
    """A process that takes more with every message is not flat."""
    grown = judge(samples(*(60 + step * i for i in range(50))), 100, seconds=1)
    assert not grown["ok"]
    assert not grown["processes"]["router-0"]["flat"]


def test_a_peak_is_no_growth() -> None:
    """What was given back at the end does not count."""
    assert ROOM < 100 * MIB
    assert judge(samples(60, 60, 60, 160, 60, 60, 60, 160, 60, 160), 100, seconds=1)["ok"]
