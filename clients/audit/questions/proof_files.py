"""Proofs as files: their names, and never over a file that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clients.audit.copy.heads import Head
from clients.audit.questions.proving import Opening, prove_consistency, prove_inclusion
from clients.audit.questions.session import Desk
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.proof_file import SUFFIX, format_proof
from protocol.tlog.witnessing import format_request
from protocol.trail.ledger_leaves import Row, leaves_of_row
from protocol.trail.records import RecordType
from runtime.errors import Conflict


def write_proofs(
    leaves: Sequence[tuple[Head, int]], desk: Desk, out: Path, *, with_record: bool
) -> list[dict[str, Any]]:
    """A file for each leaf, and what each of them is."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for head, index in leaves:
        opening = opening_of(desk.row(head, index), index) if with_record else None
        proof = prove_inclusion(head, index, opening)
        path = out / f"{head.log.label.replace('/', '-')}-{index}{SUFFIX}"
        _write(path, format_proof(proof))
        rows.append(
            {
                "file": str(path),
                "log": head.checkpoint.origin,
                "leaf": index,
                "type": None if opening is None else RecordType(opening.record[2]).name.lower(),
            }
        )
    return rows


def write_consistency(head: Head, old: Checkpoint, out: Path) -> dict[str, Any]:
    """The proof that this log continues the older checkpoint."""
    path = prove_consistency(head, old.size, old.root)
    _write(out, format_request(old.size, path, head.signed.data))
    return {"log": head.checkpoint.origin, "from": old.size, "to": head.checkpoint.size, "file": str(out)}


def opening_of(row: Row | None, index: int) -> Opening | None:
    """What opens this leaf of the row's; None if the record was deleted."""
    leaves = () if row is None else leaves_of_row(row)
    if row is None or not leaves:
        return None
    leaf = leaves[index - row.index]
    return Opening(leaf.record, leaf.salt)


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise Conflict(f"{path} is there already", hint="name another place with --out") from None
