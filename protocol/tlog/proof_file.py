"""Proof files (C2SP tlog-proof): a leaf is in a log that a quorum cosigned. Verified offline.

    c2sp.org/tlog-proof@v1
    extra <base64>                   optional; nobody signed it
    index <index of the leaf>
    <base64(hash)>                   the inclusion path, from the leaf's sibling up; none for a tree of one
    <empty line>
    <checkpoint, with its signatures, verbatim>

Rules: one form for one proof. The caller knows the leaf; a proof does not carry it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protocol import limits
from protocol.base64_text import to_base64
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.merkle import root_from_path
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.notes import parse_number, read_word
from protocol.tlog.policy import Policy, Trusted

TLOG_PROOF = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
_MAX_PROOF = limits.MAX_NOTE + limits.MAX_PROOF_PATH * 45 + limits.MAX_PROOF_EXTRA * 4 // 3 + 128


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The index of a leaf, its path to the root, and the checkpoint that signs the root."""

    index: int
    path: tuple[Digest, ...]
    checkpoint_note: bytes
    extra: bytes | None = None


def format_proof(proof: TlogProof) -> bytes:
    """The proof as a file."""
    lines = [TLOG_PROOF]
    if proof.extra is not None:
        lines.append(f"extra {to_base64(proof.extra)}")
    lines += [f"index {proof.index}", *map(to_base64, proof.path), "", ""]
    return "\n".join(lines).encode() + proof.checkpoint_note


def parse_proof(data: bytes) -> TlogProof:
    """A proof, checked in form, its checkpoint too."""
    if len(data) > _MAX_PROOF:
        raise Rejected(Code.E_NOTE, f"{len(data)} bytes, at most {_MAX_PROOF} allowed")
    head, found, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Rejected(Code.E_NOTE, "not a proof file") from None
    if not found or lines.pop(0) != TLOG_PROOF:
        raise Rejected(Code.E_NOTE, f"not a proof file that begins with {TLOG_PROOF}")
    extra = read_word(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise Rejected(Code.E_NOTE, "a proof without an index")
    index = parse_number(lines.pop(0)[6:])
    parse_checkpoint(note)
    return TlogProof(index, parse_hashes(lines), note, extra)


def verify_proof(proof: TlogProof, leaf: Digest, policy: Policy) -> Trusted:
    """What the proof shows: this leaf hash (`merkle.leaf_hash(entry)`) is in a log that the policy trusts.

    The steps are those of the specification: origin and log, witnesses, then the path.
    """
    trusted = policy.trusted(parse_checkpoint(proof.checkpoint_note))
    head = trusted.checkpoint
    if root_from_path(leaf, index=proof.index, size=head.size, path=proof.path) != head.root:
        raise Rejected(
            Code.E_INCLUSION, f"leaf {proof.index} of {head.origin} at size {head.size} is another"
        )
    return trusted


def parse_hashes(lines: Iterable[str]) -> tuple[Digest, ...]:
    """The hashes of a path, one a line."""
    hashes = tuple(Digest(read_word(line)) for line in lines)
    if len(hashes) > limits.MAX_PROOF_PATH or any(len(step) != 32 for step in hashes):
        raise Rejected(Code.E_NOTE, f"not at most {limits.MAX_PROOF_PATH} hashes of 32 bytes")
    return hashes
