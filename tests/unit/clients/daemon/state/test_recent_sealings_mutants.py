"""Each rule of clients/daemon/state/recent_sealings.py, taken away, breaks a promise of test_fresh.py."""

from __future__ import annotations

import pytest

from clients.daemon.state import recent_sealings as fresh
from clients.daemon.state.recent_sealings import Fresh
from tests.unit.clients.daemon.state import test_recent_sealings as promises
from tests.unit.test_mutants import Edit, mutated

pytestmark = pytest.mark.slow

MUTANTS = {
    "a gap before the sealing does not matter": (
        Edit(fresh._behind, "while queue and queue[0][0] == after:", "while queue:"),
        promises.test_what_is_fresh_is_what_the_database_has_next,
    ),
    "a failed transaction counts": (
        Edit(Fresh.forget, "self._uncommitted.clear()", "pass"),
        promises.test_nothing_is_given_out_before_it_is_committed,
    ),
    "what is written counts as committed": (
        Edit(Fresh.put, "self._uncommitted.append((partition, item))", "self._uncommitted.append((partition, item)); self.committed()"),
        promises.test_nothing_is_given_out_before_it_is_committed,
    ),
    "what waits for Kafka stays in memory": (
        Edit(Fresh.committed, "or _bytes(queue) > KEPT_BYTES", ""),
        promises.test_what_waits_for_kafka_waits_on_the_disk,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_its_rule_a_promise_is_broken(mutant) -> None:
    """The promise's own test fails on the mutant."""
    edit, promise = MUTANTS[mutant]
    with mutated(edit), pytest.raises(AssertionError):
        promise()
