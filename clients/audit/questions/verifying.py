"""Verifying what an auditor hands in: a proof with its record, a receipt, a checkpoint, a replica.

Each function gives a row to print, or raises: `Rejected` with the code of what does not hold, `NotVerified`
where two things that hold each by itself do not fit together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, assert_never

from clients.audit.copy.copied_heads import CopiedHead, check_against
from clients.audit.findings import Finding
from clients.audit.questions.proving import Opening, find_leaf, prove_inclusion
from clients.audit.questions.rows import row_of_record
from clients.audit.questions.session import AuditSession
from protocol.canonical import decode
from protocol.envelope.wire import parse_submission
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, digest
from protocol.limits import MAX_ROW_ITEMS
from protocol.merkle import leaf_hash, verify_consistency
from protocol.parties import Parties
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.proof_file import TlogProof, verify_proof
from protocol.tlog.witnessing import parse_add_checkpoint
from protocol.trail.acts import Act, parse_any_record
from protocol.trail.batches import Leaf, decision_leaf, delivery_leaves, verify_decisions, verify_receipt
from protocol.trail.records import Delivered, Record, RecordType, entry_of
from runtime.errors import NotFound, NotVerified
from runtime.process.directory_file import framed_statements

Row = Mapping[str, Any]


def verify_message(proof: TlogProof, opening: Opening, policy: Policy, *, submission: bytes | None) -> Row:
    """A proof file and the record that it is about; and the message itself, if it is there."""
    record = parse_any_record(opening.record)
    kind = RecordType.DELIVERED if isinstance(record, Delivered) else record.type
    entry = entry_of(kind, record.t, opening.salt, opening.record)
    trusted = verify_proof(proof, leaf_hash(entry), policy)
    if submission is not None and not _is_about(record, submission):
        raise NotVerified(
            "the record is about another message than this one",
            hint="compare the SHA-256 of the message with the record's",
        )
    return {
        "log": trusted.checkpoint.origin,
        "leaf": proof.index,
        "size": trusted.checkpoint.size,
        "witnesses": list(trusted.witnesses),
        "message_checked": submission is not None,
        "record": row_of_record(record),
    }


def _is_about(record: Record | Delivered | Act, submission: bytes) -> bool:
    match record:
        case Record():
            return record.submission == digest(submission)
        case Delivered():
            return record.header_digest == parse_submission(submission).header_digest
        case Act():
            return False
        case _:
            assert_never(record)


@dataclass(frozen=True, slots=True)
class PromisedLeaf:
    """A leaf that a receipt promises, and what it stands for."""

    what: str
    leaf: Leaf


def promises_of(data: bytes, *, parties: Parties) -> list[PromisedLeaf]:
    """The leaves that a receipt promises, after its router's signature: the decision and its deliveries."""
    return [
        promise for record, raw, salt in _verified(data, parties) for promise in _promised(record, raw, salt)
    ]


def keep_promises(promises: Sequence[PromisedLeaf], heads: Sequence[CopiedHead]) -> list[Row]:
    """Where each promised leaf stands, proved; `NotVerified` if one is in no log."""
    rows = [_kept(promise, heads) for promise in promises]
    missing = [promise.what for promise, row in zip(promises, rows, strict=True) if row["leaf"] is None]
    if missing:
        sizes = ", ".join(f"{head.checkpoint.origin} at size {head.checkpoint.size}" for head in heads)
        raise NotVerified(
            f"the router signed it and the log does not have it: {', '.join(missing)}",
            hint=f"looked at: {sizes or 'no log'}. Is the copy newer than the receipt? Then keep both",
        )
    return rows


def verify_checkpoint(data: bytes, policy: Policy) -> tuple[Checkpoint, Row]:
    """A checkpoint that the policy trusts."""
    trusted = policy.trusted(parse_checkpoint(data))
    checkpoint = trusted.checkpoint
    return checkpoint, {
        "log": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "witnesses": list(trusted.witnesses),
    }


