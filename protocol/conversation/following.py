"""What may follow what in a conversation: which kinds refer to which, and how far a request is answered.

Owns two tables and the judgement by them. `FOLLOWING` says how a message may refer to an earlier one, by the
kinds of both: only a request is answered or refused (DIR Art. 5, 6), and nothing follows an acknowledgement.
`REQUEST` says what a unit that was asked may still reply: in part as often as need be, and at last for good
(DIR Art. 5(2), 6(1)). docs/architecture.md draws both from here.

Rules: a sender is held to the tables, with the reason. An addressee takes a message that breaks them like any
other, since its sender may have another program or have lost its memory, and shows what is odd about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from protocol.codes import MessageKind
from protocol.content.bodies import Answer, Refusal
from protocol.content.code_forms import show_code
from protocol.conversation.state_machine import StateMachine
from protocol.identifiers import ThreadId, UnitId


class Link(StrEnum):
    """How a message refers to the one that it follows."""

    REPLIES = "replies"
    RELATED = "refers to it"
    ACKNOWLEDGES = "acknowledges it"


_RELATED: Final = {
    MessageKind.INFORMATION: Link.RELATED,
    MessageKind.REQUEST: Link.RELATED,
    MessageKind.ACKNOWLEDGEMENT: Link.ACKNOWLEDGES,
}

FOLLOWING: Final[Mapping[MessageKind, Mapping[MessageKind, Link]]] = {
    MessageKind.INFORMATION: _RELATED,
    MessageKind.REQUEST: {**_RELATED, MessageKind.ANSWER: Link.REPLIES, MessageKind.REFUSAL: Link.REPLIES},
    MessageKind.ANSWER: _RELATED,
    MessageKind.REFUSAL: _RELATED,
    MessageKind.ACKNOWLEDGEMENT: {},
}
"""`FOLLOWING[earlier][later]` is how the later one refers to the earlier one; what is not in it is odd."""

REPLIES: Final = frozenset(
    later for row in FOLLOWING.values() for later, link in row.items() if link is Link.REPLIES
)
"""The kinds that reply to another message, and are nothing without it."""


class Reply(StrEnum):
    """The replies to a request, as far as they differ in what may come after them. Kept in databases."""

    PARTIAL_ANSWER = "an answer in part"
    FINAL_ANSWER = "the final answer"
    PARTIAL_REFUSAL = "a refusal in part"
    WHOLE_REFUSAL = "a refusal of all"


class RequestState(StrEnum):
    """How far a unit that was asked has come with its reply."""

    OPEN = "open"
    IN_PART = "replied in part"
    ANSWERED = "answered"
    REFUSED = "refused"


REQUEST: Final[StateMachine[RequestState, Reply]] = StateMachine(
    start=(RequestState.OPEN,),
    moves={
        RequestState.OPEN: {
            Reply.PARTIAL_ANSWER: RequestState.IN_PART,
            Reply.PARTIAL_REFUSAL: RequestState.IN_PART,
            Reply.FINAL_ANSWER: RequestState.ANSWERED,
            Reply.WHOLE_REFUSAL: RequestState.REFUSED,
        },
        # What was given in part cannot be refused as a whole any more; the rest can.
        RequestState.IN_PART: {
            Reply.PARTIAL_ANSWER: RequestState.IN_PART,
            Reply.PARTIAL_REFUSAL: RequestState.IN_PART,
            Reply.FINAL_ANSWER: RequestState.ANSWERED,
        },
        RequestState.ANSWERED: {},
        RequestState.REFUSED: {},
    },
)


class Disorder(StrEnum):
    """What is odd about a message where it stands in a conversation: read after "it", kept in databases."""

    UNKNOWN = "replies to a message that is not known here"
    TWO_REQUESTS = "names one request in its header and another one in its content"
    NOT_A_REQUEST = "replies to a message that is no request"
    FOLLOWS_ACKNOWLEDGEMENT = "refers to an acknowledgement, which nothing follows"
    OWN_REQUEST = "replies to a request of its own sender"
    NOT_ASKED = "replies to a request that was not addressed to its sender"
    ANOTHER_CONVERSATION = "replies in another conversation than that of the request"
    SETTLED = "replies to a request that its sender has replied to for good"
    REFUSES_WHAT_WAS_GIVEN = "refuses all of a request that its sender has replied to in part"


@dataclass(frozen=True, slots=True)
class EarlierMessage:
    """The message that another one refers to, as far as its place matters."""

    kind: MessageKind
    sender: UnitId
    addressees: frozenset[UnitId]
    thread: ThreadId


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowingMessage:
    """A message that may refer to an earlier one."""

    kind: MessageKind
    sender: UnitId
    thread: ThreadId
    reply: Reply | None
    """What it replies, if it does."""


def reply_in(body: Answer | Refusal) -> Reply:
    """What a body replies to a request."""
    match body:
        case Answer(extent=extent):
            return Reply.FINAL_ANSWER if extent == "final" else Reply.PARTIAL_ANSWER
        case Refusal(extent=extent):
            return Reply.WHOLE_REFUSAL if extent == "whole" else Reply.PARTIAL_REFUSAL
        case _:
            assert_never(body)


def state_after(replies: Iterable[Reply]) -> RequestState:
    """How far a request is answered after these replies of one unit; an odd one changes nothing."""
    state = RequestState.OPEN
    for reply in replies:
        state = REQUEST.moves[state].get(reply, state)
    return state


def disorder_of(
    message: FollowingMessage, earlier: EarlierMessage | None, state: RequestState
) -> Disorder | None:
    """What is odd about a message behind an earlier one to which its sender has replied as far as `state`.

    `earlier` is None where a message refers to none, or to one that is not known here.
    """
    if earlier is None:
        return Disorder.UNKNOWN if message.kind in REPLIES else None
    if message.kind not in FOLLOWING[earlier.kind]:
        replies = message.kind in REPLIES
        return Disorder.NOT_A_REQUEST if replies else Disorder.FOLLOWS_ACKNOWLEDGEMENT
    return None if message.reply is None else _disorder_of_reply(message, message.reply, earlier, state)


def _disorder_of_reply(
    message: FollowingMessage, reply: Reply, earlier: EarlierMessage, state: RequestState
) -> Disorder | None:
    if message.sender == earlier.sender:
        return Disorder.OWN_REQUEST
    if message.sender not in earlier.addressees:
        return Disorder.NOT_ASKED
    if message.thread != earlier.thread:
        return Disorder.ANOTHER_CONVERSATION
    if reply in REQUEST.moves[state]:
        return None
    return Disorder.REFUSES_WHAT_WAS_GIVEN if state is RequestState.IN_PART else Disorder.SETTLED


def kinds_drawing() -> str:
    """`FOLLOWING` as a Mermaid state diagram: an arrow leads from a kind to those that may follow it."""
    arrows = [
        f"    {show_code(earlier)} --> {show_code(later)}: {link}"
        for earlier, row in FOLLOWING.items()
        for later, link in row.items()
    ]
    return "\n".join(["stateDiagram-v2", *arrows])
