"""The heads of the ledger in headers, at the router: who saw another ledger than was published is named."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.router import gossip
from broker.router.gossip import Gossip
from broker.router.metrics import RouterMetrics
from protocol.identifiers import digest, show_id
from protocol.parties import NO_HEAD, TreeHead
from protocol.tlog.checkpoints import Checkpoint
from tests.sim.one_log import SHARD, SimLog
from tests.unit.broker.router.published import NEXT_SHARD, Ledger, alarms, forked, grown


@pytest.fixture
def ledger() -> Ledger:
    """A router that has read four heads."""
    made = Ledger()
    made.grow(10, 20, 300, 400)
    return made


def at(size: int) -> TreeHead:
    """The head of the true log at this size."""
    return grown(SimLog(), size).checkpoint().head


def other(size: int) -> TreeHead:
    """The head of another tree of this size."""
    return forked(size).checkpoint().head


@pytest.mark.parametrize("size", [10, 20, 300, 400])
def test_a_head_that_was_published_is_the_same(ledger: Ledger, size: int) -> None:
    """Who saw what everybody was shown is counted, and nothing is said."""
    with alarms() as said:
        assert ledger.says("fr", at(size)) == "same"
    assert said == []


@pytest.mark.parametrize("size", [10, 300, 400])
def test_a_sender_that_saw_another_ledger_is_named(ledger: Ledger, size: int) -> None:
    """Another root at a published size: an error with the stable code, the sender and the message."""
    core = ledger.core("fr", other(size))
    with alarms() as said:
        ledger.gossip.compare(core)
    assert [(line["event"], line["code"], line["sender"]) for line in said] == [
        ("ledger_gossip", "E_GOSSIP_LOG", "fr")
    ]
    assert (said[0]["message_id"], said[0]["size"]) == (show_id(core.message_id), size)
    assert other(size).root.hex()[:16] in said[0]["error"]
    assert ledger.outcomes() == {"different": 1}
    assert list(ledger.gossip.accused) == ["fr"]


def test_a_size_that_was_never_published_is_named(ledger: Ledger) -> None:
    """A second log cannot hide between the published sizes: its readers hold heads that nobody was shown."""
    with alarms() as said:
        assert ledger.says("fr", other(299)) == "unpublished"
    assert [line["code"] for line in said] == ["E_GOSSIP_LOG"]


def test_a_sender_is_named_once_and_counted_each_time(ledger: Ledger) -> None:
    """The log does not fill with one unit's messages; the counter goes on, and other units are named too."""
    with alarms() as said:
        for sender in ("fr", "fr", "de", "fr"):
            ledger.says(sender, other(300))
    assert [line["sender"] for line in said] == ["fr", "de"]
    assert ledger.outcomes() == {"different": 4}


def test_a_sender_that_is_ahead_of_us_is_compared_later(ledger: Ledger) -> None:
    """What was not published to us yet is no alarm; it is judged when it was."""
    with alarms() as said:
        assert ledger.says("fr", at(500)) == ledger.says("de", other(500)) == "ahead"
    assert said == []
    with alarms() as said:
        ledger.grow(500)
    assert [line["sender"] for line in said] == ["de"]
    assert ledger.outcomes() == {"ahead": 2, "same": 1, "different": 1}


def test_a_log_that_runs_ahead_is_caught_at_its_first_head(ledger: Ledger) -> None:
    """However far ahead another log's readers are, the true one passes the first head that they showed."""
    for size in (501, 600, 700):
        assert ledger.says("fr", other(size)) == "ahead"
    with alarms() as said:
        ledger.grow(550)
    assert [line["size"] for line in said] == [501]


def test_a_head_from_before_the_first_that_we_read_is_left(ledger: Ledger) -> None:
    """A router that has just started accuses nobody of what it did not see."""
    with alarms() as said:
        assert ledger.says("fr", at(9)) == ledger.says("fr", other(5)) == "unknown"
    assert said == []


def test_nothing_is_said_before_anything_was_published() -> None:
    """Without a published head each one is ahead of us, and none is wrong."""
    ledger = Ledger()
    with alarms() as said:
        assert ledger.says("fr", at(10)) == "ahead"
        ledger.grow(10)
    assert (said, ledger.outcomes()) == ([], {"ahead": 1, "same": 1})


def test_a_sender_that_follows_no_ledger_is_not_compared(ledger: Ledger) -> None:
    """A header without a head says nothing."""
    assert ledger.says("fr", NO_HEAD) == ledger.says("fr", replace(NO_HEAD, root=bytes(32))) == ""


def test_at_the_turn_of_the_half_year_both_logs_count(ledger: Ledger) -> None:
    """Headers name no log: who still has the old one's head and who has the new one's are both right."""
    old, new = at(300), ledger.grow(5, 350, log=SimLog(origin=NEXT_SHARD))
    with alarms() as said:
        assert ledger.says("fr", old) == ledger.says("de", new) == "same"
        assert ledger.says("fr", other(350)) == "different"
    assert [line["origin"] for line in said] == [NEXT_SHARD]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots are few, of two half-years; of a sender there is one head; what was forgotten is left."""
    monkeypatch.setattr(gossip, "ROOTS_KEPT", 3)
    ledger = Ledger()
    for origin in ("2026h1", "2026h2", "2027h1"):
        log = SimLog(origin=f"contrada.example/audit/{origin}")
        for size in (10, 20, 30, 40, 50):
            ledger.gossip.publish(grown(log, size).checkpoint())
    for size in range(60, 90):
        ledger.says("fr", other(size))
    kept = ledger.gossip._logs
    assert [each[-6:] for each in kept] == ["2026h2", "2027h1"]
    assert {tuple(each.by_size) for each in kept.values()} == {(30, 40, 50)}
    assert len(ledger.gossip._ahead) == 1
    assert ledger.says("fr", other(20)) == "unknown"


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=12, unique=True).map(sorted)


@given(
    sizes=SIZES,
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=40),
    lie=st.integers(1, 60),
    when=st.integers(0, 39),
)
def test_who_says_what_was_published_is_never_named_and_who_lies_is(
    sizes: list[int], steps: list[tuple[bool, int]], lie: int, when: int
) -> None:
    """However reading and messages interleave: no honest sender is named, and a false head within what was read is."""
    heads = [Checkpoint(SHARD, size, digest(b"%d" % size)) for size in sizes]
    told, read = Gossip(RouterMetrics.create()), iter(heads)
    told.publish(next(read))
    false = SimpleNamespace(sender="de", message_id=bytes(16), ledger_head=TreeHead(lie, bytes(32)))
    for number, (reads, seen) in enumerate(steps):
        if number == when:
            told.compare(false)
        if reads and (head := next(read, None)) is not None:
            told.publish(head)
        honest = heads[seen % len(heads)].head
        told.compare(SimpleNamespace(sender="fr", message_id=bytes(16), ledger_head=honest))
    assert "fr" not in told.accused
    was_read = when < len(steps) and sizes[0] <= lie <= told.entries
    assert ("de" in told.accused) == was_read
