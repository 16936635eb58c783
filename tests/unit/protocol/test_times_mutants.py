"""What a bound means, taken away, breaks a promise of test_times.py."""

from __future__ import annotations

import pytest

from protocol import times
from protocol.times import PointInTime
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import rewritten
from tests.unit.protocol import test_times as promises

pytestmark = pytest.mark.slow

MUTANTS = {
    "an upper bound is the beginning of what was written": (
        Mutant(PointInTime.as_bound, rewritten("return self.ends", "return self.begins")),
        promises.test_since_a_day_until_that_day_is_the_whole_day,
    ),
    "a time is a millisecond, and not its second": (
        Mutant(times.read_time, rewritten("SECOND if fraction is None else 1", "1")),
        promises.test_what_is_shown_as_a_time_lies_between_that_time_and_that_time,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_its_rule_a_promise_is_broken(mutant) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    with mutated(changed), pytest.raises(AssertionError):
        promise()
