"""What a look is made of: counts, pictures, deadlines, heads, who stands still. Pure, and bounded."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.centre.progress import PATIENCE, Reader
from broker.console.pages.flow_picture import HEIGHT, NAMED, draw_flow
from broker.console.pages.page_views import (
    ROWS,
    deadline_rows,
    directory_rows,
    lag_sums,
    page_of,
    quarantine_rows,
    reader_rows,
)
from broker.console.people import release_desk
from broker.console.people.release_desk import MOST_ASKED, ReleaseDesk
from broker.console.seeing import ledger_heads, open_requests, standing_watch, trail_watch, window
from broker.console.seeing.attention import attention
from broker.console.seeing.ledger_heads import LedgerHeads
from broker.console.seeing.open_requests import MOST_OPEN, ORDINARY, URGENT, AskedRequests
from broker.console.seeing.standing_watch import StandingWatch
from broker.console.seeing.trail_watch import TrailWatch
from broker.console.seeing.window import (
    OTHERS,
    PAIRS_OF_MINUTE,
    SLOT,
    SLOTS,
    Counted,
    DecisionWindow,
    PairCount,
)
from protocol.codes import MessageKind, UrgencyGround
from protocol.errors import Code
from protocol.identifiers import Millis
from runtime.errors import Conflict, NotFound
from runtime.kafka.ports import Fetched, InputRecord
from tests.console.rig import Rig, quarantined
from tests.mutants.engine import Mutant
from tests.mutants.operations import called, dropped, forced, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.one_log import SHARD, SimLog, leaves, policy
from tests.sim.world import World
from tests.waiting import until_async

NOW = Millis(1_795_000_000_000)


def decision(
    t: int, outcome: str = "accepted", sender: str = "fr", to: tuple[str, ...] = ("it",), *reasons: str
) -> Counted:
    return Counted(Millis(t), outcome, sender, to, reasons)


def test_decisions_are_counted_where_they_were_made() -> None:
    """By the router's time; the newest slot is not whole yet, and what has left the window counts no more."""
    seen = DecisionWindow()
    for t in (NOW - SLOT, NOW - SLOT, NOW - 2 * SLOT, NOW):
        seen.count(decision(t), now=NOW)
    seen.count(decision(NOW - SLOT, "rejected", "fr", ("nz",), "E_DATA_BASIS", "E_PURPOSE"), now=NOW)
    curves = seen.curves(NOW)

    assert len(curves.at) == SLOTS and curves.at[-1] * 1000 == NOW - NOW % SLOT - SLOT
    assert curves.rates["accepted"][-2:] == (0.2, 0.4) and curves.rates["rejected"][-1] == 0.2
    assert seen.reasons(NOW) == [("E_DATA_BASIS", 1), ("E_PURPOSE", 1)]
    assert seen.pairs(NOW)["fr", "it"].accepted == 4 and seen.pairs(NOW)["fr", "nz"].refused == 1
    later = Millis(NOW + (SLOTS + 1) * SLOT)
    assert (
        seen.reasons(later) == []
        and seen.pairs(later) == {}
        and not any(seen.curves(later).rates["accepted"])
    )


def test_a_clock_that_is_ahead_moves_no_window() -> None:
    """What is dated years ahead counts now; what is dated years back is out of the window."""
    seen = DecisionWindow()
    seen.count(decision(NOW + 10**12), now=NOW)
    seen.count(decision(NOW), now=NOW)
    seen.count(decision(5), now=NOW)

    assert sum(count.total for count in seen.pairs(NOW).values()) == 2
    assert len(seen._slots) == 1


@given(st.lists(st.integers(min_value=0, max_value=2 * SLOTS * SLOT), max_size=300))
def test_a_window_is_bounded(times: list[int]) -> None:
    seen = DecisionWindow()
    for t in times:
        seen.count(decision(t), now=Millis(2 * SLOTS * SLOT))

    assert len(seen._slots) <= SLOTS and len(seen._flow) <= window.MINUTES


def test_pairs_are_bounded() -> None:
    """A unit that writes to everybody fills no memory: what is beyond counts as others."""
    seen = DecisionWindow()
    for number in range(PAIRS_OF_MINUTE + 500):
        seen.count(decision(NOW, "accepted", "fr", (f"u{number}",)), now=NOW)
    pairs = seen.pairs(NOW)

    assert len(pairs) == PAIRS_OF_MINUTE + 1 and pairs[OTHERS, OTHERS].accepted == 500


