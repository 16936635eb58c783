"""`witness status`: the state of a witness, read from its files.

Works beside a running witness, and without one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clients.witness.evidence import EvidenceFolder
from clients.witness.head_store import HeadStore
from clients.witness.home import witness_home


def witness_view(path: Path) -> dict[str, Any]:
    """The heads and the evidence."""
    home = witness_home(path)
    home.check()
    heads = HeadStore(home.heads, read_only=True)
    try:
        begins = heads.beginnings()
        logs = [
            {
                "log": head.origin,
                "size": head.size,
                "root": head.root.hex(),
                "t": head.t,
                "continues": begins.get(head.origin),
            }
            for head in heads.heads()
        ]
    finally:
        heads.close()
    evidence = [
        {
            "kind": kept.kind.value,
            "log": kept.origin,
            "t": kept.t,
            "offered_size": kept.offered_size,
            "offered_root": kept.offered_root,
            "cosigned_size": kept.cosigned_size,
            "cosigned_root": kept.cosigned_root,
            "folder": kept.folder,
        }
        for kept in EvidenceFolder(home.evidence).all()
    ]
    return {"home": str(home.path), "logs": logs, "evidence": evidence}
