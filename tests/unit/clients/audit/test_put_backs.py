"""What a Kafka that was put back explains of the order of decisions: what was undone, once, and nothing else."""

from __future__ import annotations

import pytest

from clients.audit.checks import put_backs
from clients.audit.checks.outbox_places import Stretch
from clients.audit.checks.put_backs import PlaceOrder, check_order
from clients.audit.checks.record_walk import Walked
from clients.audit.findings import Finding, FindingKind
from protocol.canonical import encode
from protocol.identifiers import Millis
from protocol.trail.acts import PutBack, Rewinding
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten
from tests.mutants.promises import assert_missed

ONE, TWO = "x.example/audit/2026h2", "x.example/audit/2027h1"
FR, IT = (encode([unit, 0])[1:] for unit in ("fr", "it"))


def stretch(begin: int, *decided: tuple[bytes, int, int]) -> Stretch:
    """Decisions: outbox, offset, leaf."""
    made = Stretch(begin)
    for each in decided:
        made.takes(*each)
    return made


def walked(
    *stretches: Stretch,
    log: str = ONE,
    ways: tuple[tuple[int, int], ...] = (),
    backs: tuple[tuple[int, int], ...] = (),
    undone_in: str = ONE,
    named_in: str = ONE,
) -> Walked:
    """A log of these stretches: where the ledger went back, with the first leaf undone; statements of such leaves."""
    return Walked(
        log,
        stretches=list(stretches),
        ways_back=[(at, Rewinding(9, 4, undone_in, first)) for at, first in ways],
        put_backs=[(at, PutBack(named_in, leaf, Millis(1_000), Millis(2_000))) for at, leaf in backs],
    )


def twice(*parts: Walked) -> list[int | None]:
    """The leaves that decide what was decided."""
    return [each.index for each in check_order(parts) if each.kind is FindingKind.DECISION_TWICE]


def told(kind: FindingKind, *parts: Walked) -> list[Finding]:
    return [each for each in check_order(parts) if each.kind is kind]


BEFORE = stretch(0, (FR, 0, 1), (FR, 5, 2), (IT, 7, 3))
LOST = stretch(10, (FR, 6, 11), (FR, 9, 14), (IT, 8, 12))
SINCE = stretch(20, (FR, 6, 21), (FR, 8, 23), (IT, 8, 22))
"""Leaf 20: the ledger goes back, and what stands from leaf 10 on is undone."""


def test_a_put_back_that_is_stated_explains_what_is_decided_again() -> None:
    """Two outboxes give places out again, and two people say why, some leaves later. It is told of both."""
    log = walked(BEFORE, LOST, SINCE, ways=((20, 10),), backs=((30, 20),))
    assert twice(log) == []
    (way,), (back,) = told(FindingKind.AUDIT_REWOUND, log), told(FindingKind.KAFKA_PUT_BACK, log)
    assert (way.index, back.index) == (20, 30)
    assert "from leaf 10 on is undone" in way.what and "nobody" not in way.what
    assert back.what == (
        "two people state that Kafka was put back on 1970-01-01T00:00:02Z to a copy of 1970-01-01T00:00:01Z: "
        "it explains what 2 outboxes had decided twice"
    )
    assert way.is_notice and back.is_notice


def test_a_way_back_that_nobody_has_stated_explains_nothing() -> None:
    """The ledger alone cannot excuse what it has logged."""
    log = walked(BEFORE, LOST, SINCE, ways=((20, 10),))
    assert twice(log) == [21, 22]
    assert "nobody has stated why" in told(FindingKind.AUDIT_REWOUND, log)[0].what


def test_a_statement_without_a_way_back_explains_nothing() -> None:
    """Nor can whoever has the registrar's key: of no leaf, of another one, and of another log."""
    for ways, backs in (((), ((30, 20),)), (((20, 10),), ((30, 19),)), (((20, 10),), ((30, 21),))):
        log = walked(BEFORE, LOST, SINCE, ways=ways, backs=backs)
        assert twice(log) == [21, 22]
        assert "explains nothing" in told(FindingKind.KAFKA_PUT_BACK, log)[0].what
    other = walked(BEFORE, LOST, SINCE, ways=((20, 10),), backs=((30, 20),), named_in=TWO)
    assert twice(other) == [21, 22]


def test_a_statement_of_a_way_back_to_come_explains_nothing() -> None:
    """It would be one that somebody keeps for later."""
    assert twice(walked(BEFORE, LOST, SINCE, ways=((20, 10),), backs=((19, 20),))) == [21, 22]