@given(st.dictionaries(st.tuples(st.sampled_from("abcdefghijklm"), st.sampled_from("mnopqrstuvwxyz")),
                       st.integers(1, 10**6), max_size=60))  # fmt: skip
def test_a_picture_has_everything_in_it(counts) -> None:
    """Whoever is not drawn by name is among the others, nothing is lost, and all of it fits."""
    picture = draw_flow({pair: PairCount(accepted=count) for pair, count in counts.items()})

    assert picture.total == sum(counts.values()) == sum(ribbon.accepted for ribbon in picture.ribbons)
    for side in (picture.senders, picture.receivers):
        assert len(side) <= NAMED + 1
        assert sum(node.count for node in side) == picture.total
        assert all(node.y >= 0 and node.y + node.height <= HEIGHT + 0.5 for node in side)
        for above, below in pairwise(side):
            assert above.y + above.height <= below.y + 0.2


def test_a_thousand_units_are_one_picture() -> None:
    """Those with most have names, and refused ones look refused."""
    pairs = {(f"u{number:03}", "it"): PairCount(accepted=number + 1) for number in range(1000)}
    pairs["u999", "nz"] = PairCount(accepted=1, refused=2)
    picture = draw_flow(pairs)

    assert [node.name for node in picture.senders][:2] == ["u999", "u998"]
    assert picture.senders[-1].name == OTHERS and len(picture.ribbons) <= (NAMED + 1) ** 2
    assert [ribbon.kind for ribbon in picture.ribbons if ribbon.receiver == "nz"] == ["refused"]


def test_a_request_waits_until_each_unit_has_replied() -> None:
    """Eight hours where it is urgent, seven days where not (DIR 5(1)); who is due first comes first."""
    waiting = AskedRequests()
    waiting.asked(message="m1", thread="t1", asker="fr", to=["it", "de"], urgency=None, t=NOW)
    waiting.asked(message="m2", thread="t2", asker="fr", to=["it"], urgency="life", t=Millis(NOW + 1))
    assert [(one.asked, one.due - one.decided) for one in waiting.by_deadline()] == [
        ("it", URGENT), ("de", ORDINARY), ("it", ORDINARY),
    ]  # fmt: skip
    waiting.replied(thread="t1", by="it", to=["fr"])
    waiting.replied(thread="t2", by="de", to=["fr"])
    waiting.replied(thread="t2", by="it", to=["de"])

    assert [(one.thread, one.asked) for one in waiting.by_deadline()] == [("t2", "it"), ("t1", "de")]


def test_open_requests_are_bounded() -> None:
    """What is dropped is what is due last, and it is counted."""
    waiting = AskedRequests()
    for number in range(MOST_OPEN + 5):
        waiting.asked(
            message="m", thread=f"t{number}", asker="fr", to=["it"], urgency=None, t=Millis(NOW + number)
        )

    assert len(waiting) == MOST_OPEN and waiting.dropped == 5
    assert waiting.by_deadline()[0].thread == "t0"


def test_a_trail_is_counted_as_far_as_it_verifies() -> None:
    """Real decisions of a simulated router; one byte that was changed, and a record of somebody else, count for nothing."""
    world = World()
    world.send("fr", ["it"], kind=MessageKind.REQUEST, urgency=UrgencyGround.LIFE)
    world.send("fr", ["it"])
    seen = TrailWatch(lambda: world.directory, lambda: world.now)
    for record in world.audit:
        seen.take_record(record)
    good = seen.window.counted
    seen.take_record(world.audit[0][:-1] + bytes([world.audit[0][-1] ^ 1]))
    seen.take_record(b"\x84nonsense")
    seen.take_record(b"")

    assert good == 2 and seen.window.counted == good and seen.unverified == 3
    assert [one.asked for one in seen.requests.by_deadline()] == ["it"]
    assert [(one.sender, one.to, one.outcome) for one in seen.recent] == [("fr", ("it",), "accepted")] * 2


def heads_of(*logs: tuple[SimLog, dict]) -> LedgerHeads:
    seen = LedgerHeads(policy())
    for log, how in logs:
        seen._newest.extend(log.publish(**how))
        seen.look(NOW)
    return seen


