"""Cosignatures (C2SP tlog-cosignature): a witness's signature that the log only grew, up to this checkpoint.

Owns making one, reading what a witness answers, and adding lines to a checkpoint. The signed bytes are
drawn in protocol/tlog/checkpoints.py. Rule: nothing that a witness answered goes into a checkpoint before it
verified, because one false line of a known witness makes the whole note invalid for every reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocol.errors import Code, MisuseError, Rejected
from protocol.tlog.checkpoints import (
    Checkpoint,
    CheckpointSigner,
    Seconds,
    parse_checkpoint,
    signature_by,
    signature_time,
)
from protocol.tlog.notes import (
    Note,
    NoteAlgorithm,
    NoteSignature,
    VerifierKey,
    format_note,
    format_signatures,
    note_text,
    parse_signatures,
)

WITNESS_ALGORITHMS = frozenset((NoteAlgorithm.COSIGNED_ED25519, NoteAlgorithm.COSIGNED_ML_DSA_44))


def cosign(checkpoint: Checkpoint, signer: CheckpointSigner, *, now: Seconds) -> str:
    """A witness's signature line, with its newline. Whether it may: `witnessing.decide_cosigning`."""
    if signer.verifier.algorithm not in WITNESS_ALGORITHMS:
        raise MisuseError("a witness signs with a time")
    return format_signatures([signature_by(signer, checkpoint, now=now)])


def cosignature_time(checkpoint: Checkpoint, key: VerifierKey, line: NoteSignature) -> Seconds:
    """When this witness cosigned; `Rejected(E_COSIGNATURE)` if the line is not its signature over this."""
    time = signature_time(checkpoint, key, line.signature)
    # A time of 0 is a statement about a subtree, not about the largest tree that the witness has seen.
    if not time or key.algorithm not in WITNESS_ALGORITHMS:
        raise Rejected(Code.E_COSIGNATURE, f"not a cosignature by {key.name}")
    return time


def accept_cosignatures(
    answer: bytes, checkpoint: Checkpoint, keys: Iterable[VerifierKey]
) -> Mapping[str, Seconds]:
    """What a witness answered to add-checkpoint: lines by these keys, verified, each with its time.

    Lines by other keys are left out, as the protocol asks.
    """
    accepted: dict[str, Seconds] = {}
    known = tuple(keys)
    for line in parse_signatures(note_text(answer)):
        for key in known:
            if line.is_by(key):
                accepted[format_signatures([line])] = cosignature_time(checkpoint, key, line)
    return accepted


def with_cosignatures(note: bytes, lines: Iterable[str]) -> bytes:
    """The checkpoint with these lines under it; a newer line by the same key takes the older one's place."""
    signed = parse_checkpoint(note).note
    by_key = {(s.name, s.key_id): s for s in signed.signatures}
    for line in lines:
        by_key |= {(s.name, s.key_id): s for s in parse_signatures(note_text(line.encode()))}
    return format_note(Note(signed.text, tuple(by_key.values())))
