"""Signed notes (C2SP signed-note): a text and the signatures under it. Form only; nothing is verified here.

    <text, ends in a newline>
    <empty line>
    — <key name> base64(key id: 4 bytes || signature)        one line or more

Owns keys as text ("vkeys") too:

    <key name>+hex(key id)+base64(algorithm: 1 byte || public key)
    key id = SHA-256(key name || 0x0A || algorithm || public key)[:4]

Rules: what is parsed is written again byte for byte (`format_note(parse_note(data)) == data`), so that a
note has one form: base64 without stray bits, no second space, no carriage return. A key id is a label and no
proof; a verifier has the whole key (protocol/tlog/policy.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from protocol import limits
from protocol.base64_text import base64_fault, from_base64, to_base64
from protocol.errors import Code, Rejected
from protocol.public_keys import ED25519_SIZE, ML_DSA_44_SIZE

KEY_ID_SIZE = 4
_DASH = "\N{EM DASH} "
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f]")
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_NUMBER = 2**63 - 1


class NoteAlgorithm(IntEnum):
    """What a key signs, and how. The bytes that C2SP assigned."""

    ED25519 = 0x01
    """The text of a note (signed-note)."""

    COSIGNED_ED25519 = 0x04
    """A checkpoint's text and a time (tlog-cosignature)."""

    COSIGNED_ML_DSA_44 = 0x06
    """A signer's name, a tree head and a time (tlog-cosignature)."""


PUBLIC_SIZE = {
    NoteAlgorithm.ED25519: ED25519_SIZE,
    NoteAlgorithm.COSIGNED_ED25519: ED25519_SIZE,
    NoteAlgorithm.COSIGNED_ML_DSA_44: ML_DSA_44_SIZE,
}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name, for one algorithm. Made by `verifier_key` or `parse_vkey`."""

    name: str
    key_id: bytes
    algorithm: NoteAlgorithm
    public: bytes


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the claimed signer, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def is_by(self, key: VerifierKey) -> bool:
        """Whether the line claims this key."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it, none of them verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def by(self, key: VerifierKey) -> tuple[NoteSignature, ...]:
        """The signatures that name this key."""
        return tuple(line for line in self.signatures if line.is_by(key))


def verifier_key(name: str, algorithm: NoteAlgorithm, public: bytes) -> VerifierKey:
    """The key with its id."""
    check_key_name(name)
    if len(public) != PUBLIC_SIZE[algorithm]:
        raise Rejected(Code.E_NOTE, "a verifier key has the wrong size")
    hashed = sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()
    return VerifierKey(name, hashed[:KEY_ID_SIZE], algorithm, public)


def parse_vkey(text: str) -> VerifierKey:
    """A key as it stands in a policy file; its id must be the one that its content gives."""
    match text.split("+", 2):
        case [name, key_id, encoded] if _KEY_ID.fullmatch(key_id):
            raw = read_word(encoded)
        case _:
            raise Rejected(Code.E_NOTE, "not a verifier key: name+id+key")
    if not raw or raw[0] not in PUBLIC_SIZE:
        raise Rejected(Code.E_NOTE, "a verifier key of an algorithm that we do not know")
    key = verifier_key(name, NoteAlgorithm(raw[0]), raw[1:])
    if key.key_id.hex() != key_id:
        raise Rejected(Code.E_NOTE, "a verifier key whose id does not fit its name and content")
    return key


def format_vkey(key: VerifierKey) -> str:
    """The key as one line of text."""
    return f"{key.name}+{key.key_id.hex()}+{to_base64(bytes([key.algorithm]) + key.public)}"


def parse_note(data: bytes) -> Note:
    """A note in its one form; `Rejected(E_NOTE)` for everything else."""
    text, found, lines = note_text(data).rpartition("\n\n")
    # The text keeps its own newline; the other one is the empty line. No signature line is empty.
    if not found or not text or not lines.endswith("\n"):
        raise Rejected(Code.E_NOTE, "not a text, an empty line and signatures")
    return Note(text + "\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """One or more signature lines, each with its newline."""
    rows = lines.split("\n")
    if rows.pop() or not 0 < len(rows) <= limits.MAX_NOTE_SIGNATURES:
        raise Rejected(Code.E_NOTE, f"not between 1 and {limits.MAX_NOTE_SIGNATURES} lines of signatures")
    return tuple(_parse_line(row) for row in rows)


def format_note(note: Note) -> bytes:
    """The note as bytes."""
    return (note.text + "\n" + format_signatures(note.signatures)).encode()


def format_signatures(signatures: Iterable[NoteSignature]) -> str:
    """Signature lines, each with its newline."""
    return "".join(f"{_DASH}{s.name} {to_base64(s.key_id + s.signature)}\n" for s in signatures)


def note_text(data: bytes) -> str:
    """The characters that a note may consist of: UTF-8, and no control character but the newline."""
    if len(data) > limits.MAX_NOTE:
        raise Rejected(Code.E_NOTE, f"{len(data)} bytes, at most {limits.MAX_NOTE} allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected(Code.E_NOTE, "not UTF-8") from None
    if _CONTROLS.search(text):
        raise Rejected(Code.E_NOTE, "a control character")
    return text


def check_key_name(name: str) -> None:
    """A key's name: not empty, no Unicode space, no plus; at most 255 bytes (it is signed)."""
    if "+" in name or any(character.isspace() or character < " " for character in name):
        raise Rejected(Code.E_NOTE, "a key name with a space, a plus or a control character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise Rejected(Code.E_NOTE, "a key name that is not Unicode") from None
    if not 0 < size <= limits.MAX_KEY_NAME:
        raise Rejected(Code.E_NOTE, f"a key name of {size} bytes")


def read_word(text: str) -> bytes:
    """The bytes that a word of base64 in a note stands for; in any other form it would be malleable."""
    try:
        return from_base64(text)
    except ValueError:
        raise Rejected(Code.E_NOTE, f"not base64: {base64_fault(text)}") from None


def parse_number(text: str) -> int:
    """A size, an index or a time: ASCII decimal without leading zeroes, below 2^63."""
    if _NUMBER.fullmatch(text) is None or int(text) > _MAX_NUMBER:
        raise Rejected(Code.E_NOTE, "not a number in its one decimal form")
    return int(text)


def _parse_line(row: str) -> NoteSignature:
    # A name has no space, so there is one way to read the line.
    name, found, encoded = row.removeprefix(_DASH).partition(" ")
    if not row.startswith(_DASH) or not found:
        raise Rejected(Code.E_NOTE, "not a signature line")
    check_key_name(name)
    raw = read_word(encoded)
    if len(raw) <= KEY_ID_SIZE:
        raise Rejected(Code.E_NOTE, "a signature of no bytes")
    return NoteSignature(name, raw[:KEY_ID_SIZE], raw[KEY_ID_SIZE:])
