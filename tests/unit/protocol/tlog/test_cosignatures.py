"""Cosignatures: a witness's line over one checkpoint, and nothing else goes under it."""

from __future__ import annotations

import pytest

from protocol.errors import Code, MisuseError, Rejected
from protocol.tlog.checkpoints import Checkpoint, Seconds, parse_checkpoint, signed_bytes
from protocol.tlog.cosignatures import accept_cosignatures, cosign, with_cosignatures
from protocol.tlog.notes import NoteSignature, format_signatures, parse_signatures
from tests.unit.protocol.tlog.small_log import NOW, ORIGIN, changed, head, signed, signers, witness

FIVE = head(5)
KEYS = [signer.verifier for signer in witness("fr")]


def answer(checkpoint: Checkpoint, unit: str = "fr", now: int = NOW) -> bytes:
    """What this unit's witness answers."""
    return "".join(cosign(checkpoint, signer, now=Seconds(now)) for signer in witness(unit)).encode()


def reason(data: bytes, checkpoint: Checkpoint = FIVE) -> Code:
    """Why the answer is refused."""
    with pytest.raises(Rejected) as caught:
        accept_cosignatures(data, checkpoint, KEYS)
    return caught.value.reason


def test_an_answer_is_taken():
    """Both lines of a witness, with their time."""
    data = answer(head(5))
    accepted = accept_cosignatures(data, head(5), KEYS)

    assert "".join(accepted).encode() == data
    assert list(accepted.values()) == [NOW, NOW]


def test_lines_of_strangers_are_left_out():
    """They are not an error, and they are not taken."""
    mixed = answer(head(5), "it") + answer(head(5)) + answer(head(6), "de")

    assert len(accept_cosignatures(mixed, head(5), KEYS)) == 2
    assert accept_cosignatures(answer(head(5), "it"), head(5), KEYS) == {}


@pytest.mark.parametrize(
    "other", [head(6), Checkpoint(ORIGIN, 5, head(6).root), head(5, origin="x")], ids=str
)
def test_a_cosignature_for_another_checkpoint_is_refused(other):
    """Size, root and origin are signed."""
    assert reason(answer(other)) is Code.E_COSIGNATURE


@pytest.mark.slow
def test_no_byte_of_an_answer_can_be_changed():
    """Every byte: refused, or the line is nobody's any more."""
    data = answer(head(5))
    for at in range(len(data)):
        try:
            accepted = accept_cosignatures(changed(data, at), head(5), KEYS)
        except Rejected:
            continue
        assert len(accepted) == 1


def test_a_witness_says_when():
    """A cosignature without a time says nothing about the newest tree, and is refused."""
    for signer in witness("fr"):
        key = signer.verifier
        signature = bytes(8) + signer.sign(signed_bytes(head(5), key, time=Seconds(0)))
        line = format_signatures([NoteSignature(key.name, key.key_id, signature)])

        assert reason(line.encode()) is Code.E_COSIGNATURE


def test_a_log_key_does_not_cosign():
    """A plain Ed25519 key signs no time."""
    with pytest.raises(MisuseError):
        cosign(head(5), signers("log", ORIGIN)[0], now=NOW)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"ok\n", b"\xff", "— x y\n".encode(), answer(head(5))[:-1], answer(head(5)) + b"\n"]
)
def test_another_answer_is_refused(data):
    """What is not signature lines is refused in one family."""
    assert reason(data) is Code.E_NOTE


def test_lines_are_added_and_replaced():
    """A newer line by the same key takes the older one's place; the log's lines and the text stay."""
    bare = signed(head(5)).data
    first = answer(head(5))
    once = with_cosignatures(bare, [first.decode()])
    later = with_cosignatures(once, [answer(head(5), now=NOW + 9).decode(), answer(head(5), "it").decode()])

    assert once == bare + first
    assert [line.name for line in parse_checkpoint(later).note.signatures] == [
        ORIGIN, ORIGIN, *[KEYS[0].name] * 2, *["contrada.example/witness/it"] * 2,
    ]  # fmt: skip
    times = [
        int.from_bytes(line.signature[:8], "big") for line in parse_checkpoint(later).note.signatures[2:]
    ]
    assert times == [NOW + 9, NOW + 9, NOW, NOW]
    assert with_cosignatures(bare, []) == bare


def test_a_line_is_one_line():
    """It can be read by itself."""
    for signer in witness("fr"):
        (line,) = parse_signatures(cosign(head(5), signer, now=NOW))
        assert line.is_by(signer.verifier)
