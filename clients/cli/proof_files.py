"""`message proof --out`: each leaf of a message as files that anybody can verify offline.

<id>-<leaf>.tlog-proof     the proof (c2sp.org/tlog-proof): index, path, cosigned checkpoint
<id>-<leaf>.json           what the leaf is made of: {"leaf", "log", "index", "record", "salt"}
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
        name = out / f"{found['id']}-{row['leaf']}"
        row["file"] = f"{name}.tlog-proof"
        made_of = json.dumps({key: row[key] for key in _MADE_OF}, indent=2) + "\n"
        files[Path(row["file"])] = row["proof"].encode()
        files[Path(f"{name}.json")] = made_of.encode()
    out.mkdir(parents=True, exist_ok=True)
    write_new_files(files)
