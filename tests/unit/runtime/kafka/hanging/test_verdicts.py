"""When an open transaction hangs, and how it may be ended: each row is a history that a coordinator writes."""

from __future__ import annotations

import pytest

from runtime.kafka.hanging.coordinator_log import Noted, Status
from runtime.kafka.hanging.verdicts import OpenTransaction, State, verdict
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, rewritten

HERE, THERE = ("inbox.fr", 0), ("audit", 0)
OPEN = OpenTransaction(HERE, 1000, 4, 7, 1_700_000_000_000, 3)
BEGUN = (Status.ONGOING, 4, HERE, THERE)
TO_COMMIT, TO_ABORT = (Status.PREPARE_COMMIT, 5, HERE, THERE), (Status.PREPARE_ABORT, 5, HERE, THERE)
COMMITTED, ABORTED = (Status.COMPLETE_COMMIT, 5), (Status.COMPLETE_ABORT, 5)
TAKEN = (Status.EMPTY, 6)


def history(*rows: tuple) -> list[Noted]:
    return [Noted(1000, epoch, status, frozenset(places), 2) for status, epoch, *places in rows]


CASES = {
    "it works": ([BEGUN], State.ALIVE),
    "its markers are on their way": ([BEGUN, TO_COMMIT], State.ALIVE),
    "its abort is on its way": ([BEGUN, TO_ABORT], State.ALIVE),
    "its producer is being fenced": ([BEGUN, (Status.PREPARE_EPOCH_FENCE, 5, HERE)], State.ALIVE),
    "committed and forgotten": ([BEGUN, TO_COMMIT, COMMITTED], State.COMMITTED),
    "aborted and forgotten": ([BEGUN, TO_ABORT, ABORTED], State.ABORTED),
    "its producer has come back": ([BEGUN, TO_COMMIT, COMMITTED, TAKEN], State.COMMITTED),
    "its coordinator never noted its completion": ([BEGUN, TO_COMMIT, TAKEN], State.COMMITTED),
    "its producer works on, elsewhere": (
        [BEGUN, TO_COMMIT, COMMITTED, (Status.ONGOING, 5, THERE)],
        State.COMMITTED,
    ),
    "an earlier one of the same place": (
        [(Status.PREPARE_ABORT, 4, HERE), (Status.COMPLETE_ABORT, 4), BEGUN, TO_COMMIT, COMMITTED],
        State.UNDECIDED,
    ),
    "a decision about other places": ([BEGUN, (Status.PREPARE_COMMIT, 5, THERE), COMMITTED], State.UNDECIDED),
    "a decision of another epoch": ([(Status.PREPARE_COMMIT, 3, HERE), (Status.EMPTY, 9)], State.UNDECIDED),
    "all is compacted away": ([TAKEN], State.UNDECIDED),
    "nothing is known": ([], State.UNDECIDED),
}


@pytest.mark.parametrize("name", CASES)
def test_a_transaction_is_ended_as_its_coordinator_decided(name: str) -> None:
    """And where it is alive, or no decision is found, it is not ended."""
    rows, state = CASES[name]
    found = verdict(OPEN, history(*rows))
    assert found.state is state
    assert (found.decision is None) == (state in (State.ALIVE, State.UNDECIDED))
    assert found.decision is None or found.decision.epoch == 5


MUTANTS = {
    "what is alive is ended": (
        Mutant(verdict, forced(False, "_is_under_way")),
        "its markers are on their way",
    ),
    "a decision about any place counts": (
        Mutant(verdict, forced(True, "place", "places")),
        "a decision about other places",
    ),
    "a decision of any epoch counts": (
        Mutant(verdict, forced(True, "epoch", "_ends")),
        "a decision of another epoch",
    ),
    "the last of two decisions counts": (
        Mutant(verdict, rewritten("len(states) != 1", "not states")),
        "an earlier one of the same place",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_a_transaction_would_be_ended_that_must_not_be(name: str) -> None:
    """Each rule of the verdict is tested."""
    mutant, missed = MUTANTS[name]
    test_a_transaction_is_ended_as_its_coordinator_decided(missed)
    with mutated(mutant), pytest.raises((AssertionError, KeyError)):
        test_a_transaction_is_ended_as_its_coordinator_decided(missed)
