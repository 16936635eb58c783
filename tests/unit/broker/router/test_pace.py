"""The router's pace, on a clock of the test: who waits for company, and who for nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from broker.router.pace import MANY_RECORDS, PROPORTION, Pace
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced

TAKES = 0.003
LONGEST = 0.02


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def exchange(pace: Pace, clock: Clock, arrivals: list[float]) -> list[tuple[float, int]]:
    """Play the router: it fetches, commits what came, and waits as the pace says; when, and how many each.

    A fetch is answered as soon as there is a record, and a transaction begins with the answer.
    """
    done, transactions, ends = 0, [], 0.0
    while done < len(arrivals):
        clock.now = max(clock.now, arrivals[done])
        came = sum(at <= clock.now for at in arrivals[done:])
        done += came
        fetched = clock.now
        with pace.transaction() if fetched < ends else nullcontext():
            pause = pace.after(came)
            clock.now = max(fetched, ends)
        with pace.transaction():
            transactions.append((clock.now, came))
            clock.now += TAKES
        ends, clock.now = clock.now, fetched + pause
    return transactions


def every(seconds: float, count: int) -> list[float]:
    return [seconds * number for number in range(count)]


def test_each_after_the_answer_to_the_one_before_waits_for_nothing() -> None:
    """As quick as it can be, one at a time."""
    clock = Clock()
    pace = Pace(longest=LONGEST, monotonic=clock)
    for _ in range(1_000):
        assert pace.after(1) == 0.0
        with pace.transaction():
            clock.now += TAKES


def test_what_comes_during_transactions_makes_them_gather() -> None:
    """Five hundred a second: far fewer transactions than messages, and none waits longer than the setting."""
    clock = Clock()
    arrivals = every(0.002, 1_000)
    transactions = exchange(Pace(longest=LONGEST, monotonic=clock), clock, arrivals)
    assert sum(count for _, count in transactions) == len(arrivals)
    assert len(transactions) < len(arrivals) / 4


def test_seldom_ones_never_wait() -> None:
    """Ten a second: each is a transaction, and begins when it comes."""
    clock = Clock()
    arrivals = every(0.1, 200)
    transactions = exchange(Pace(longest=LONGEST, monotonic=clock), clock, arrivals)
    assert transactions == [(at, 1) for at in arrivals]


def test_after_a_burst_it_forgets() -> None:
    """A few that come alone, and nothing waits any more."""
    clock = Clock()
    pace = Pace(longest=LONGEST, monotonic=clock)
    with pace.transaction():
        clock.now += TAKES
    assert [pace.after(8) for _ in range(20)][-1] > 0
    assert any(pace.after(1) == 0.0 for _ in range(30))
    assert pace.after(1) == 0.0


def test_a_pause_is_in_proportion_and_has_a_longest() -> None:
    """So many times a transaction, and at the most what is set."""
    clock = Clock()
    pace = Pace(longest=LONGEST, monotonic=clock)
    pauses = []
    for _ in range(200):
        with pace.transaction():
            clock.now += TAKES
        pauses.append(pace.after(5))
    assert abs(pauses[-1] - PROPORTION * TAKES) < TAKES / 10
    with pace.transaction():
        clock.now += 60.0
    assert pace.after(5) == LONGEST


def test_a_backlog_is_not_gathered() -> None:
    """A large answer is followed at once."""
    clock = Clock()
    pace = Pace(longest=LONGEST, monotonic=clock)
    with pace.transaction():
        clock.now += TAKES
    assert [pace.after(MANY_RECORDS) for _ in range(20)] == [0.0] * 20


def test_it_can_be_switched_off() -> None:
    """Zero is no pause."""
    clock = Clock()
    pace = Pace(longest=0.0, monotonic=clock)
    with pace.transaction():
        clock.now += TAKES
    assert [pace.after(9) for _ in range(20)] == [0.0] * 20


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(Pace.after, forced(False, "_ENOUGH_OTHERS")),
            test_each_after_the_answer_to_the_one_before_waits_for_nothing,
        ),
        (Mutant(Pace.after, forced(False, "records >= MANY_RECORDS")), test_a_backlog_is_not_gathered),
    ],
)
def test_a_mutant_is_noticed(mutant: Mutant, promise: Callable[[], None]) -> None:
    with mutated(mutant), pytest.raises(AssertionError):
        promise()
