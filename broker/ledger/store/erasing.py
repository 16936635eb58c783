"""Deleting records, as acts in the log order it.

Rules: only an act deletes. The record, its salt and its index entries go, and cannot be read from SQLite's
files any more (databases.py). The row stays with the leaf that ordered it, so that a check can tell a deleted
record from a missing one; the leaf stays in the tree, and every proof of the others holds. To delete twice
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select, update

from broker.ledger.store.queries import base_of
from broker.ledger.store.schema import concerns, records
from protocol.trail.records import NEVER_DELETED
from runtime.process.databases import overwrite_deleted

_NOTHING: Final = {
    "record": None, "salt": None, "mid": None, "thread": None, "sender": None, "units": "", "reasons": "",
    "subject": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Erasure:
    """Records to be deleted, and the act that orders it."""

    origin: str
    indexes: Sequence[int]
    """Leaves. One that follows from a decision stands for the decision and all that follows from it."""

    by: str
    """`ORIGIN#INDEX` of the act's own leaf."""


def erase_records(connection: Connection, erasure: Erasure) -> int:
    """Do it, within the transaction of `connection`; how many records there were."""
    base = base_of(connection, erasure.origin)
    if base is None:
        return 0
    overwrite_deleted(connection)
    return sum(_erase_row(connection, base, index, erasure.by) for index in erasure.indexes)


def _erase_row(connection: Connection, base: int, index: int, by: str) -> bool:
    opening = records.c.id.between(base, base + index)
    columns = (records.c.id, records.c.leaves, records.c.type, records.c.units, records.c.erased_by)
    found = connection.execute(select(*columns).where(opening).order_by(records.c.id.desc()).limit(1)).first()
    if found is None:
        return False
    key, leaves, kind, units, erased_by = found
    # An order to delete, for one, stays: a search for the record must show why it is gone.
    if key + leaves <= base + index or kind in NEVER_DELETED or erased_by is not None:
        return False
    connection.execute(update(records).where(records.c.id == key).values(**_NOTHING, erased_by=by))
    named = concerns.c.unit.in_(units.split())
    connection.execute(delete(concerns).where(named, concerns.c.id == key))
    return True
