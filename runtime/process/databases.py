"""Database engines with durable commits, and bulk inserts. SQLite and PostgreSQL.

Owns what differs between the two; everything else is one SQL. Only bulk inserts use the drivers directly,
since there are 20,000 rows a second: tuples to SQLite, COPY to PostgreSQL, which takes a quarter of a
millisecond for each row of a statement with parameters.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from runtime.errors import Misconfigured
from runtime.process.sqlite import keep_private

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=FAST",
    "wal_autocheckpoint=8000",
    "busy_timeout=5000",
    "cache_size=-8192",  # KiB for each connection: appends touch few pages, and memory must stay flat
)

_LONGEST_SOCKET = 107
"""Bytes, on Linux."""

_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def open_database(url: str, *, read_only: bool) -> Engine:
    """An engine whose commits are durable."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, read_only=read_only)
        _check_socket(parsed)
        # Asked before it is used: a server that was started again has none of the connections in the pool.
        engine = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise Misconfigured(
            f"not a database for the ledger's records ({type(error).__name__})",
            hint="sqlite:///PATH, or postgresql+pg8000://USER@HOST/NAME with contrada[postgresql] installed",
        ) from None
    if engine.dialect.name != "postgresql" or engine.dialect.driver != "pg8000":
        raise Misconfigured("not a database for the ledger's records", hint="SQLite, or PostgreSQL by pg8000")
    _durable_postgresql(engine, read_only=read_only)
    return engine


def _check_socket(url: URL) -> None:
    # The driver would call it a communication error, and the ledger would wait for its end.
    given = url.query.get("unix_sock", "")
    size = max(len(os.fsencode(path)) for path in ((given,) if isinstance(given, str) else given))
    if size > _LONGEST_SOCKET:
        raise Misconfigured(
            f"the path of PostgreSQL's unix socket has {size} bytes, and {_LONGEST_SOCKET} at most work",
            hint="give PostgreSQL a directory with a shorter path (unix_socket_directories), or name a host",
        )


def insert_many(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the order of the table's columns."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        marks = ",".join("?" * len(table.c))
        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(rows))  # noqa: S608
        return
    cursor: Any = connection.connection.cursor()
    cursor.execute(f"COPY {table.name} FROM STDIN", stream=BytesIO(_copied(rows)))
    cursor.close()


def overwrite_deleted(connection: Connection) -> None:
    """What this transaction deletes is overwritten on the disk, also where whole pages become free.

    PostgreSQL keeps old rows until its VACUUM, and no program that asks it can change that.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON").close()


def settle_deletions(engine: Engine) -> None:
    """Remove what was deleted from SQLite's write-ahead log too, as soon as no reader needs its pages."""
    if engine.dialect.name != "sqlite":
        return
    # Outside a transaction, and without the events that begin one.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        connection.cursor().execute("PRAGMA secure_delete=FAST").close()
    finally:
        connection.close()


def _copied(rows: Sequence[tuple[Any, ...]]) -> bytes:
    # COPY's text format: a line each, tabs between, a backslash before what is special.
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows).encode()


def _cell(value: bytes | str | int | None) -> str:
    match value:
        case bytes():
            return "\\\\x" + value.hex()
        case str():
            return value.translate(_SPECIAL)
        case None:
            return "\\N"
        case int():
            return str(value)


def _sqlite(url: URL, *, read_only: bool) -> Engine:
    if not url.database or url.database == ":memory:":
        raise Misconfigured("the ledger's records need a file", hint="sqlite:///PATH")
    path = Path(url.database)
    if read_only:
        engine = create_engine(_read_only(path))
    else:
        keep_private(path)
        engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        # The driver begins no transaction of its own accord: `_begin` says when, and which kind.
        connection.isolation_level = None
        for pragma in ("query_only=ON",) if read_only else _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The write lock is taken at once: a reader that becomes a writer could fail in the middle.
        is_reading = read_only or connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")

    return engine


def _read_only(path: Path) -> str:
    # Without a write-ahead log beside it no process has it open, and it can be read on a read-only file
    # system.
    log = path.with_name(path.name + "-wal")
    quiet = "" if log.exists() and log.stat().st_size else "&immutable=1"
    return f"sqlite:///file:{path}?mode=ro{quiet}&uri=true"


def _durable_postgresql(engine: Engine, *, read_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        # Outside any transaction: what is set in one goes with it.
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET synchronous_commit = on")
        if read_only:
            cursor.execute("SET default_transaction_read_only = on")
        cursor.close()
        connection.autocommit = False