def test_a_head_is_what_the_quorum_cosigned() -> None:
    """What the log alone has signed is told beside it, since when; witnesses are those of the policy, by their names."""
    log = SimLog().add(leaves(5))
    seen = heads_of((log, {}))
    alone = SimLog(witnesses=()).add(leaves(9))
    alone.published = 5
    seen._newest.extend(alone.publish())
    (head,) = seen.look(Millis(NOW + 5))

    assert (head.origin, head.size, head.ahead, head.ahead_since, head.forked) == (
        SHARD,
        5,
        4,
        NOW + 5,
        False,
    )
    assert [witness.name for witness in head.witnesses] == ["wit-one.example", "wit-two.example"]
    assert all(witness.cosigned for witness in head.witnesses)
    assert seen.growth()[-1][1] == 5


def test_two_trees_of_one_size_are_told() -> None:
    """The log's own keys on both: that is a fork, whoever cosigned."""
    other = SimLog(witnesses=()).add(leaves(5, first=900))
    seen = heads_of((SimLog().add(leaves(5)), {}), (other, {}))
    (head,) = seen.look(NOW)

    assert head.forked and head.size == 5


def test_what_is_no_publication_is_refused() -> None:
    """Whatever lies in the topic ends in a code, and an unknown log is none of ours."""
    seen = LedgerHeads(policy())
    for value in (b"", b"\xff" * 40, *SimLog(origin="evil.example/audit/2026h2").add(leaves(2)).publish()):
        seen._newest.append(value)
        assert seen.look(NOW) == () and isinstance(seen.refused, Code)
    assert LedgerHeads(None).look(NOW) == () and not LedgerHeads(None).is_followed


def reader(position: int = 5, end: int = 10) -> Reader:
    return Reader("routers", ("outbox.fr", 0), end, position)


def looks(watch: StandingWatch, *readers: tuple[float, Reader]) -> list[bool]:
    return [bool(watch.look({one.place: one}, now=NOW, monotonic=at)) for at, one in readers]


def test_whoever_does_not_move_for_as_long_as_the_patience_lasts_stands_still() -> None:
    """One move begins it anew, and whoever has nothing to do stands for nothing."""
    assert looks(StandingWatch(), (0, reader()), (PATIENCE - 1, reader()), (PATIENCE, reader())) == [
        False,
        False,
        True,
    ]
    moved = ((0, reader()), (PATIENCE - 1, reader(6)), (PATIENCE + 1, reader(6)), (2 * PATIENCE, reader(6)))
    assert looks(StandingWatch(), *moved) == [False, False, False, True]
    assert looks(StandingWatch(), (0, reader(10)), (99, reader(10))) == [False, False]


def test_a_release_takes_two_people() -> None:
    """Who asked does not agree, in whatever case their name is written; the command is there when both have."""
    desk = ReleaseDesk()
    desk.ask(3, by="A. Costa", moment=NOW)
    for name in ("A. Costa", "a. COSTA"):
        with pytest.raises(Conflict, match="two people"):
            desk.agree(3, by=name, moment=NOW)
    assert desk.asked(3).command() is None
    desk.agree(3, by="$(reboot) '", moment=NOW)

    assert desk.asked(3).command() == (
        """contrada centre quarantine release 3 --by 'A. Costa' --second '$(reboot) '"'"'' --out record-3.bin"""
    )
    with pytest.raises(Conflict):
        desk.agree(3, by="M. Smit", moment=NOW)
    desk.withdraw(3)
    assert desk.asked(3) is None
    with pytest.raises(NotFound):
        desk.agree(3, by="M. Smit", moment=NOW)


def test_what_is_asked_for_is_bounded() -> None:
    desk = ReleaseDesk()
    for number in range(MOST_ASKED):
        desk.ask(number, by="A. Costa", moment=NOW)
    with pytest.raises(Conflict):
        desk.ask(MOST_ASKED, by="A. Costa", moment=NOW)


def test_a_page_of_a_list_is_one_that_there_is() -> None:
    """So many rows, whatever was asked for."""
    assert page_of(list(range(1000)), 3).rows == tuple(range(2 * ROWS, 3 * ROWS))
    assert (page_of([], 5).number, page_of([], 5).pages) == (1, 1)
    assert page_of(list(range(ROWS + 1)), 999).rows == (ROWS,)


