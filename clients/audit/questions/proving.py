"""Making proofs from a copy: that a leaf is in a log, and that a log continues an earlier checkpoint.

    inclusion      a C2SP tlog-proof; its extra data is [ 1, record, salt ], from which the reader of the
                   file computes the leaf: the proof needs nothing beside it but a policy
    consistency    as a witness is asked (C2SP tlog-witness): old size, hashes, the checkpoint

Rule: a proof is verified before it is written. One that does not verify is an error, and is not written.
"""

from __future__ import annotations

from dataclasses import dataclass

from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.copy.ledger_copy import LogFiles
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.json_text import read_json
from protocol.limits import MAX_PROOF_EXTRA, MAX_RECORD
from protocol.merkle import leaf_hash, verify_consistency, verify_inclusion
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.proof_file import TlogProof
from protocol.tlog.proofs import consistency_proof, inclusion_proof
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, read_entries, read_hashes, tile_of
from protocol.trail.records import RECORD_SALT
from runtime.errors import NotFound, NotVerified

VERSION = 1


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a leaf: the record and its salt."""

    record: bytes
    salt: bytes


def prove_inclusion(head: CopiedHead, index: int, opening: Opening | None) -> TlogProof:
    """The proof for this leaf, verified."""
    checkpoint, read = head.checkpoint, head.log.read
    path = inclusion_proof(index, checkpoint.size, read)
    entry = read_entries(read, tile_of(ENTRIES, index // TILE_WIDTH, size=checkpoint.size))[
        index % TILE_WIDTH
    ]
    leaf = leaf_hash(entry)
    if not verify_inclusion(leaf, index=index, size=checkpoint.size, path=path, root=checkpoint.root):
        raise NotVerified(
            f"leaf {index} of {checkpoint.origin} is not in the tree that the checkpoint signs",
            hint="'contrada audit fsck' says which file is wrong",
        )
    extra = None if opening is None else write_opening(opening)
    # Records of many reasons are larger than a proof's extra data may be: then the record goes beside it.
    fits = extra is not None and len(extra) <= MAX_PROOF_EXTRA
    return TlogProof(index, path, head.signed.data, extra if fits else None)


def prove_consistency(head: CopiedHead, old: int, old_root: Digest | None) -> tuple[Digest, ...]:
    """The proof that the log continues what it was at this size, verified if the old root is known."""
    new = head.checkpoint
    path = consistency_proof(old, new.size, head.log.read)
    if old_root is not None and not verify_consistency(
        old, old_root, new=new.size, new_root=new.root, path=path
    ):
        raise NotVerified(
            f"{new.origin} does not continue what was signed at size {old}",
            hint="keep both checkpoints: together they prove a fork. 'contrada audit fsck' checks the copy",
        )
    return path


def write_opening(opening: Opening) -> bytes:
    """The extra data of a proof."""
    return encode([VERSION, opening.record, opening.salt])


def read_opening(data: bytes) -> Opening:
    """Record and salt: from a proof's extra data, or from the file that a unit writes beside a proof."""
    match _in_hexadecimal(data) if data[:1] == b"{" else decode(data):
        case [1, bytes(record), bytes(salt)] | [bytes(record), bytes(salt)] if len(salt) == RECORD_SALT:
            return Opening(record, salt)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a record with its salt")


def _in_hexadecimal(data: bytes) -> list[bytes]:
    read = read_json(data, at_most=MAX_RECORD)
    if read.faults:
        raise Rejected(Code.E_SCHEMA, f"not a record with its salt: {read.faults[0]}")
    try:
        return [bytes.fromhex(read.value["record"]), bytes.fromhex(read.value["salt"])]
    except (ValueError, TypeError, LookupError):
        raise Rejected(Code.E_SCHEMA, "not a record with its salt in hexadecimal") from None


def opening_of_proof(proof: TlogProof, beside: bytes | None) -> Opening:
    """What opens the leaf of a proof: the file beside it, or what it carries itself."""
    data = proof.extra if beside is None else beside
    if data is None:
        raise NotFound("the proof carries no record", hint="give record and salt with --record")
    return read_opening(data)


def find_leaf(log: LogFiles, checkpoint: Checkpoint, leaf: Digest) -> int | None:
    """The index of this leaf hash, by a scan of all. The result still has to be proved.

    `Rejected` where it was not found and a file is missing: that is no sign that the log does not have it.
    """
    missing: Rejected | None = None
    for index in range(-(-checkpoint.size // TILE_WIDTH)):
        try:
            hashes = read_hashes(log.read, tile_of(0, index, size=checkpoint.size))
        except Rejected as rejected:
            # The size is a number in an untrusted file: the first file that is not there is enough.
            missing = missing or rejected
            if index * TILE_WIDTH > log.leaves_at_most():
                break
            continue
        if leaf in hashes:
            return index * TILE_WIDTH + hashes.index(leaf)
    if missing is not None:
        raise missing
    return None
