"""`contrada ledger export`: the store of records as one SQLite file, for an auditor's copy.

For a store in PostgreSQL; one in SQLite is that file already ('contrada audit mirror' copies it). Owns the
copying only. Rule: the new file holds what the lock rows cover, no more: rows that are added meanwhile wait
for the next export.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import LogState, RecordStore
from runtime.errors import Conflict, NotFound
from runtime.files import new_file

_PAGE: Final = 5_000


def export_records(settings: LedgerSettings, out: Path) -> dict[str, Any]:
    """Copy everything to a new file; returns how many rows of each log."""
    if out.exists():
        raise Conflict(f"{out} is there already", hint="name a new file")
    if not out.absolute().parent.is_dir():
        raise NotFound(f"there is no directory {out.parent}", hint="make it first, or name another file")
    told: dict[str, Any] = {"file": str(out)}
    source = RecordStore(settings.records_url, read_only=True)
    with new_file(out.absolute()) as beside, contextlib.closing(source):
        target = RecordStore(f"sqlite:///{beside}")
        with contextlib.closing(target):
            for state in source.states():
                told[state.origin] = _copy(source, target, state)
    return told


def _copy(source: RecordStore, target: RecordStore, state: LogState) -> int:
    rows, count = source.rows(state.origin, end=state.size), 0
    # Open while it is copied, whatever it is at the source: a closed log takes no rows.
    opened = replace(state, next=None)
    target.commit(None, opened)
    while page := list(islice(rows, _PAGE)):
        target.commit(opened, opened, page)
        count += len(page)
    target.commit(opened, state, signed=source.signed(state.origin))
    return count
