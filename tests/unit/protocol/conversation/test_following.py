"""What may follow what: the tables are whole, each oddness is told apart, and the page draws the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import MessageKind
from protocol.conversation import following
from protocol.conversation.following import (
    FOLLOWING,
    REPLIES,
    REQUEST,
    Disorder,
    EarlierMessage,
    FollowingMessage,
    Link,
    Reply,
    RequestState,
    disorder_of,
    kinds_drawing,
    state_after,
)
from protocol.identifiers import ThreadId, UnitId
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, unchecked

FR, IT, DE = (UnitId(name) for name in ("fr", "it", "de"))
HERE, THERE = ThreadId(bytes(16)), ThreadId(bytes([1]) * 16)
REQUESTED = EarlierMessage(MessageKind.REQUEST, FR, frozenset({IT}), HERE)


def reply(
    said: Reply = Reply.FINAL_ANSWER, *, sender: UnitId = IT, thread: ThreadId = HERE
) -> FollowingMessage:
    kind = MessageKind.ANSWER if said in (Reply.FINAL_ANSWER, Reply.PARTIAL_ANSWER) else MessageKind.REFUSAL
    return FollowingMessage(kind=kind, sender=sender, thread=thread, reply=said)


def test_every_kind_has_a_row_and_only_a_request_is_replied_to() -> None:
    """Answers and refusals are the replies, and nothing follows an acknowledgement."""
    assert set(FOLLOWING) == set(MessageKind)
    assert {MessageKind.ANSWER, MessageKind.REFUSAL} == REPLIES
    replied_to = {earlier for earlier, row in FOLLOWING.items() if Link.REPLIES in row.values()}
    assert replied_to == {MessageKind.REQUEST}
    assert FOLLOWING[MessageKind.ACKNOWLEDGEMENT] == {}


def test_every_state_has_a_row_and_is_reached() -> None:
    reached = {target for row in REQUEST.moves.values() for target in row.values()}
    assert set(REQUEST.moves) == set(RequestState) == reached | set(REQUEST.start)


@pytest.mark.parametrize("earlier", MessageKind)
@pytest.mark.parametrize("later", MessageKind)
def test_a_kind_follows_another_exactly_if_the_table_says_so(
    earlier: MessageKind, later: MessageKind
) -> None:
    """Each pair of kinds, with everything else in order."""
    said = {MessageKind.ANSWER: Reply.FINAL_ANSWER, MessageKind.REFUSAL: Reply.WHOLE_REFUSAL}.get(later)
    message = FollowingMessage(kind=later, sender=IT, thread=HERE, reply=said)
    found = disorder_of(message, EarlierMessage(earlier, FR, frozenset({IT}), HERE), RequestState.OPEN)
    assert (found is None) == (later in FOLLOWING[earlier])
    if found is not None:
        assert found is (Disorder.NOT_A_REQUEST if later in REPLIES else Disorder.FOLLOWS_ACKNOWLEDGEMENT)


ODD = [
    (Disorder.UNKNOWN, reply(), None, RequestState.OPEN),
    (Disorder.OWN_REQUEST, reply(sender=FR), REQUESTED, RequestState.OPEN),
    (Disorder.NOT_ASKED, reply(sender=DE), REQUESTED, RequestState.OPEN),
    (Disorder.ANOTHER_CONVERSATION, reply(thread=THERE), REQUESTED, RequestState.OPEN),
    (Disorder.SETTLED, reply(), REQUESTED, RequestState.ANSWERED),
    (Disorder.SETTLED, reply(), REQUESTED, RequestState.REFUSED),
    (Disorder.SETTLED, reply(Reply.WHOLE_REFUSAL), REQUESTED, RequestState.ANSWERED),
    (Disorder.REFUSES_WHAT_WAS_GIVEN, reply(Reply.WHOLE_REFUSAL), REQUESTED, RequestState.IN_PART),
]


@pytest.mark.parametrize(("disorder", "message", "earlier", "state"), ODD)
def test_each_oddness_has_its_own_words(disorder, message, earlier, state) -> None:
    """One thing is wrong, and it is named."""
    assert disorder_of(message, earlier, state) is disorder


def test_what_refers_to_nothing_known_is_odd_for_a_reply_only() -> None:
    """Information may refer to what another unit has."""
    message = FollowingMessage(kind=MessageKind.INFORMATION, sender=IT, thread=HERE, reply=None)
    assert disorder_of(message, None, RequestState.OPEN) is None


@given(st.lists(st.sampled_from(Reply), max_size=8))
def test_one_unit_replies_for_good_once_at_most(said: list[Reply]) -> None:
    """Whatever comes in whatever order: taken in by the tables, at most one reply is for good, and it is the last."""
    taken: list[Reply] = []
    for one in said:
        if disorder_of(reply(one), REQUESTED, state_after(taken)) is None:
            taken.append(one)
    for_good = [place for place, one in enumerate(taken) if one in (Reply.FINAL_ANSWER, Reply.WHOLE_REFUSAL)]
    assert for_good in ([], [len(taken) - 1])
    assert Reply.WHOLE_REFUSAL not in taken[1:]
    # The state that is kept is the one of what was taken in: an odd message between changes nothing.
    assert state_after(said[: len(said)]) in RequestState


MUTANTS = {
    "anything is answered": Mutant(disorder_of, forced(False, "message.kind not in FOLLOWING[earlier.kind]")),
    "one answers oneself": Mutant(following._disorder_of_reply, unchecked(Disorder.OWN_REQUEST)),
    "anybody answers": Mutant(following._disorder_of_reply, unchecked(Disorder.NOT_ASKED)),
    "anywhere": Mutant(following._disorder_of_reply, unchecked(Disorder.ANOTHER_CONVERSATION)),
    "as often as one likes": Mutant(
        following._disorder_of_reply, forced(True, "reply in REQUEST.moves[state]")
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_check_is_missed(name: str) -> None:
    """Without it something odd is taken for usual."""
    cases = [
        *ODD,
        (
            Disorder.NOT_A_REQUEST,
            reply(),
            EarlierMessage(MessageKind.INFORMATION, FR, frozenset({IT}), HERE),
            RequestState.OPEN,
        ),
    ]
    with mutated(MUTANTS[name]):
        assert [one for one, *case in cases if disorder_of(*case) is not one]


@pytest.mark.parametrize(("drawing", "name"), [(kinds_drawing(), "kinds"), (REQUEST.drawing(), "request")])
def test_the_page_draws_the_same_tables(drawing: str, name: str) -> None:
    page = (Path(__file__).parents[4] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"<!-- states: {name} -->\n```mermaid\n{drawing}\n```\n<!-- end -->" in page, drawing