def verify_continuation(old: Checkpoint, new: Checkpoint, path: Sequence[Digest] | None) -> str:
    """How two trusted checkpoints of one log fit together, in words; `NotVerified` if they do not."""
    if old.origin != new.origin:
        raise NotVerified(
            f"they are checkpoints of two logs, {old.origin} and {new.origin}", hint="compare like with like"
        )
    if old.size == new.size:
        if old.root != new.root:
            raise NotVerified(
                f"{new.origin} signed two roots of size {new.size}: it shows two histories",
                hint="keep both checkpoints; together they prove it",
            )
        return "the same tree"
    if path is None:
        raise NotFound(
            f"whether size {new.size} continues size {old.size} cannot be said without a proof",
            hint="give a copy with --ledger, or a file of 'contrada audit prove consistency' with --proof",
        )
    if not verify_consistency(old.size, old.root, new=new.size, new_root=new.root, path=path):
        raise NotVerified(
            f"{new.origin} at size {new.size} does not continue what it signed at size {old.size}",
            hint="keep both checkpoints; if the proof is the log's own, they prove a fork",
        )
    return f"size {new.size} continues size {old.size}"


def verify_against(own: Checkpoint, other: Checkpoint, session: AuditSession, given: bytes | None) -> str:
    """Whether two trusted checkpoints belong to one history, by a proof or by a copy."""
    old, new = sorted((own, other), key=lambda each: each.size)
    if given is not None:
        proof = parse_add_checkpoint(given)
        if (proof.old, proof.signed.checkpoint) != (old.size, new):
            raise NotVerified(
                "the proof is about other checkpoints", hint="make one with 'contrada audit prove'"
            )
        return verify_continuation(old, new, proof.proof)
    if old.size == new.size or session.copy is None:
        return verify_continuation(old, new, None)
    head = session.head_of(new.origin)
    found: list[Finding] = []
    for each in (old, new):
        check_against(head, each, found.append, name=f"the checkpoint of size {each.size}")
    if found:
        raise NotVerified(found[0].what, hint=found[0].means)
    return f"size {new.size} continues size {old.size}"


def verify_replica(replica: BinaryIO, statements: Sequence[bytes], head: CopiedHead) -> Row:
    """A unit's replica of the directory against the directory's log: one is a prefix of the other."""
    own = 0
    for position, mine in enumerate(framed_statements(replica)):
        own += 1
        if position < len(statements) and mine != statements[position]:
            raise NotVerified(
                f"statement {position} of the replica is another than in {head.checkpoint.origin}",
                hint="the unit was shown another directory than the log has: keep both, call the centre",
            )
    if replica.read(1):
        raise Rejected(Code.E_SCHEMA, f"the replica is damaged at byte {replica.tell() - 1}")
    if own > len(statements):
        raise NotVerified(
            f"the replica has {own} statements, {head.checkpoint.origin} ends at {len(statements)}",
            hint="copy the log again; if it stays shorter, it was rolled back",
        )
    return {
        "log": head.checkpoint.origin,
        "statements": own,
        "of": len(statements),
        "witnesses": list(head.witnesses),
    }


def _verified(data: bytes, parties: Parties) -> Iterator[tuple[Record, bytes, bytes]]:
    match decode(data, items=MAX_ROW_ITEMS):
        case [_, bytes(raw), bytes(salt), _, _, _]:
            yield verify_receipt(data, parties=parties), raw, salt
        case [_, [*_], bytes()]:
            decisions = verify_decisions(data, parties=parties)
            for record, leaf in zip(decisions.records, decisions.leaves, strict=True):
                yield record, leaf.record, leaf.salt
        case _:
            raise Rejected(Code.E_SCHEMA, "neither a receipt nor a list of decisions")


def _promised(record: Record, raw: bytes, salt: bytes) -> Iterator[PromisedLeaf]:
    yield PromisedLeaf(record.type.name.lower(), decision_leaf(record, raw, salt))
    for leaf in delivery_leaves(record, raw, salt):
        yield PromisedLeaf(f"delivered to {row_of_record(parse_any_record(leaf.record))['unit']}", leaf)


def _kept(promise: PromisedLeaf, heads: Sequence[CopiedHead]) -> Row:
    missing: Rejected | None = None
    for head in heads:
        try:
            index = find_leaf(head.log, head.checkpoint, promise.leaf.hash)
        except Rejected as rejected:
            missing = rejected  # another half-year may have it all the same
            continue
        if index is not None:
            prove_inclusion(head, index, None)
            return {"what": promise.what, "log": head.checkpoint.origin, "leaf": index}
    if missing is not None:
        raise missing
    return {"what": promise.what, "log": None, "leaf": None}
