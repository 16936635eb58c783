"""Whoever follows a log notices what it changes, leaves out, takes back or says to others only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import Code, Rejected
from protocol.merkle import leaf_hash, verify_inclusion
from protocol.tlog.following import Advance, Follower, begins_with
from protocol.tlog.policy import Policy
from protocol.tlog.publication import Publication, parse_publication
from tests.sim.one_log import SHARD, SimLog, leaves, note_key, policy

POLICY = policy(SHARD)


def published(log: SimLog, **how) -> list[Publication]:
    return [parse_publication(record) for record in log.publish(**how)]


def joined(log: SimLog) -> Follower:
    return Follower.join(published(log)[-1], POLICY)[0]


def follow(follower: Follower, log: SimLog, *, policy: Policy = POLICY, **how) -> Advance | None:
    """The last thing that all new publications bring."""
    advance = None
    for record in published(log, **how):
        advance = follower.take(record, policy)
    return advance


def code_of(follower: Follower, log: SimLog, **how) -> Code:
    head = follower.head
    with pytest.raises(Rejected) as caught:
        follow(follower, log, **how)
    assert follower.head == head, "what we hold must stay"
    return caught.value.reason


@pytest.mark.slow
@pytest.mark.parametrize("old", [0, 1, 5, 255, 256, 257, 511, 70_000])
@pytest.mark.parametrize("more", [1, 2, 300, 20_000])
def test_it_follows_and_proves_every_leaf(old: int, more: int):
    """From any size to any other, in parts where it is much, with a path for each of the new leaves."""
    log = SimLog().add(leaves(old))
    follower = joined(log)
    advance = follow(follower, log.add(leaves(more, first=old)))
    assert advance is not None
    assert follower.head == log.checkpoint().head
    assert list(advance.leaves) == leaves(more, first=old)
    paths = advance.paths()
    for place in {0, more // 2, more - 1}:
        assert verify_inclusion(
            advance.leaves[place], index=old + place, size=old + more, path=paths[place],
            root=log.checkpoint().root,
        )  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 513, 65_536, 70_000])
def test_it_can_begin_at_any_publication(size: int):
    """The right edge alone makes the root; leaves that are shown are believed, with their places."""
    log = SimLog().add(leaves(size))
    (record,) = published(log, old=max(0, size - 300))
    follower, advance = Follower.join(record, POLICY)
    assert follower.head == log.checkpoint().head
    assert list(advance.leaves) == leaves(size)[advance.before.size :]
    assert advance.before.size <= max(0, size - 300) // 256 * 256
    assert Follower.resume(follower.note, follower.nodes).head == follower.head


def test_a_fork_is_noticed():
    """The log signs two trees for two readers, and each of them sees the other's."""
    log, other = SimLog().add(leaves(300)), SimLog().add(leaves(300, first=1))
    follower = joined(log)
    assert code_of(follower, other.add(leaves(400, first=900)), old=0) is Code.E_LOG_FORK


def test_a_fork_is_noticed_where_only_new_leaves_are_shown():
    """The lie is far behind, and what is published now is honest."""
    follower, other = joined(SimLog().add(leaves(300))), SimLog().add(leaves(300, first=1))
    assert code_of(follower, other.add(leaves(9, first=300)), old=300) is Code.E_LOG_FORK


def test_two_trees_of_one_size_are_a_fork():
    """Same size, other root: nothing is plainer."""
    follower, other = joined(SimLog().add(leaves(10))), SimLog().add(leaves(10, first=1))
    assert code_of(follower, other, old=0) is Code.E_LOG_FORK


def test_a_fork_is_noticed_before_witnesses_are_asked_for():
    """Witnesses refused to sign it: that is no mere lack of signatures."""
    follower, other = joined(SimLog().add(leaves(10))), SimLog(witnesses=()).add(leaves(20, first=1))
    assert code_of(follower, other, old=0) is Code.E_LOG_FORK


def test_a_rollback_is_noticed():
    """A smaller size, however well it is signed."""
    follower = joined(SimLog().add(leaves(300)))
    assert code_of(follower, SimLog().add(leaves(299)), old=0) is Code.E_LOG_ROLLBACK


def test_a_rewritten_leaf_is_noticed():
    """One leaf of the past is another one."""
    log, rewritten = (
        SimLog().add(leaves(700)),
        SimLog().add([*leaves(99), *leaves(1), *leaves(600, first=100)]),
    )
    assert code_of(joined(log), rewritten.add(leaves(1)), old=700) is Code.E_LOG_FORK


