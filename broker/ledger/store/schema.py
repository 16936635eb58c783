"""The tables of the ledger's database, in SQLAlchemy Core: the same for SQLite and PostgreSQL.

    logs, records, concerns, batches   what an auditor reads, too: protocol/trail/records_file.py
    staged                             files of the tree that are committed, not all put into the object store
    audit_read                         what of the audit topic was read (audit_read.py)
    about                              the schema's version

A row of `logs` is the lock row: it says what the log is and how far it has read its inputs. An id is the
log's number and the index of a leaf in one integer, so that a record is one row of one tree of which only
the right edge is written.

Indexes are few, because each is paid for at every row. Message ids are UUIDv7 and times grow, so these two
are written at the right edge as well, units each at an edge of their own; of types only the rare ones are
indexed, and reasons are looked for among the refusals. A leaf hash has no index: it is random, so every row
would write a page of the disk. Who has a leaf has its entry, and that says when.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

from protocol.trail import records_file

SCHEMA_VERSION: Final = 1

metadata = MetaData()

# SQLite's rowid is the fastest key that there is, and only a column of the type INTEGER is one.
_ID = BigInteger().with_variant(Integer, "sqlite")

about = Table("about", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

logs = Table(
    records_file.LOGS,
    metadata,
    Column("origin", Text, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("directory_next", BigInteger, nullable=False),
    Column("next", Text),  # the log that goes on where this one was closed; null: it is open
)

records = Table(
    records_file.RECORDS,
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("leaves", SmallInteger, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("t", BigInteger, nullable=False),
    Column("record", LargeBinary),  # null: deleted, and so is all that follows but the last
    Column("salt", LargeBinary),
    Column("mid", LargeBinary),
    Column("thread", LargeBinary),
    Column("sender", Text),
    Column("units", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("subject", LargeBinary),
    Column("erased_by", Text),  # the log and the leaf that ordered it
)

ACCEPTED: Final = 1
_RARE = records.c.type != ACCEPTED

Index("records_mid", records.c.mid)
Index("records_t", records.c.t)
Index("records_rare", records.c.type, records.c.id, sqlite_where=_RARE, postgresql_where=_RARE)

concerns = Table(
    records_file.CONCERNS,
    metadata,
    Column("unit", Text, primary_key=True),
    Column("id", _ID, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

batches = Table(
    records_file.BATCHES,
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),  # of the first leaf that it is about
    Column("leaves", Integer, nullable=False),  # decisions with the deliveries that follow from them; or acts
    # protocol/trail/batches.py and stated_acts.py: no record and no salt, so nothing of it is ever deleted.
    Column("signed", LargeBinary, nullable=False),
)

audit_read = Table(
    "audit_read",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ladder", LargeBinary, nullable=False),
    Column("again", BigInteger, nullable=False),
)

staged = Table(
    "staged",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),  # of the tree that they belong to
    Column("path", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
