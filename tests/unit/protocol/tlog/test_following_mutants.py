"""Each safeguard of a follower, taken away, is missed by a test."""

from __future__ import annotations

import pytest

from protocol.errors import Rejected
from protocol.tlog import following
from protocol.tlog.following import Follower, Seen
from tests.unit.protocol.tlog import test_following as tests
from tests.unit.test_mutants import Edit, mutated

MUTANTS = {
    "no root is recomputed": (
        Edit(Follower._contradicts, "after.root() != new.root", "False"),
        tests.test_a_rewritten_leaf_is_noticed,
    ),
    "sizes may shrink": (
        Edit(Follower._judge, "new.size < held.size", "False"),
        tests.test_a_rollback_is_noticed,
    ),
    "missing leaves are nobody's business": (
        Edit(Follower._contradicts, "shown is not None and shown.nodes != self._edge.nodes", "False"),
        tests.test_a_fork_behind_missing_leaves_is_noticed_where_tiles_show_it,
    ),
    "nobody asks for witnesses": (
        Edit(Follower._judge, "policy.trusted(signed)", "pass"),
        tests.test_too_few_cosignatures_are_not_trusted_and_nothing_is_lost,
    ),
    "nor at the beginning": (
        Edit(Follower.join.__func__, "policy.trusted(signed)", "pass"),
        tests.test_nobody_begins_with_what_is_not_trusted,
    ),
    "the quorum comes before the fork": (
        Edit(
            Follower._judge,
            "leaves = self._waiting.leaves(held.size, new.size)",
            "policy.trusted(signed); leaves = self._waiting.leaves(held.size, new.size)",
        ),
        tests.test_a_fork_is_noticed_before_witnesses_are_asked_for,
    ),
    "anybody signs for the log": (
        Edit(
            following._signed,
            "policy.signed_by_log(signed)",
            "pass",
            (("signed.checkpoint.origin !=", "'' =="),),
        ),
        tests.test_a_checkpoint_of_another_log_is_refused,
    ),
    "the log is blamed for Kafka": (
        Edit(Follower._accusation, "not self._waiting.make(new)", "False"),
        tests.test_altered_files_are_not_the_logs_fault,
    ),
    "full tiles are not looked at": (
        Edit(Seen._stands_above, "root_of(_split(data)) == above[place]", "True"),
        tests.test_altered_files_are_not_the_logs_fault,
    ),
    "parts without end are kept": (
        Edit(Seen.put, "len(self._tiles) + len(publication.files) > MAX_WAITING", "False"),
        tests.test_a_part_that_never_ends_is_bounded,
    ),
    "what waited is forgotten": (
        Edit(Follower.take, "rejected.reason not in _LACKS_WITNESSES", "True"),
        tests.test_too_few_cosignatures_are_not_trusted_and_nothing_is_lost,
    ),
    "a shard may begin with anything": (
        Edit(following.begins_with, "first == leaf_hash(previous.body().encode())", "True"),
        tests.test_a_shard_begins_with_the_last_checkpoint_before_it,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str) -> None:
    """The test of the claim fails where the claim does not hold."""
    edit, test = MUTANTS[name]
    test()
    with mutated(edit), pytest.raises((AssertionError, Rejected, pytest.fail.Exception)):
        test()