def test_a_thousand_units_are_looked_at(tmp_path) -> None:
    """The page has so many rows, the sums all of them; whoever stands still comes first; a search finds its own."""
    rig = Rig(tmp_path)
    rig.fill(1000)
    look = rig.window.looking.newest
    rows = reader_rows(look)

    assert len(look.readers) == len(rows) == 2000
    assert rows[0].stands is not None and rows[1].waiting >= rows[-1].waiting
    assert lag_sums(look).routers == sum(10 + n % 7 - 10 for n in range(1000))
    assert {row.topic for row in reader_rows(look, "u0042")} == {"outbox.u0042", "inbox.u0042"}
    assert [row.unit for row in directory_rows(rig.directory, look.moment, "<SCRIPT>")] == ["hostile-0"]
    assert [row.level for row in deadline_rows(look)] == ["good", "good"]


def test_what_needs_somebody_comes_with_the_worst_first(tmp_path) -> None:
    """A process that is not ready, whoever stands still and ended keys before what merely comes near."""
    rig = Rig(tmp_path)
    rig.fill(10)
    levels = [line.level for line in attention(rig.window.looking.newest)]
    texts = " ".join(line.text for line in attention(rig.window.looking.newest))

    assert levels == sorted(levels) and set(levels) == {"bad", "warn"}
    for wanted in (
        "topics are missing",
        "a ledger is not ready",
        "stand still",
        "keys have ended",
        "quarantine",
        "registrar",
    ):
        assert wanted in texts
    rig.moment += URGENT + 1
    rig.look()
    assert "requests are overdue:" in [line.text for line in attention(rig.window.looking.newest)]


async def test_a_record_of_quarantine_that_was_taken_out_says_so(tmp_path) -> None:
    """By the act in the trail; what is no row of quarantine is counted, and shown nowhere."""
    rig = Rig(tmp_path, World())
    looking = rig.window.looking
    rows = (
        quarantined(1, "fr", "E_CBOR", NOW),
        quarantined(2, "fr", "E_NONE", NOW),
        InputRecord(3, NOW, b"no row"),
    )
    await looking._take_quarantine(Fetched("quarantine", 0, rows, 4))
    looking.trail.released["fr", 0, 1] = NOW
    rig.look()
    shown = quarantine_rows(looking.newest, rig.window.desk)

    assert [(one.row["number"], one.released, bool(one.means)) for one in shown] == [
        (2, None, False),
        (1, NOW, True),
    ]
    assert looking.newest.quarantine.unreadable == 1


async def test_without_kafka_it_says_so_and_goes_on(tmp_path) -> None:
    """Nobody answers at that address: each look has the reason, and what was known stays."""
    rig = Rig(tmp_path, World())
    looking = rig.window.looking
    task = asyncio.create_task(looking._look_on())
    await until_async(lambda: looking.newest is not None and looking.newest.number >= 2, what="two looks")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert "not" in looking.newest.error and looking.answered is None
    assert looking.newest.directory.units == len(rig.directory.units())
    assert attention(looking.newest)[0].text.startswith("Kafka is not to be asked")


@pytest.mark.parametrize(
    ("promise", "mutant"),
    [
        (
            test_a_clock_that_is_ahead_moves_no_window,
            Mutant(window.DecisionWindow.count, called(min, "_0")),
        ),
        (test_pairs_are_bounded, Mutant(window._count_pairs, unchecked("PAIRS_OF_MINUTE"))),
        (
            test_open_requests_are_bounded,
            Mutant(open_requests.AskedRequests.asked, forced(False, "MOST_OPEN")),
        ),
        (
            test_two_trees_of_one_size_are_told,
            Mutant(ledger_heads.LedgerHeads._take, unchecked("log.forked")),
        ),
        (
            test_a_head_is_what_the_quorum_cosigned,
            Mutant(ledger_heads.LedgerHeads._take, forced(True, ledger_heads._is_quorum)),
        ),
        (
            test_whoever_does_not_move_for_as_long_as_the_patience_lasts_stands_still,
            Mutant(standing_watch.StandingWatch.look, forced(False, standing_watch.has_moved)),
        ),
        (test_a_release_takes_two_people, Mutant(release_desk.ReleaseDesk.agree, unchecked("casefold"))),
        (test_what_is_asked_for_is_bounded, Mutant(release_desk.ReleaseDesk.ask, unchecked("MOST_ASKED"))),
        (
            test_a_trail_is_counted_as_far_as_it_verifies,
            Mutant(trail_watch.TrailWatch.take_record, dropped("self.unverified += 1")),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_each_rule_of_a_look_is_missed(promise, mutant) -> None:
    await assert_missed(mutant, promise)
