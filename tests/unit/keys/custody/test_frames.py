"""What goes between router and signer: it comes back as it was, and bytes of anybody's are an item or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.custody.frames import (
    HEAD,
    MAX_FRAME,
    Answer,
    Ask,
    AskAppointment,
    AskSignature,
    AskSuccession,
    AskWho,
    Keys,
    Made,
    NotMade,
    answer_in,
    encode_answer,
    encode_ask,
    length_of,
    parse_ask,
)
from protocol.canonical import encode
from protocol.errors import Rejected
from protocol.identifiers import KeyId, Millis, UnitId
from tests.unit.keys.world import identity

ASKS: list[Ask] = [
    AskWho(),
    AskSignature("ed25519", b"m"),
    AskSignature("ml-dsa-65", b"m"),
    AskSuccession(KeyId(bytes(16)), Millis(1), Millis(2)),
    AskAppointment(Millis(1), Millis(2)),
]
ANSWERS: list[Answer] = [
    Keys(((UnitId("router"), identity("router").public), (UnitId("router"), identity("router", 2).public))),
    Made(b"s"),
    NotMade("why", later=True),
    NotMade("why", later=False),
]


def body(frame: bytes) -> bytes:
    assert length_of(frame[:HEAD]) == len(frame) - HEAD
    return frame[HEAD:]


@pytest.mark.parametrize("ask", ASKS)
def test_a_request_is_read_as_it_was_written(ask: Ask) -> None:
    assert parse_ask(body(encode_ask(ask))) == ask


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_read_as_it_was_written(answer: Answer) -> None:
    assert answer_in(body(encode_answer(answer))) == answer


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_an_item_or_rejected(data: bytes) -> None:
    """Neither side falls over what the other sends."""
    for parse in (parse_ask, answer_in):
        try:
            parse(data)
        except Rejected:
            continue


@pytest.mark.parametrize(
    "item",
    [
        [2, "who"], [True, "who"], [1, "who", 1], [1, "rsa", b"m"], [1, "ed25519", "m"], [1], [],
        [1, "succession", bytes(15), 1, 2], [1, "succession", bytes(16), -1, 2], [1, "request", 1],
    ],
)  # fmt: skip
def test_a_request_of_another_form_is_rejected(item: list[object]) -> None:
    with pytest.raises(Rejected):
        parse_ask(encode(item))


@pytest.mark.parametrize(
    "item",
    [
        [1, "who", []], [1, "who", [["router", bytes(31), bytes(1952)]]], [1, "who", [["Router", b"", b""]]],
        [1, "made", "s"], [1, "refused", "w" * 201], [1, "refused", b"w"], [2, "made", b"s"],
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_rejected(item: list[object]) -> None:
    with pytest.raises(Rejected):
        answer_in(encode(item))


def test_a_refusal_paints_no_terminal() -> None:
    """What listens on the socket may not be the signer: its words are shown only where they are plain."""
    assert answer_in(encode([1, "refused", "\x1b[31m"])) == NotMade("", later=False)


@pytest.mark.parametrize("head", [bytes(4), (MAX_FRAME + 1).to_bytes(4, "big"), b"\xff" * 4, b"\x00"])
def test_a_frame_is_bounded(head: bytes) -> None:
    with pytest.raises(Rejected):
        length_of(head)
