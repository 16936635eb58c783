"""`message proof --out`: each leaf of a message as files that anybody can verify offline.

<id>-<leaf>.tlog-proof     the proof (c2sp.org/tlog-proof): index, path, cosigned checkpoint
<id>-<leaf>.json           what the leaf is made of: {"leaf", "log", "index", "record", "salt"}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.files import write_new_file

_MADE_OF = ("leaf", "log", "index", "record", "salt")


def write_proof_files(found: dict[str, Any], out: Path) -> None:
    """Write the files, and name each proof's in `found`; never over others."""
    out.mkdir(parents=True, exist_ok=True)
    for row in found["proofs"]:
        name = out / f"{found['id']}-{row['leaf']}"
        row["file"] = f"{name}.tlog-proof"
        made_of = json.dumps({key: row[key] for key in _MADE_OF}, indent=2) + "\n"
        write_new_file(Path(row["file"]), row["proof"].encode())
        write_new_file(Path(f"{name}.json"), made_of.encode())
