"""`message proof --out`: each leaf of a message as files that anybody can verify offline.

<id>-<leaf>.tlog-proof     the proof (c2sp.org/tlog-proof): index, path, cosigned checkpoint
<id>-<leaf>.json           what the leaf is made of: {"leaf", "log", "index", "record", "salt"}

Where two senders have used the id, the name has the sender too: <id>-<sender>-<leaf>.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MADE_OF = ("leaf", "log", "index", "record", "salt")


def write_proof_files(found: dict[str, Any], out: Path) -> None:
    """Write the files, all or none, and name each proof's in `found`; never over others."""
    from runtime.files import write_new_files  # noqa: PLC0415 - it brings the keys; most calls write nothing

    files: dict[Path, bytes] = {}
    for row in found["proofs"]:
        name = out / f"{whose(found['id'], row, found['proofs'])}-{row['leaf']}"
        row["file"] = f"{name}.tlog-proof"
        made_of = json.dumps({key: row[key] for key in _MADE_OF}, indent=2) + "\n"
        files[Path(row["file"])] = row["proof"].encode()
        files[Path(f"{name}.json")] = made_of.encode()
    out.mkdir(parents=True, exist_ok=True)
    write_new_files(files)


def whose(message_id: str, row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """How the names of a message's files begin: the id, and its sender where the id is of two messages."""
    senders = {one["sender"] for one in rows}
    return message_id if len(senders) < 2 else f"{message_id}-{row['sender']}"
