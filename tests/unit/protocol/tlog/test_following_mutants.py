"""Each safeguard of a follower, taken away, is missed by a test."""

from __future__ import annotations

import pytest

from protocol.errors import Code, Rejected
from protocol.merkle import root_of
from protocol.tlog import following
from protocol.tlog.following import Follower, SeenTiles
from protocol.tlog.policy import Policy
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, instead, returning, rewritten, unchecked
from tests.unit.protocol.tlog import test_following as tests

MUTANTS = {
    "no root is recomputed": (
        Mutant(Follower._contradicts, rewritten("after.root() != new.root", "False")),
        tests.test_a_rewritten_leaf_is_noticed,
    ),
    "sizes may shrink": (
        Mutant(Follower._judge, unchecked(Code.E_LOG_ROLLBACK)),
        tests.test_a_rollback_is_noticed,
    ),
    "missing leaves are nobody's business": (
        Mutant(Follower._contradicts, forced(False, "shown.nodes")),
        tests.test_a_fork_behind_missing_leaves_is_noticed_where_tiles_show_it,
    ),
    "nobody asks for witnesses": (
        Mutant(Follower._judge, dropped(Policy.trusted)),
        tests.test_too_few_cosignatures_are_not_trusted_and_nothing_is_lost,
    ),
    "nor at the beginning": (
        Mutant(Follower.join, dropped(Policy.trusted)),
        tests.test_nobody_begins_with_what_is_not_trusted,
    ),
    "the quorum comes before the fork": (
        Mutant(Follower._judge, instead("policy.trusted(signed); ...", SeenTiles.leaves)),
        tests.test_a_fork_is_noticed_before_witnesses_are_asked_for,
    ),
    "anybody signs for the log": (
        Mutant(following._signed, dropped(Policy.signed_by_log), forced(False, "signed.checkpoint.origin")),
        tests.test_a_checkpoint_of_another_log_is_refused,
    ),
    "the log is blamed for Kafka": (
        Mutant(Follower._accusation, unchecked(Code.E_TILE)),
        tests.test_altered_files_are_not_the_logs_fault,
    ),
    "full tiles are not looked at": (
        Mutant(SeenTiles._stands_above, forced(True, root_of)),
        tests.test_altered_files_are_not_the_logs_fault,
    ),
    "parts without end are kept": (
        Mutant(SeenTiles.put, unchecked(Code.E_SIZE)),
        tests.test_a_part_that_never_ends_is_bounded,
    ),
    "what waited is forgotten": (
        Mutant(Follower.take, forced(True, "LACKS_WITNESSES")),
        tests.test_too_few_cosignatures_are_not_trusted_and_nothing_is_lost,
    ),
    "a shard may begin with anything": (
        Mutant(following.begins_with, returning("True")),
        tests.test_a_shard_begins_with_the_last_checkpoint_before_it,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str) -> None:
    """The test of the claim fails where the claim does not hold."""
    mutant, test = MUTANTS[name]
    test()
    with mutated(mutant), pytest.raises((AssertionError, Rejected, pytest.fail.Exception)):
        test()
