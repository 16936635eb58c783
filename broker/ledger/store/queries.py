"""Searches in the records, and the SQL query for each.

Each search goes along one index (schema.py): message id, unit, rare type or time, in this order; what else is
asked for is compared on the way. A search by none of them reads the records from one end, page by page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, literal, select

from broker.ledger.store.schema import ACCEPTED, concerns, logs, records
from protocol.trail.ledger_leaves import Row
from protocol.trail.records_file import LAST_INDEX, first_id, index_in

_COLUMNS = tuple(records.c)


class FoundRow(NamedTuple):
    """A row, and the log that it is in."""

    origin: str
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """What to search for; a field that is None is not compared."""

    origin: str | None = None
    unit: str | None = None
    """As sender, addressee, owner of the outbox or otherwise named."""

    sender: str | None = None
    since: int | None = None
    """Milliseconds, this one included."""

    until: int | None = None
    """Milliseconds, this one not included."""

    types: Sequence[int] = ()
    reason: str | None = None
    message_id: bytes | None = None
    thread: bytes | None = None
    header_digest: bytes | None = None
    newest: bool = False
    """The newest first."""

    limit: int = 1_000
    beyond: tuple[str, int] | None = None
    """Log and index of the last row of the page before."""


def base_of(connection: Connection, origin: str) -> int | None:
    """What is added to an index of this log to make an id; None if there is no such log."""
    number = connection.execute(select(logs.c.number).where(logs.c.origin == origin)).scalar()
    return None if number is None else first_id(number)


def rows_query() -> Select[Any]:
    """All columns, in the order in which `row_of` takes them."""
    return select(*_COLUMNS)


def row_from_columns(columns: Sequence[Any]) -> Row:
    """The row behind the columns of one."""
    return Row(index_in(columns[0]), *columns[1:])


def query_for(search: RecordQuery, numbers: Mapping[str, int]) -> Select[Any] | None:
    """The query, or None where a log is named that is not there. `numbers` are those of the logs."""
    query = rows_query()
    if search.unit is not None:
        query = query.join(concerns, concerns.c.id == records.c.id).where(concerns.c.unit == search.unit)
    # The id of the table along which the search goes, so that the database walks that index in order.
    key: ColumnElement[int] = records.c.id if search.unit is None else concerns.c.id
    for name in (search.origin, None if search.beyond is None else search.beyond[0]):
        if name is not None and name not in numbers:
            return None
    if search.origin is not None:
        base = first_id(numbers[search.origin])
        query = query.where(key.between(base, base + LAST_INDEX))
    if search.beyond is not None:
        last = first_id(numbers[search.beyond[0]]) + search.beyond[1]
        query = query.where(key < last if search.newest else key > last)
    query = query.where(*_conditions(search))
    return query.order_by(key.desc() if search.newest else key).limit(search.limit)


def _conditions(search: RecordQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (records.c.mid, search.message_id),
        (records.c.thread, search.thread),
        (records.c.subject, search.header_digest),
        (records.c.sender, search.sender),
    ):
        if value is not None:
            found.append(column == value)
    if search.since is not None:
        found.append(records.c.t >= search.since)
    if search.until is not None:
        found.append(records.c.t < search.until)
    if search.types:
        found.append(records.c.type.in_(list(search.types)))
        if ACCEPTED not in search.types:
            found.append(records.c.type != ACCEPTED)
    if search.reason is not None:
        # Only refusals have reasons: so the few that the partial index has are read, and not all.
        found.append(records.c.type != ACCEPTED)
        padded = literal(" ") + records.c.reasons + literal(" ")
        found.append(padded.contains(f" {search.reason} ", autoescape=True))
    return found
