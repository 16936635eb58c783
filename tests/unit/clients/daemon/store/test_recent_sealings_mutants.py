"""Each rule of `RecentSealings`, taken away, breaks a promise of test_recent_sealings.py."""

from __future__ import annotations

import pytest

from clients.daemon.store import sealings
from clients.daemon.store.sealings import RecentSealings
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, instead
from tests.unit.clients.daemon.store import test_recent_sealings as promises

pytestmark = pytest.mark.slow

MUTANTS = {
    "a gap before the sealing does not matter": (
        Mutant(sealings._behind, forced(True, "queue[0][0]", "after")),
        promises.test_what_is_fresh_is_what_the_database_has_next,
    ),
    "a failed transaction counts": (
        Mutant(RecentSealings.forget, dropped("self._uncommitted")),
        promises.test_nothing_is_given_out_before_it_is_committed,
    ),
    "what is written counts as committed": (
        Mutant(RecentSealings.put, instead("...; self.committed()", "self._uncommitted")),
        promises.test_nothing_is_given_out_before_it_is_committed,
    ),
    "what waits for Kafka stays in memory": (
        Mutant(RecentSealings.committed, forced(False, "KEPT_BYTES")),
        promises.test_what_waits_for_kafka_waits_on_the_disk,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_its_rule_a_promise_is_broken(mutant) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    with mutated(changed), pytest.raises(AssertionError):
        promise()
