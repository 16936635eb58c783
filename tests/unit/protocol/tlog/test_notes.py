"""Signed notes and verifier keys: one form each, and the form of C2SP."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.note_keys import NoteSigner
from protocol import limits
from protocol.base64_text import to_base64
from protocol.errors import Code, Rejected
from protocol.public_keys import verify_ed25519
from protocol.tlog.notes import (
    Note,
    NoteAlgorithm,
    NoteSignature,
    check_key_name,
    format_note,
    format_vkey,
    parse_note,
    parse_number,
    parse_signatures,
    parse_vkey,
    read_word,
    verifier_key,
)
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.tlog.small_log import ORIGIN, changed, head, signed, signers

# The examples of C2SP signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()
LINE = "— n " + b64encode(bytes(68)).decode()

names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1, max_size=40)
texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.just("\n"), max_size=80).map(
    lambda t: t + "x\n"
)
signatures = st.builds(
    NoteSignature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)


def refused(data: bytes) -> bool:
    """Whether this is no note."""
    with pytest.raises(Rejected) as caught:
        parse_note(data)
    return caught.value.reason is Code.E_NOTE


def test_the_example_of_the_specification_verifies():
    """Key and note of the text of C2SP: form, key id and signature."""
    key, note = parse_vkey(EXAMPLE_KEY), parse_note(EXAMPLE)
    (line,) = note.by(key)

    assert format_vkey(key) == EXAMPLE_KEY
    assert note.text == "This is an example message.\n"
    assert verify_ed25519(key.public, line.signature, note.text.encode())
    assert not verify_ed25519(key.public, line.signature, note.text.encode() + b"\n")


def test_a_text_may_have_empty_lines():
    """The last empty line ends the text."""
    note = parse_note(POEM)

    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [line.name for line in note.signatures] == ["quasimodo.example/salvatore"]
    assert format_note(note) == POEM


def test_a_key_of_another_implementation_is_ours():
    """ML-DSA-44: from the seed that torchwood's tests print, the verifier key that they print."""
    seed = bytes.fromhex("2886adc2b0eabfce67c0472939127998bf886cf256bfee8ba76a253fce1146e0")
    text = format_vkey(NoteSigner("example.com/mldsa-log", NoteAlgorithm.COSIGNED_ML_DSA_44, seed).verifier)

    assert text.startswith("example.com/mldsa-log+b5df45c5+BuhtcL97l3dcitjZ8Y9J54gmQ1TWn/BMF0yePKpT")
    assert (
        sha256(text.encode()).hexdigest()
        == "664e76027ff6f4d655e95aec4f63d6a483c757e3925ded6d359d98e179c44553"
    )


@QUICK
@given(texts, st.lists(signatures, min_size=1, max_size=5))
def test_a_note_comes_back(text, lines):
    """Whatever note can be written is read again, byte for byte."""
    note = Note(text, tuple(lines))
    data = format_note(note)

    assert parse_note(data) == note
    assert format_note(parse_note(data)) == data


@QUICK
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_end_in_one_family(data):
    """Bytes are a note in its one form, or refused as ours."""
    for mixed in (data, data + b"\n\n" + LINE.encode() + b"\n"):
        try:
            note = parse_note(mixed)
        except Rejected:
            continue
        assert format_note(note) == mixed


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"\n\n", b"text\n", b"text\n\n", b"text\n\n\n",
        f"\n\n{LINE}\n".encode(),  # no text
        f"text\n{LINE}\n".encode(),  # no empty line
        f"text\n\n{LINE}".encode(),  # no newline at the end
        f"text\n\n{LINE}\r\n".encode(),
        f"te\txt\n\n{LINE}\n".encode(),  # a control character
        f"te\x00xt\n\n{LINE}\n".encode(),
        b"te\xffxt\n\n" + LINE.encode() + b"\n",  # not UTF-8
        f"text\n\n{LINE}\n\n{LINE}\nx\n".encode(),
        f"text\n\n{LINE.replace('— n ', '- n ')}\n".encode(),
        f"text\n\n{LINE.replace('— n ', '—  n ')}\n".encode(),
        f"text\n\n{LINE.replace('— n ', '— n  ')}\n".encode(),
        f"text\n\n{LINE.replace('— n ', '— n+m ')}\n".encode(),
        f"text\n\n{LINE.replace('— n ', '— n' + chr(0xA0) + 'm ')}\n".encode(),
        f"text\n\n{LINE.replace('— n ', '— ')}\n".encode(),
        f"text\n\n{LINE} \n".encode(),
        f"text\n\n— n {b64encode(bytes(4)).decode()}\n".encode(),  # a signature of no bytes
        f"text\n\n— n {b64encode(bytes(68)).decode()[:-1]}\n".encode(),  # no padding
        f"text\n\n— n {b64encode(bytes(68)).decode()[:-2]}B=\n".encode(),  # stray bits behind the last byte
        f"text\n\n{LINE}\n{(LINE + chr(10)) * limits.MAX_NOTE_SIGNATURES}".encode(),
        b"x" * limits.MAX_NOTE + f"\n\n{LINE}\n".encode(),
    ],
)  # fmt: skip
def test_a_note_in_another_form_is_refused(data):
    """Nothing is repaired: what is not the one form is no note."""
    assert refused(data)


