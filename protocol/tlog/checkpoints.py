r"""Checkpoints (C2SP tlog-checkpoint): the signed head of a log, and the bytes that each key signs of it.

    <origin>\n<size>\n<base64(root)>\n          the body; no extension lines, which ML-DSA would not sign

Signed, by algorithm of the key (protocol/tlog/notes.py):

    0x01   body
    0x04   "cosignature/v1\ntime " || decimal(time) || "\n" || body
    0x06   "subtree/v1\n\0" || len8 || key name || time: u64 || len8 || origin
                              || start: u64 = 0 || end: u64 = size || root: 32        (RFC 8446 notation)

and the signature in the note is 0x01: ed25519(64); 0x04, 0x06: time: u64 || ed25519(64) or ml-dsa-44(2420).
The three cannot be taken for each other: an origin would have to be "cosignature/v1" with a size "time ..",
or contain a NUL. A log signs with 0x01 and 0x06, a witness with 0x04 and 0x06.

Rules: times here are seconds, as C2SP has them, and their type says so. A checkpoint has one form of bytes.
Which keys are trusted is decided in protocol/tlog/policy.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType, Protocol, assert_never

from protocol.base64_text import to_base64
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Digest, Millis
from protocol.parties import TreeHead
from protocol.public_keys import verify_ed25519, verify_ml_dsa_44
from protocol.tlog.notes import (
    Note,
    NoteAlgorithm,
    NoteSignature,
    VerifierKey,
    check_key_name,
    format_note,
    note_text,
    parse_note,
    parse_number,
    read_word,
)

Seconds = NewType("Seconds", int)

_MAX_TIME = 2**63 - 1
_TIME_SIZE = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of one log. Made by a log, or by `parse_body`."""

    origin: str
    size: int
    root: Digest

    def body(self) -> str:
        """The text that is signed, and that stands as the first entry of the next shard."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @property
    def head(self) -> TreeHead:
        """Size and root, without the name of the log."""
        return TreeHead(self.size, self.root)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with the signatures under it, none of them verified, and its bytes."""

    checkpoint: Checkpoint
    note: Note
    data: bytes


class CheckpointSigner(Protocol):
    """A private key for one name and one algorithm."""

    @property
    def verifier(self) -> VerifierKey:
        """Its public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The bare signature over these bytes."""
        ...


def seconds(t: Millis) -> Seconds:
    """Milliseconds as C2SP's seconds."""
    return Seconds(t // 1000)


def parse_checkpoint(data: bytes) -> SignedCheckpoint:
    """A checkpoint with its signatures, checked in form."""
    note = parse_note(data)
    return SignedCheckpoint(parse_body(note.text.encode()), note, data)


def parse_body(data: bytes) -> Checkpoint:
    """A checkpoint's text without signatures."""
    match note_text(data).split("\n"):
        case [origin, size, root, ""]:
            check_key_name(origin)
            hashed = read_word(root)
        case _:
            raise Rejected(Code.E_CHECKPOINT, "not three lines: origin, size, root")
    if len(hashed) != 32:
        raise Rejected(Code.E_CHECKPOINT, "a root does not have 32 bytes")
    return Checkpoint(origin, parse_number(size), Digest(hashed))


def sign_checkpoint(checkpoint: Checkpoint, signers: Iterable[CheckpointSigner], *, now: Seconds) -> bytes:
    """The checkpoint as its log signs it, with all its keys."""
    keys = list(signers)
    if not keys or any(signer.verifier.name != checkpoint.origin for signer in keys):
        raise MisuseError("a log signs its own checkpoints, under its own name")
    lines = tuple(signature_by(signer, checkpoint, now=now) for signer in keys)
    return format_note(Note(checkpoint.body(), lines))


def signature_by(signer: CheckpointSigner, checkpoint: Checkpoint, *, now: Seconds) -> NoteSignature:
    """One signature line, by a log or by a witness."""
    key = signer.verifier
    if not 0 < now <= _MAX_TIME:
        raise MisuseError("a time that cannot be signed")
    signature = signer.sign(signed_bytes(checkpoint, key, time=now))
    if key.algorithm is not NoteAlgorithm.ED25519:
        signature = now.to_bytes(_TIME_SIZE, "big") + signature
    return NoteSignature(key.name, key.key_id, signature)


def signature_time(checkpoint: Checkpoint, key: VerifierKey, signature: bytes) -> Seconds | None:
    """When this key signed the checkpoint (0: not stated), or None if it did not sign it."""
    if key.algorithm is NoteAlgorithm.ED25519:
        return Seconds(0) if verify_ed25519(key.public, signature, signed_bytes(checkpoint, key)) else None
    time = Seconds(int.from_bytes(signature[:_TIME_SIZE], "big"))
    if len(signature) <= _TIME_SIZE or time > _MAX_TIME:
        return None
    verify = verify_ed25519 if key.algorithm is NoteAlgorithm.COSIGNED_ED25519 else verify_ml_dsa_44
    message = signed_bytes(checkpoint, key, time=time)
    return time if verify(key.public, signature[_TIME_SIZE:], message) else None


def signed_bytes(checkpoint: Checkpoint, key: VerifierKey, *, time: Seconds = Seconds(0)) -> bytes:
    """What this key signs of the checkpoint; drawn above."""
    match key.algorithm:
        case NoteAlgorithm.ED25519:
            return checkpoint.body().encode()
        case NoteAlgorithm.COSIGNED_ED25519:
            return f"cosignature/v1\ntime {time}\n{checkpoint.body()}".encode()
        case NoteAlgorithm.COSIGNED_ML_DSA_44:
            return b"".join([
                b"subtree/v1\n\0", _prefixed(key.name), time.to_bytes(8, "big"), _prefixed(checkpoint.origin),
                bytes(8), checkpoint.size.to_bytes(8, "big"), checkpoint.root,
            ])  # fmt: skip
        case _ as never:
            assert_never(never)


def _prefixed(name: str) -> bytes:
    raw = name.encode()
    return bytes([len(raw)]) + raw
