"""A fetch session: what the broker was told is what we want, and no answer to an older question is taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from runtime.kafka.fetch_session import FetchSession
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.unit.protocol.strategies import QUICK

PLACES = st.sampled_from([("outbox.fr", 0), ("outbox.fr", 1), ("outbox.it", 0)])
OFFSETS = st.integers(0, 3)
NO_SESSION, BAD_EPOCH = 70, 71


def answer(*rows: tuple[str, int], session: int = 7, error: int = 0) -> Any:
    """A broker's answer with one record for each of these partitions."""
    topics = [(topic, [(partition, 0, 0, 0, 0, None, -1, b"x")]) for topic, partition in rows]
    return SimpleNamespace(error_code=error, session_id=session, topics=topics)


class Told(RuleBasedStateMachine):
    """Against a broker that does as KIP-227 says, whatever is wanted when."""

    def __init__(self) -> None:
        super().__init__()
        self.session = FetchSession()
        self.kept: dict[int, tuple[int, dict]] = {}
        self.asked: Any = None
        self.reading: dict = {}
        self.numbers = 0

    @rule(place=PLACES, offset=OFFSETS)
    def want(self, place, offset) -> None:
        self.session.want(place, offset)

    @rule(place=PLACES)
    def want_no_more(self, place) -> None:
        self.session.drop(place)

    @rule()
    def ask(self) -> None:
        if self.asked is not None:
            return
        question = self.asked = self.session.ask()
        if question.epoch == 0:
            assert (question.session, question.forgotten) == (0, ())
            self.reading = dict(question.positions)
        else:
            epoch, positions = self.kept[question.session]
            assert question.epoch == epoch
            self.reading = {
                k: v for k, v in positions.items() if k not in question.forgotten
            } | question.positions
            self.kept[question.session] = (epoch + 1, self.reading)
        assert self.reading == self.session.wanted, "the broker reads what we want"

    @rule(keeps=st.booleans(), parts=st.sets(PLACES))
    def get_an_answer(self, keeps, parts) -> None:
        if self.asked is None:
            return
        number = self.asked.session
        if self.asked.epoch == 0 and keeps:
            self.numbers += 1
            number = self.numbers
            self.kept[number] = (1, self.reading)
        parts = sorted(parts & self.reading.keys())
        taken = {part.place: part.position for part in self.session.answered(answer(*parts, session=number))}
        assert taken == {p: self.reading[p] for p in parts if self.session.wanted.get(p) == self.reading[p]}
        self.asked = None

    @rule(code=st.sampled_from([NO_SESSION, BAD_EPOCH]))
    def get_an_error(self, code) -> None:
        if self.asked is not None:
            assert list(self.session.answered(answer(error=code))) == []
            self.asked = None

    @rule()
    def lose_the_connection(self) -> None:
        self.session.lost()
        self.asked = None


TestTold = Told.TestCase
TestTold.settings = QUICK


def records_of_an_older_question_are_dropped() -> None:
    """A claim that was lost begins again before what the question under way was asked for."""
    session, place = FetchSession(), ("outbox.fr", 0)
    session.want(place, 5)
    session.ask()
    session.want(place, 2)
    assert list(session.answered(answer(place))) == []


def test_records_of_an_older_question_are_dropped() -> None:
    """Taken, they would leave out those between the two positions; a session that takes them is noticed."""
    records_of_an_older_question_are_dropped()
    mutant = Mutant(FetchSession.answered, forced(True, "wanted", "position"))
    with mutated(mutant), pytest.raises(AssertionError):
        records_of_an_older_question_are_dropped()


class _Unlisted(dict):
    """What is asked for a partition, and never for all."""

    def __iter__(self):
        raise AssertionError("all partitions were looked through")

    keys = values = items = __iter__


def test_a_question_costs_what_has_changed() -> None:
    """Not what there is: among thousands of outboxes a message names its own."""
    session, place = FetchSession(), ("outbox.fr", 0)
    for number in range(3):
        session.want(("outbox.it", number), 0)
    session.want(place, 0)
    session.ask()
    assert len(list(session.answered(answer(place)))) == 1
    session.wanted, session._told = _Unlisted(session.wanted), _Unlisted(session._told)
    session.want(place, 1)
    session.drop(("outbox.it", 1))
    question = session.ask()
    assert (question.positions, question.forgotten) == ({place: 1}, (("outbox.it", 1),))
    assert len(list(session.answered(answer(place)))) == 1
