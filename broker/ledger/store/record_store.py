"""The ledger's database: the lock row of each log, and the records that open its leaves.

SQLite or PostgreSQL.

This store is trusted with two things, and must never be rolled back (docs/attacks.md): the lock row, by which
one writer moves a log from one head to the next and a second one does not, and the records, which are nowhere
else. Tiles need no trust, they follow from it.

Rules:
- `commit` is one transaction: the lock row moves from exactly the state that the caller built on, or
  nothing is written and `Moved` says so. Records, staged files and the head are there together or not at all.
- A record leaves by `erase` alone; its row stays, and names the leaf that ordered it.
- What was committed is on the disk: SQLite with a write-ahead log and synchronous=FULL, PostgreSQL with
  synchronous_commit=on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from broker.ledger.store.audit_read import AuditRead, signed_at, store_read, stored_read, unverified_at
from broker.ledger.store.erasing import Erasure, erase_records
from broker.ledger.store.lock_row import LogState, Moved, move_row, moved_by_another
from broker.ledger.store.queries import (
    FoundRow,
    RecordQuery,
    base_of,
    query_for,
    row_from_columns,
    rows_query,
)
from broker.ledger.store.schema import (
    SCHEMA_VERSION,
    about,
    batches,
    concerns,
    logs,
    metadata,
    records,
    staged,
)
from protocol.identifiers import Digest
from protocol.trail.ledger_leaves import Row
from protocol.trail.records import RecordType
from protocol.trail.records_file import LAST_INDEX, SignedLeaves, first_id, index_in, number_in
from protocol.trail.stated_acts import acts_again
from runtime.errors import Misconfigured, Unavailable
from runtime.process.databases import insert_many, open_database, settle_deletions

__all__ = ["Erasure", "FoundRow", "LogState", "Moved", "RecordQuery", "RecordStore", "Row"]

_PAGE: Final = 5_000


class RecordStore:
    """An open database. One thread at a time writes; `commit` settles it if there are more."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """Open it, or make it; `sqlite:///PATH` or `postgresql+pg8000://...`."""
        try:
            self._engine = open_database(url, read_only=read_only)
            self._reader = self._engine.execution_options(reading=True)
            # SQLAlchemy's; the driver's own where it is asked directly (databases.py); and the system's,
            # which pg8000 lets through when the connection is reset.
            self._errors = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error, OSError)
            if not read_only:
                metadata.create_all(self._engine)
            with self._engine.begin() as connection:
                _check_version(connection, read_only=read_only)
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from None

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def try_commit(self) -> None:
        """Commit what changes nothing; `Unavailable` where nothing can be committed now."""
        try:
            with self._engine.begin() as connection:
                connection.execute(update(about).values(version=SCHEMA_VERSION))
        except self._errors as error:
            raise _unavailable(error) from None

    def state(self, origin: str) -> LogState | None:
        """The state of this log; None if it was never begun."""
        return next((state for state in self.states() if state.origin == origin), None)

    def states(self) -> tuple[LogState, ...]:
        """All logs, in the order in which they were begun."""
        columns = [c for c in logs.c if c.name != "number"]
        with self._reading() as connection:
            rows = connection.execute(select(*columns).order_by(logs.c.number)).mappings().all()
        return tuple(LogState(**row) for row in rows)

    def commit(
        self,
        old: LogState | None,
        new: LogState,
        rows: Sequence[Row] = (),
        files: Mapping[str, bytes] | None = None,
        erasures: Sequence[Erasure] = (),
        signed: Sequence[SignedLeaves] = (),
        read: AuditRead | None = None,
    ) -> None:
        """Move the log from `old` to `new` with everything that belongs to it, or `Moved`.

        With another origin in `new` the log of `old` is closed, and that of `new` begun: `rows` and `files`
        are the new one's. `old` is None for a log that follows no other. `files` are those of the tree, to
        be put into the object store afterwards (`staged`). `erasures` are what acts in `rows` order;
        `signed` is what routers and operators signed of the leaves that are new; `read` is what is known to
        have been read of the audit topic, None where that has not changed.
        """
        with self._writing(new.origin) as connection:
            base = first_id(move_row(connection, old, new))
            insert_many(connection, records, [(base + row[0], *row[1:]) for row in rows])
            named = [(unit, base + row[0]) for row in rows for unit in row.units.split()]
            insert_many(connection, concerns, named)
            insert_many(connection, batches, [(base + each[0], *each[1:]) for each in signed])
            pending = [(new.origin, new.size, path, data) for path, data in (files or {}).items()]
            insert_many(connection, staged, pending)
            for erasure in erasures:
                erase_records(connection, erasure)
            if read is not None:
                store_read(connection, read)
        if erasures:
            settle_deletions(self._engine)

    def audit_read(self) -> AuditRead:
        """What is known to have been read of the audit topic."""
        with self._reading() as connection:
            return stored_read(connection)

    def go_back(self, state: LogState, position: int, read: AuditRead) -> LogState:
        """Go on at an earlier place of the audit topic, of which this is known to have been read."""
        self.commit(state, back := replace(state, position=position), read=read)
        return back

    def signed_at(self, times: Collection[int]) -> dict[bytes, int]:
        """What was signed for these times, as far as it has its leaves, and the id behind them."""
        with self._reading() as connection:
            return signed_at(connection, times)

    def unverified_at(self, contents: Mapping[int, Digest]) -> frozenset[int]:
        """Those of these offsets whose record does not verify, with this content, and has its leaf."""
        with self._reading() as connection:
            return unverified_at(connection, contents)

    def place_of(self, row_id: int) -> tuple[str, int]:
        """Log and index of the leaf with this id, whether it is there or the next one to come."""
        with self._reading() as connection:
            number = logs.c.number == number_in(row_id)
            return connection.execute(select(logs.c.origin).where(number)).scalar_one(), index_in(row_id)

    def staged(self, origin: str) -> dict[str, bytes]:
        """The files that are committed and may not all be in the object store; newer ones over older."""
        query = select(staged.c.path, staged.c.data).where(staged.c.origin == origin)
        with self._reading() as connection:
            return dict(connection.execute(query.order_by(staged.c.size)).all())

    def clear_staged(self, origin: str, *, size: int) -> None:
        """Files of trees up to this size are in the object store."""
        done = delete(staged).where(staged.c.origin == origin, staged.c.size <= size)
        with self._writing() as connection:
            connection.execute(done)

    def row(self, origin: str, index: int) -> Row | None:
        """The row that opens this leaf, its own or that of the decision that it follows from."""
        with self._reading() as connection:
            base = base_of(connection, origin)
            if base is None:
                return None
            query = rows_query().where(records.c.id.between(base, base + index)).order_by(records.c.id.desc())
            found = connection.execute(query.limit(1)).first()
        row = None if found is None else row_from_columns(found)
        return row if row is not None and index < row.index + row.leaves else None

    def rows(self, origin: str, *, first: int = 0, end: int | None = None) -> Iterator[Row]:
        """All rows that begin in a range of leaves, in order, a page at a time."""
        with self._reading() as connection:
            base = base_of(connection, origin)
        if base is None:
            return
        at, stop = base + first, base + (LAST_INDEX if end is None else end)
        while True:
            query = rows_query().where(records.c.id >= at, records.c.id < stop).order_by(records.c.id)
            with self._reading() as connection:
                page = connection.execute(query.limit(_PAGE)).all()
            yield from map(row_from_columns, page)
            if len(page) < _PAGE:
                return
            at = page[-1][0] + 1

    def signed(self, origin: str) -> list[SignedLeaves]:
        """What routers and operators signed of this log, in its order."""
        with self._reading() as connection:
            base = base_of(connection, origin)
            if base is None:
                return []
            within = (
                select(batches).where(batches.c.id.between(base, base + LAST_INDEX)).order_by(batches.c.id)
            )
            return [SignedLeaves(row[0] - base, row[1], row[2]) for row in connection.execute(within)]

    def gaps(self) -> list[bytes]:
        """Every statement of a gap that has a leaf, as it was put into the audit topic; oldest first."""
        return self._stated(RecordType.AUDIT_GAP)

    def notices(self) -> list[bytes]:
        """The same of all that every unit is told: gaps, and that Kafka was put back."""
        return self.gaps() + self._stated(RecordType.KAFKA_PUT_BACK)

    def is_way_back(self, origin: str, index: int) -> bool:
        """Whether the ledger went back at this leaf."""
        row = self.row(origin, index)
        return row is not None and (row.index, row.type) == (index, RecordType.AUDIT_REWOUND)

    def _stated(self, kind: RecordType) -> list[bytes]:
        found = self.find(RecordQuery(types=(int(kind),)))
        stated = []
        for origin, row in found:
            signed = {each.first: each.signed for each in self.signed(origin)}.get(row.index)
            if row.record is not None and row.salt is not None and signed is not None:
                stated.append(acts_again([(row.record, row.salt)], signed))
        return stated

    def find(self, search: RecordQuery) -> list[FoundRow]:
        """The rows that match, deleted ones where only log, type and time are asked for."""
        with self._reading() as connection:
            numbers = dict(connection.execute(select(logs.c.origin, logs.c.number)).all())
            origins = {number: origin for origin, number in numbers.items()}
            query = query_for(search, numbers)
            found = [] if query is None else connection.execute(query).all()
        return [FoundRow(origins[number_in(row[0])], row_from_columns(row)) for row in found]

    def erase(self, erasure: Erasure) -> int:
        """Delete what an act orders, if it is there; how many records there were. Twice is like once."""
        with self._writing() as connection:
            erased = erase_records(connection, erasure)
        settle_deletions(self._engine)
        return erased

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._reader.begin() as connection:
                yield connection
        except self._errors as error:
            raise _unavailable(error) from None

    @contextmanager
    def _writing(self, origin: str = "") -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise moved_by_another(origin) from None
        except self._errors as error:
            raise _unavailable(error) from None


def _check_version(connection: Connection, *, read_only: bool) -> None:
    found = connection.execute(select(about.c.version)).scalar()
    if found is None and not read_only:
        connection.execute(insert(about).values(version=SCHEMA_VERSION))
    elif found != SCHEMA_VERSION:
        raise Misconfigured(
            f"the ledger's database has schema {found}, and this program knows {SCHEMA_VERSION}",
            hint="run the version of the program that wrote it",
        )


def _unavailable(error: Exception) -> Unavailable:
    # The driver's error name and nothing else: its texts quote values.
    cause = getattr(error, "orig", None) or error
    name = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
    return Unavailable(f"the ledger's database: {name}", hint="see its disk, its rights and its own log")
