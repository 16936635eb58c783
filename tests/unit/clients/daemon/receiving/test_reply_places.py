"""Answers and refusals at their place: a sender is held to it, and an addressee takes what is odd, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clients.daemon.api.views import find_received, message_trace, received_item
from clients.daemon.errors import OutOfOrder
from clients.daemon.receiving import reply_places
from clients.daemon.sending import acknowledgements, conversations, intake
from clients.daemon.sending.composing import Submitted
from clients.daemon.sending.requests import AckRequest
from protocol.conversation.following import Disorder
from protocol.errors import DraftError
from protocol.identifiers import UnitId, new_thread_id, read_id, show_id
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import unchecked
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, draft, pump, wish

pytestmark = pytest.mark.slow

REQUEST = {
    "subject": "Who owns it", "language": "en", "crime_areas": ["migrant-smuggling"], "sought": "the owner",
    "facts": "seen at night", "offence": "smuggling", "available_because": "registered there",
}  # fmt: skip
GROUND = {"grounds": [{"ground": "not-available", "reasons": "no record"}]}
FRAME = {"subject": "Reply", "language": "en"}
FINAL = {"kind": "answer", "draft": FRAME | {"extent": "final", "items": draft()["items"]}}
PARTIAL = {
    "kind": "answer",
    "draft": FRAME | {"extent": "partial", "outstanding": "the crew", "items": draft()["items"]},
}
WHOLE = {"kind": "refusal", "draft": FRAME | GROUND | {"extent": "whole"}}
PART = {"kind": "refusal", "draft": FRAME | GROUND | {"extent": "part", "concerns": "the crew"}}


@pytest.fixture
def asked(world: World, es: UnitFixture, pt: UnitFixture) -> Submitted:
    """A request of es that pt has."""
    sent = es.submit("pt", kind="request", draft=REQUEST)
    pump(world, es, pt)
    return sent


def odd(unit: UnitFixture) -> list[str | None]:
    """What is odd about what a unit received, without the requests, in the order of arrival."""
    rows = unit.context.store.rows("SELECT * FROM inbox WHERE kind IN (3, 4) ORDER BY id")
    return [received_item(unit.context, row)["odd"] for row in rows]


@pytest.fixture
def unheld():
    """A sender whose program knows no conversations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "check_conversation", lambda *_: None)
        patch.setattr(intake, "note_reply", lambda *_: None)
        yield


@pytest.mark.parametrize(
    "replies", [[FINAL], [WHOLE], [PARTIAL, FINAL], [PART, FINAL], [PARTIAL, PART, PARTIAL]]
)
def test_what_may_follow_is_taken_in_and_is_not_odd(world, es, pt, asked, replies) -> None:
    """A request is answered or refused, in part as often as need be, and for good once."""
    for reply in replies:
        pt.submit("es", reply_to=asked.id, **reply)
        pump(world, es, pt)
    assert odd(es) == [None] * len(replies)


@pytest.mark.parametrize(
    ("first", "second"), [(FINAL, WHOLE), (WHOLE, FINAL), (FINAL, FINAL), (WHOLE, PART), (PARTIAL, WHOLE)]
)
def test_a_request_is_replied_to_for_good_once(world, es, pt, asked, first, second) -> None:
    """Not answered and refused, nor twice: the reason is told, and nothing is sent."""
    pt.submit("es", reply_to=asked.id, **first)
    for _ in range(2):
        with pytest.raises(OutOfOrder, match="may not follow: it re"):
            pt.submit("es", reply_to=asked.id, **second)
        pump(world, es, pt)
        pt.restart()
    assert len(odd(es)) == 1


def test_of_two_in_one_batch_one_is_refused(pt, asked) -> None:
    """Both were judged before either was written."""
    taken, refused = intake.submit_requests(
        pt.context, [wish("es", reply_to=asked.id, **FINAL), wish("es", reply_to=asked.id, **WHOLE)]
    )
    assert isinstance(taken, Submitted)
    assert isinstance(refused, OutOfOrder)


@pytest.mark.parametrize("reply", [FINAL, WHOLE])
def test_plain_information_is_neither_answered_nor_refused(world, es, pt, reply) -> None:
    """Only a request is; what there is to say goes as information."""
    told = es.submit("pt")
    pump(world, es, pt)
    with pytest.raises(OutOfOrder, match="replies to a message that is no request") as refused:
        pt.submit("es", reply_to=told.id, **reply)
    assert f"contrada send' with --thread {told.thread}" in refused.value.hint
    pt.submit("es", reply_to=told.id)
    pt.submit("es", reply_to=told.id, kind="request", draft=REQUEST)


def test_nothing_follows_an_acknowledgement(world, es, pt, asked) -> None:
    """Neither a reply nor information that refers to it."""
    acknowledgements.acknowledge_row(
        pt.context, find_received(pt.context, read_id(asked.id), None), AckRequest()
    )
    pump(world, es, pt)
    (receipt,) = es.rows("SELECT mid FROM inbox WHERE kind = 5")
    with pytest.raises(OutOfOrder, match="refers to an acknowledgement"):
        es.submit("pt", reply_to=show_id(receipt[0]))


