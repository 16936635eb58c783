"""Writing proofs to files: their names, and never over an existing file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.questions.proving import Opening, prove_consistency, prove_inclusion
from clients.audit.questions.session import AuditSession
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.proof_file import SUFFIX, format_proof
from protocol.tlog.witnessing import format_add_checkpoint
from protocol.trail.ledger_leaves import Row, leaves_of_row
from protocol.trail.records import RecordType
from runtime.files import write_new_file, write_new_files

_HINT = "name another place with --out"


def write_inclusion_proofs(
    leaves: Sequence[tuple[CopiedHead, int]], session: AuditSession, out: Path, *, with_record: bool
) -> list[dict[str, Any]]:
    """Write a file for each leaf, all or none; returns a row for each."""
    rows: list[dict[str, Any]] = []
    files: dict[Path, bytes] = {}
    for head, index in leaves:
        opening = opening_of_leaf(session.row(head, index), index) if with_record else None
        proof = prove_inclusion(head, index, opening)
        path = out / f"{head.log.label.replace('/', '-')}-{index}{SUFFIX}"
        files[path] = format_proof(proof)
        rows.append(
            {
                "file": str(path),
                "log": head.checkpoint.origin,
                "leaf": index,
                "type": None if opening is None else RecordType(opening.record[2]).name.lower(),
            }
        )
    out.mkdir(parents=True, exist_ok=True)
    write_new_files(files, hint=_HINT)
    return rows


def write_consistency(head: CopiedHead, old: Checkpoint, out: Path) -> dict[str, Any]:
    """The proof that this log continues the older checkpoint."""
    path = prove_consistency(head, old.size, old.root)
    write_new_file(out, format_add_checkpoint(old.size, path, head.signed.data), hint=_HINT)
    return {"log": head.checkpoint.origin, "from": old.size, "to": head.checkpoint.size, "file": str(out)}


def opening_of_leaf(row: Row | None, index: int) -> Opening | None:
    """What opens this leaf of the row's; None if the record was deleted."""
    leaves = () if row is None else leaves_of_row(row)
    if row is None or not leaves:
        return None
    leaf = leaves[index - row.index]
    return Opening(leaf.record, leaf.salt)