def test_what_was_decided_before_is_not_decided_again() -> None:
    """The last place of before is none that was undone."""
    since = stretch(20, (FR, 5, 21), (IT, 8, 22))
    assert twice(walked(BEFORE, LOST, since, ways=((20, 10),), backs=((30, 20),))) == [21]


def test_what_is_undone_is_decided_again_once() -> None:
    """Behind the way back places ascend as everywhere, over ranges too."""
    more = walked(stretch(25, (FR, 8, 26), (IT, 9, 27)))
    assert twice(walked(BEFORE, LOST, SINCE, ways=((20, 10),), backs=((30, 20),)), more) == [26]


def test_what_comes_again_before_the_way_back_is_not_explained() -> None:
    """What is undone ends at the leaf of the way back."""
    lost = walked(BEFORE, stretch(10, (FR, 6, 11)), ways=((20, 10),), backs=((30, 20),))
    early = walked(stretch(15, (FR, 6, 16)), SINCE)
    assert twice(lost, early) == [16]


def test_a_second_way_back_needs_a_second_statement() -> None:
    """Each explains its own."""
    again = stretch(40, (FR, 7, 41))
    both = walked(BEFORE, LOST, SINCE, again, ways=((20, 10), (40, 23)), backs=((30, 20), (45, 40)))
    first = walked(BEFORE, LOST, SINCE, again, ways=((20, 10), (40, 23)), backs=((30, 20),))
    assert twice(both) == [41]
    assert twice(first) == [41]
    cut = (stretch(20, (FR, 6, 21), (IT, 8, 22)), stretch(23, (FR, 8, 24)), again)
    assert twice(walked(BEFORE, LOST, *cut, ways=((20, 10), (40, 23)), backs=((30, 20), (45, 40)))) == []


def test_a_copy_of_the_half_year_before_is_explained_too() -> None:
    """What is undone begins in one log, and the way back stands in the next one; also where that one ended there."""
    for first in (10, 15):
        old = walked(BEFORE, LOST if first == 10 else stretch(10, (FR, 6, 11)))
        new = walked(
            stretch(0, (FR, 10, 3)),
            stretch(4, (FR, 7, 5)),
            log=TWO, ways=((4, first),), backs=((6, 4),), named_in=TWO,
        )  # fmt: skip
        assert twice(old, new) == []
        assert twice(new) == [5], "the log where it begins is not in the copy"


def test_a_way_back_that_undoes_what_is_to_come_undoes_nothing() -> None:
    """The first leaf that is undone stands before it."""
    assert twice(walked(BEFORE, LOST, SINCE, ways=((20, 25),), backs=((30, 20),))) == [21, 22]


MUTANTS = [
    (test_a_put_back_that_is_stated_explains_what_is_decided_again, Mutant(PlaceOrder.look, dropped("_go_back"))),
    (test_a_way_back_that_nobody_has_stated_explains_nothing, Mutant(put_backs.check_order, rewritten("{at: LeafPlace(ways[at].log, ways[at].first) for at in named}", "{at: LeafPlace(ways[at].log, ways[at].first) for at in ways}"))),
    (test_a_statement_of_a_way_back_to_come_explains_nothing, Mutant(put_backs._named, forced(False, "stated.leaf"))),
    (test_what_was_decided_before_is_not_decided_again, Mutant(PlaceOrder._go_back, rewritten("dict(self._kept[undone])", "{}"))),
    (test_what_is_undone_is_decided_again_once, Mutant(PlaceOrder._take, dropped("self._last.update"))),
    (test_what_comes_again_before_the_way_back_is_not_explained, Mutant(PlaceOrder._take, forced(False, "self._last"))),
    (test_a_second_way_back_needs_a_second_statement, Mutant(PlaceOrder._go_back, rewritten("self.ways.get(at)", "next(iter(self.ways.values()))"))),
    (test_a_copy_of_the_half_year_before_is_explained_too, Mutant(PlaceOrder.look, dropped("_END"))),
    (test_a_way_back_that_undoes_what_is_to_come_undoes_nothing, Mutant(PlaceOrder._go_back, forced(True, "self._kept"), rewritten("self._kept[undone]", "self._kept.get(undone, {})"))),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "mutant"), MUTANTS, ids=[row[0].__name__ for row in MUTANTS])
async def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant) -> None:
    """Without it the test fails."""
    await assert_missed(mutant, promise)
