"""Reading the copied store of records: SQLite, in the tables of protocol/trail/records_file.py.

The file is not trusted and is not changed: it is opened for reading, and without its lock files where it
lies on a medium that cannot be written. The caller checks every answer against the log.
"""
# ruff: noqa: S608 - the names of tables and columns are constants; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clients.audit.findings import Finding, FindingKind, Tell
from protocol.trail.ledger_leaves import Row
from protocol.trail.records import NEVER_DELETED
from protocol.trail.records_file import (
    BATCHES,
    INDEX_BITS,
    LAST_INDEX,
    LOGS,
    RECORDS,
    ROW_COLUMNS,
    SignedLeaves,
    first_id,
    index_in,
    number_in,
)
from runtime.errors import Unavailable

_ROW = f"id & {LAST_INDEX}, {', '.join(ROW_COLUMNS)}"
_ROWS = f"SELECT {_ROW} FROM {RECORDS} WHERE id >= ? AND id < ? ORDER BY id"
_LAST = f"SELECT {_ROW} FROM {RECORDS} WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1"
_COVERED = f"SELECT coalesce(sum(leaves), 0), max(id + leaves) FROM {RECORDS} WHERE id >= ? AND id < ?"
_SIGNED = f"SELECT id, leaves, signed FROM {BATCHES} WHERE id >= ? AND id < ? ORDER BY id"


class RecordReader:
    """The open store. Close it, or use it with `with`."""

    def __init__(self, path: Path) -> None:
        self._database = _open(path)
        self._bases = {
            origin: first_id(number) for origin, number in self._ask(f"SELECT origin, number FROM {LOGS}")
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def rows(self, origin: str, first: int, last: int) -> Generator[Row]:
        """The rows that stand at these leaves, in their order; the last one does not belong to it."""
        base = self._bases.get(origin)
        if base is not None:
            yield from map(Row._make, _fetched(self._ask(_ROWS, (base + first, base + last))))

    def row(self, origin: str, index: int) -> Row | None:
        """The row that opens this leaf: at it, or, of a delivery, at the decision before it."""
        base = self._bases.get(origin)
        if base is None:
            return None
        row = next(map(Row._make, _fetched(self._ask(_LAST, (base, base + index)))), None)
        return row if row is not None and index < row.index + row.leaves else None

    def coverage(self, origin: str, size: int) -> tuple[int, int]:
        """How many of the first `size` leaves have a row, deleted ones included; where the last row ends."""
        base = self._bases.get(origin)
        if base is None:
            return 0, 0
        covered, last = self._ask(_COVERED, (base, base + size)).fetchone()
        return min(covered, size), 0 if last is None else min(last & LAST_INDEX, size)

    def kept(self, origin: str, indexes: Iterable[int]) -> list[int]:
        """Those of these leaves whose records are still there, though their deletion may be ordered."""
        rows = ((index, self.row(origin, index)) for index in indexes)
        # An order to delete is never deleted: a search for the record must show why it is gone.
        return [
            index
            for index, row in rows
            if row is not None and row.record is not None and row.type not in NEVER_DELETED
        ]

    def checkpoints(self) -> list[tuple[str, bytes]]:
        """The last checkpoint that each log signed."""
        return list(self._ask(f"SELECT origin, checkpoint FROM {LOGS} ORDER BY number"))

    def beyond(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
        """Rows in places where no log has a leaf: origin, how many, and the first of them."""
        for origin, base in self._bases.items():
            from_, to = base + sizes.get(origin, 0), base + LAST_INDEX + 1
            (count, first) = self._ask(
                f"SELECT count(*), min(id) FROM {RECORDS} WHERE id >= ? AND id < ?",
                (from_, to),
            ).fetchone()
            if count:
                yield origin, count, index_in(first)
        known = [number_in(base) for base in self._bases.values()]
        (count, first) = self._ask(
            f"SELECT count(*), min(id) FROM {RECORDS} WHERE id >> {INDEX_BITS} NOT IN "
            f"({', '.join(map(str, known)) or 'NULL'})"
        ).fetchone()
        if count:
            yield f"log number {number_in(first)}", count, index_in(first)

    def signed(self, origin: str, size: int) -> list[SignedLeaves]:
        """What routers and operators signed of the first `size` leaves. A column may hold any type."""
        base = self._bases.get(origin)
        if base is None:
            return []
        found = _fetched(self._ask(_SIGNED, (base, base + size)))
        return [SignedLeaves(number - base, leaves, signed) for number, leaves, signed in found]

    def search(
        self, where: str, values: Sequence[object], *, newest_first: bool = False
    ) -> Iterator[tuple[str, Row]]:
        """Rows by a condition that this package wrote; oldest first, or the other way round."""
        origins = {number_in(base): origin for origin, base in self._bases.items()}
        order = "id DESC" if newest_first else "id"
        asked = f"SELECT id >> {INDEX_BITS}, {_ROW} FROM {RECORDS} WHERE {where} ORDER BY {order}"
        for number, *row in _fetched(self._ask(asked, values)):
            yield origins.get(number, f"log number {number}"), Row._make(row)

    def messages(self, first: bytes, last: bytes, *, most: int) -> list[bytes]:
        """The ids of messages between these two, lowest first, that are ids at all."""
        asked = f"SELECT DISTINCT mid FROM {RECORDS} WHERE mid BETWEEN ? AND ? ORDER BY mid LIMIT ?"
        rows = _fetched(self._ask(asked, (first, last, most)))
        return [mid for (mid,) in rows if isinstance(mid, bytes) and len(mid) == 16]

    def _ask(self, statement: str, values: Iterable[object] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, tuple(values))
        except sqlite3.Error as error:
            raise _damaged(error) from None


def usable(path: Path, tell: Tell) -> Path | None:
    """The store, if there is one with the expected tables; else the reason is reported."""
    if not path.is_file():
        tell(Finding(FindingKind.NOT_CHECKED, path.name, "the copy has no store of records"))
        return None
    try:
        with RecordReader(path) as reader:
            reader.checkpoints()
    except Unavailable as error:
        tell(unreadable(path, error))
        return None
    return path


def unreadable(path: Path, error: Unavailable) -> Finding:
    """The finding for a store that fails while it is read."""
    return Finding(FindingKind.RECORDS_UNREADABLE, path.name, str(error), path.name)


def _fetched(cursor: sqlite3.Cursor) -> Iterator[Any]:
    try:
        yield from cursor
    except sqlite3.Error as error:
        raise _damaged(error) from None


def _open(path: Path) -> sqlite3.Connection:
    where = path.resolve().as_uri()
    try:
        # Without a write-ahead log beside it, it can be read without writing anything.
        log = path.with_name(path.name + "-wal")
        alone = "" if log.exists() and log.stat().st_size else "&immutable=1"
        database = sqlite3.connect(f"{where}?mode=ro{alone}", uri=True, timeout=30)
        # A text where bytes belong is one altered record, and must not make the others unreadable.
        database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        # The file is foreign: what its schema says is not to be run.
        database.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error as error:
        raise _damaged(error) from None
    return database


def _damaged(error: sqlite3.Error) -> Unavailable:
    return Unavailable(f"the store of records cannot be read: {error}", hint="copy it again")
