"""`message receipt --out`: writes a message's receipts as files for `audit verify receipt`.

<id>-sent-<decision>.receipt        the decision on what this unit sent
<id>-received-<decision>.receipt    the decision that came with a delivery

Where two senders have used the id, the name has the sender too, as of proofs (proof_files.py).
A message that was sealed and refused more than once has more than one: -2, -3 and so on before the ending.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from clients.cli.proof_files import whose


def write_receipts(found: dict[str, Any], out: Path) -> None:
    """Write the files, all or none, and name each in `found`; never over others."""
    names: Counter[str] = Counter()
    from runtime.files import write_new_files  # noqa: PLC0415 - it brings the keys; most calls write nothing

    files: dict[Path, bytes] = {}
    for row in found["receipts"]:
        name = f"{whose(found['id'], row, found['receipts'])}-{row['side']}-{row['leaf']}"
        names[name] += 1
        path = out / (f"{name}-{names[name]}.receipt" if names[name] > 1 else f"{name}.receipt")
        row["file"] = str(path)
        files[path] = bytes.fromhex(row["receipt"])
    out.mkdir(parents=True, exist_ok=True)
    write_new_files(files)