def test_a_removed_leaf_is_noticed():
    """One leaf of the past is gone, and the tree has grown over it."""
    log, without = SimLog().add(leaves(700)), SimLog().add([*leaves(99), *leaves(601, first=100)])
    assert code_of(joined(log), without.add(leaves(1)), old=700) is Code.E_LOG_FORK


def test_missing_leaves_are_a_gap_and_not_a_fork():
    """What was not published to us is not vouched for, and the log is not accused of it."""
    log = SimLog().add(leaves(10))
    follower = joined(log)
    published(log.add(leaves(600)))
    assert code_of(follower, log.add(leaves(600))) is Code.E_LOG_GAP


def test_a_fork_behind_missing_leaves_is_noticed_where_tiles_show_it():
    """The files lack new leaves but show the tree of our size: that one must be ours."""
    follower, other = joined(SimLog().add(leaves(10))), SimLog().add(leaves(10, first=1))
    (record,) = published(other.add(leaves(800)), old=0)
    files = {tile: data for tile, data in record.files.items() if (tile.level, tile.index) != (0, 1)}
    with pytest.raises(Rejected) as caught:
        follower.take(replace(record, files=files), POLICY)
    assert caught.value.reason is Code.E_LOG_FORK


def test_altered_files_are_not_the_logs_fault():
    """Kafka or the publisher gave other leaves than the log has signed: said as what it is, and passed over."""
    log = SimLog().add(leaves(10))
    follower = joined(log)
    (record,) = published(log.add(leaves(600)))
    for tile in [tile for tile in record.files if tile.level == 0]:
        altered = {**record.files, tile: record.files[tile][:-32] + bytes(32)}
        with pytest.raises(Rejected) as caught:
            follower.take(replace(record, files=altered), POLICY)
        assert caught.value.reason is Code.E_TILE
    assert follower.take(record, POLICY) is not None


def test_a_log_that_the_policy_does_not_know_is_refused():
    """By its name."""
    log = SimLog(origin="elsewhere.example/audit/2026h2").add(leaves(3))
    with pytest.raises(Rejected, match=Code.E_LOG_UNKNOWN):
        joined(log)


def test_an_unknown_key_is_refused():
    """Somebody else signed in the log's name."""
    log = SimLog().add(leaves(3))
    assert code_of(joined(log), log.add(leaves(3)), key=note_key("thief")) is Code.E_LOG_SIGNATURE


def test_a_checkpoint_of_another_log_is_refused():
    """The files say one name, the note another."""
    (record,) = published(SimLog().add(leaves(3)))
    with pytest.raises(Rejected, match=Code.E_LOG_UNKNOWN):
        Follower.join(replace(record, origin="contrada.example/directory"), POLICY)


def test_too_few_cosignatures_are_not_trusted_and_nothing_is_lost():
    """Nothing advances without the quorum; once it is there, the leaves of before count too."""
    log = SimLog().add(leaves(3))
    follower = joined(log)
    log.witnesses = log.witnesses[:1]
    assert code_of(follower, log.add(leaves(400))) is Code.E_QUORUM
    log.witnesses = SimLog().witnesses
    advance = follow(follower, log.add(leaves(5)))
    assert advance is not None
    assert (len(advance.leaves), follower.waits) == (405, False)


def test_nobody_begins_with_what_is_not_trusted():
    """The first checkpoint needs its quorum too."""
    with pytest.raises(Rejected, match=Code.E_QUORUM):
        joined(SimLog(witnesses=()).add(leaves(3)))


def test_the_same_again_is_nothing_new():
    """The ledger publishes its last checkpoint again when it starts."""
    log = SimLog().add(leaves(300))
    follower = joined(log)
    assert follow(follower, log) is None
    assert follow(follower, log, old=0) is None


def test_a_part_that_never_ends_is_bounded():
    """Memory is not for the publisher to fill."""
    log = SimLog().add(leaves(1))
    follower = joined(log)
    parts = published(log.add(leaves(33_000)))[:-1]
    first = parts[0]
    with pytest.raises(Rejected, match=Code.E_SIZE):
        for shift in range(0, 70_000, 64):
            moved = {replace(tile, index=tile.index + shift): data for tile, data in first.files.items()}
            follower.take(replace(first, files=moved), POLICY)
    assert not follower.waits


def test_a_shard_begins_with_the_last_checkpoint_before_it():
    """The first leaf is the body of that checkpoint, and of no other."""
    last = SimLog().add(leaves(5)).checkpoint()
    first = leaf_hash(last.body().encode())
    assert begins_with(first, last)
    assert not begins_with(first, SimLog().add(leaves(4)).checkpoint())