def test_a_reply_is_given_by_who_was_asked_to_who_asked_and_in_the_same_conversation(es, pt, asked) -> None:
    """Not by the asker itself, not past the asker, and not elsewhere."""
    with pytest.raises(OutOfOrder, match="of its own sender"):
        es.submit("pt", reply_to=asked.id, **FINAL)
    with pytest.raises(DraftError, match="a reply goes to es, which asked"):
        pt.submit("it", reply_to=asked.id, **FINAL)
    elsewhere = show_id(new_thread_id(pt.context.entropy))
    with pytest.raises(OutOfOrder, match="in another conversation"):
        pt.submit("es", reply_to=asked.id, thread=elsewhere, **FINAL)
    assert pt.submit("es", reply_to=asked.id, **FINAL).thread == asked.thread


def test_a_reply_that_the_router_refused_was_never_given(world, es, pt, asked) -> None:
    """Its sender may give it again, without what was refused."""
    world.suspend("nz")  # which pt has not read yet
    refused = pt.submit("es", "nz", reply_to=asked.id, **FINAL)
    pump(world, es, pt)
    assert pt.state(refused.id) == "refused"
    pt.submit("es", reply_to=asked.id, **FINAL)


@pytest.mark.parametrize(
    ("first", "second", "disorder"),
    [(FINAL, WHOLE, Disorder.SETTLED), (WHOLE, FINAL, Disorder.SETTLED), (PARTIAL, WHOLE, Disorder.REFUSES_WHAT_WAS_GIVEN)],
)  # fmt: skip
def test_what_is_odd_is_delivered_and_shown_as_odd(
    world, es, pt, asked, unheld, first, second, disorder
) -> None:
    """It verified and is not lost; the list, the message and its trace say what is odd, after a restart too."""
    for reply in (first, second):
        sent = pt.submit("es", reply_to=asked.id, **reply)
        pump(world, es, pt)
    es.restart()

    assert odd(es) == [None, disorder]
    steps = message_trace(es.context, read_id(sent.id))["steps"]
    assert any(disorder in step["detail"] for step in steps)
    assert es.rows("SELECT * FROM rejected UNION ALL SELECT id, raised, code, detail, 0 FROM alarms") == []


def test_a_reply_to_information_of_a_foreign_program_is_odd(world, es, pt, unheld) -> None:
    """It answers what asked nothing."""
    told = es.submit("pt")
    pump(world, es, pt)
    pt.submit("es", reply_to=told.id, **FINAL)
    pump(world, es, pt)
    assert odd(es) == [Disorder.NOT_A_REQUEST]


def test_a_reply_that_names_two_requests_is_odd(world, es, pt, asked, unheld, monkeypatch) -> None:
    """One in its header, which the router saw, and another one in its content."""
    other = es.submit("pt", kind="request", draft=REQUEST)
    pump(world, es, pt)
    found = intake._earlier
    monkeypatch.setattr(
        intake, "_earlier", lambda *given: replace(found(*given), message_id=read_id(other.id))
    )
    pt.submit("es", reply_to=asked.id, **FINAL)
    pump(world, es, pt)
    assert odd(es) == [Disorder.TWO_REQUESTS]
    with mutated(Mutant(reply_places._odd, unchecked(Disorder.TWO_REQUESTS))):
        pt.submit("es", reply_to=asked.id, **FINAL)
        pump(world, es, pt)
    assert odd(es) == [Disorder.TWO_REQUESTS, None]


def test_an_odd_reply_does_not_settle_the_request(world, es, pt, asked, tmp_path: Path, unheld) -> None:
    """Somebody else's answer leaves the one who was asked free to answer."""
    third = UnitFixture(world, UnitId("gr"), tmp_path / "gr")
    for unit in (es, pt):
        unit.learn()
    copied = pt.submit("es", "gr", reply_to=asked.id, **PARTIAL)
    pump(world, es, pt, third)
    third.submit("es", reply_to=copied.id, **FINAL)
    pt.submit("es", reply_to=asked.id, **FINAL)
    pump(world, es, pt, third)
    assert odd(es).count(None) == 2
    assert odd(third) == [Disorder.UNKNOWN]


def test_a_copy_of_a_reply_to_another_unit_s_request_is_usual(world, es, pt, asked, tmp_path: Path) -> None:
    """Who gets a copy has not seen the request, and is told nothing odd."""
    third = UnitFixture(world, UnitId("gr"), tmp_path / "gr")
    for unit in (es, pt):
        unit.learn()
    pt.submit("es", copy=["gr"], reply_to=asked.id, **FINAL)
    pump(world, es, pt, third)
    assert odd(third) == [None]


def test_a_row_of_a_reply_goes_with_its_message(world, es, pt, asked) -> None:
    """Of a message that is deleted nothing is left here."""
    pt.submit("es", reply_to=asked.id, **FINAL)
    pump(world, es, pt)
    with es.context.transaction():
        es.context.store.write("DELETE FROM inbox WHERE kind = 3")
    assert es.rows("SELECT * FROM replies") == []


def test_without_the_check_a_request_is_both_answered_and_refused(world, es, pt, asked) -> None:
    """The mutant: the sender is not held to the table, and the addressee sees it."""
    with mutated(Mutant(conversations.check_conversation, unchecked(OutOfOrder))):
        for reply in (FINAL, WHOLE):
            pt.submit("es", reply_to=asked.id, **reply)
            pump(world, es, pt)
    assert odd(es) == [None, Disorder.SETTLED]