def test_many_signatures_are_taken():
    """As many as the limit says, and C2SP asks for 16 at least."""
    lines = (LINE + "\n") * limits.MAX_NOTE_SIGNATURES

    assert len(parse_note(f"text\n\n{lines}".encode()).signatures) == limits.MAX_NOTE_SIGNATURES >= 16
    with pytest.raises(Rejected):
        parse_signatures("")


def test_every_key_comes_back():
    """All algorithms, as text and back."""
    for algorithm in NoteAlgorithm:
        key = NoteSigner("log.example/x", algorithm, bytes(32)).verifier
        assert parse_vkey(format_vkey(key)) == key


def test_a_key_id_names_name_algorithm_and_key():
    """The same bytes under another name, or for another algorithm, have another id."""
    one = verifier_key("a", NoteAlgorithm.ED25519, bytes(32))
    others = [
        verifier_key("b", NoteAlgorithm.ED25519, bytes(32)),
        verifier_key("a", NoteAlgorithm.COSIGNED_ED25519, bytes(32)),
        verifier_key("a", NoteAlgorithm.ED25519, bytes(31) + b"\x01"),
    ]

    assert one.key_id == sha256(b"a\n\x01" + bytes(32)).digest()[:4]
    assert len({key.key_id for key in (one, *others)}) == 4


def test_no_part_of_a_key_can_be_changed():
    """A key with one character changed, cut short or lengthened is not read."""
    text = format_vkey(signers("log", ORIGIN)[0].verifier)
    others = [changed(text.encode(), at).decode("latin-1") for at in range(len(text))]
    others += [text[:size] for size in range(len(text))] + [
        text[1:],
        text + "A",
        text + "=",
        " " + text,
        text + "\n",
    ]
    for other in others:
        with pytest.raises(Rejected):
            parse_vkey(other)


@pytest.mark.parametrize("algorithm", [0, 2, 3, 5, 7, 0xFF])
def test_a_key_of_an_unknown_algorithm_is_refused(algorithm):
    """What we cannot verify with is no key, whatever its id."""
    raw = bytes([algorithm]) + bytes(32)
    key_id = sha256(b"a\n" + raw).digest()[:4].hex()

    with pytest.raises(Rejected):
        parse_vkey(f"a+{key_id}+{to_base64(raw)}")


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u2003b", "a\u0085b", "a\nb", "a\x01", "x" * 256, "é" * 128, "\udc80"]
)
def test_a_bad_name_is_refused(name):
    """Names have no spaces of any kind, no plus, no control characters, and a length that can be signed."""
    with pytest.raises(Rejected):
        check_key_name(name)


@pytest.mark.parametrize(
    "text", ["", "00", "01", "-1", "+1", " 1", "1 ", "1_0", "١", "1e3", "0x1", str(2**63), "9" * 30]
)
def test_a_number_has_one_form(text):
    """ASCII digits without leading zeroes, below 2^63."""
    with pytest.raises(Rejected):
        parse_number(text)


def test_numbers_are_read():
    """The smallest and the largest."""
    assert [parse_number(text) for text in ("0", "1", "10", str(2**63 - 1))] == [0, 1, 10, 2**63 - 1]


@QUICK
@given(st.binary(max_size=70))
def test_base64_has_one_form(data):
    """A word has the form of protocol/base64_text.py; any other is `Rejected`."""
    text = to_base64(data)

    assert read_word(text) == data
    for other in (text + "\n", " " + text, text.replace("=", ""), text.replace("+", "-"), text[:-1] + "é"):
        if other != text:
            with pytest.raises(Rejected):
                read_word(other)


def test_no_byte_of_a_note_has_a_second_reading():
    """A checkpoint with one byte changed is refused or is another note; no two byte strings are one note."""
    data = signed(head(5)).data
    original = parse_note(data)
    for at in range(len(data)):
        try:
            assert parse_note(changed(data, at)) != original
        except Rejected:
            continue
