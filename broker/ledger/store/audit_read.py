"""What the ledger's database knows of the records that it has read of the audit topic.

    ladder   some of them, so that a topic from an older copy is noticed (runtime/read_records.py)
    again    below this offset records are read once more, after such a copy: some have their leaves. What
             does not verify is looked for below it alone; what is signed, for every record

Owns the table `audit_read`, one row, written in the transaction that moves the lock row. A release that does
not have the table leaves the ladder behind the place to which it reads: its steps are records of the log all
the same. Rule: the first record that was read is kept, however large the first batch was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, inspect, select

from broker.ledger.store.schema import ACCEPTED, audit_read, batches, records
from protocol.identifiers import Digest
from protocol.trail.acts import parse_act
from protocol.trail.records import RecordType
from runtime.kafka.ports import InputRecord, Ladder
from runtime.read_records import climbed, ladder_from_bytes, ladder_to_bytes

_AT_ONCE: Final = 500
"""Times in one question to the database."""

_ONE: Final = 0
"""There is one audit topic, whatever the half-year."""


@dataclass(frozen=True, slots=True)
class AuditRead:
    """What is known to have been read."""

    ladder: Ladder = ()
    again: int = 0

    def after(self, records: Sequence[InputRecord], *, position: int) -> AuditRead:
        """The same when these were read as well, up to this position."""
        read = [record for record in records if record.offset < position]
        ladder = climbed(self.ladder or climbed((), read[:1]), read)
        return AuditRead(ladder, self.again if position < self.again else 0)


def stored_read(connection: Connection) -> AuditRead:
    """What is stored; nothing in a database that an older release has made, and that is only read here."""
    if not inspect(connection).has_table(audit_read.name):
        return AuditRead()
    row = connection.execute(select(audit_read.c.ladder, audit_read.c.again)).first()
    return AuditRead() if row is None else AuditRead(ladder_from_bytes(row[0]), row[1])


def store_read(connection: Connection, read: AuditRead) -> None:
    """Store it in place of what was."""
    connection.execute(delete(audit_read))
    row = {"id": _ONE, "ladder": ladder_to_bytes(read.ladder), "again": read.again}
    connection.execute(insert(audit_read).values(row))


def signed_at(connection: Connection, times: Collection[int]) -> dict[bytes, int]:
    """What was signed for these times, as far as it has its leaves, and the id behind them."""
    columns = (batches.c.signed, batches.c.id, batches.c.leaves)
    found = select(*columns).join_from(batches, records, batches.c.id == records.c.id)
    asked = sorted(times)
    return {
        row.signed: row.id + row.leaves
        for start in range(0, len(asked), _AT_ONCE)
        for row in connection.execute(found.where(records.c.t.in_(asked[start : start + _AT_ONCE])))
    }


def unverified_at(connection: Connection, contents: Mapping[int, Digest]) -> frozenset[int]:
    """Those of these offsets whose record does not verify, with this content, and has its leaf.

    By the index of what is rare, along all that does not verify: asked on a way back alone.
    """
    query = select(records.c.record, records.c.subject).where(
        records.c.type == RecordType.UNVERIFIED, records.c.type != ACCEPTED
    )
    asked = sorted(set(contents.values()))
    there = {
        (_offset_in(row.record), row.subject)
        for start in range(0, len(asked), _AT_ONCE)
        for row in connection.execute(query.where(records.c.subject.in_(asked[start : start + _AT_ONCE])))
        if row.record is not None
    }
    return frozenset(offset for offset, content in contents.items() if (offset, content) in there)


def _offset_in(record: bytes) -> int:
    """The place in the audit topic of what a leaf says that it does not verify."""
    offset: int = parse_act(record).detail[0]
    return offset
