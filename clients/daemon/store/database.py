"""The daemon's SQLite database: one connection, one thread, atomic transactions.

Owns the connection; the meaning of the tables is in `outbox` and `inbox`, durability in `disk`.

The files are the owner's alone, whatever the umask: who wrote to whom stands in them in the clear.

Rules: a write-ahead log, brought to the disk by `Disk.flushed` before anything leaves the process. All use
of the connection is in jobs, of which one runs at a time (runtime/process/worker.py). Whatever SQLite refuses
comes out as `StoreUnavailable`, with nothing changed; the same call may be tried again later.

A damaged file is another matter. SQLite goes on writing beside the damage, and what it writes may never be
found again. So the file is looked through at the start, for a bounded time; and once SQLite has met damage,
every transaction is `StoreDamaged`, until the process starts anew.

A log that is full is copied into the database, and all of that waits for the disk. So `shorten_log` does it
in good time, in a job of its own; SQLite would do it in the middle of any transaction.
"""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import structlog

from clients.daemon.errors import StoreDamaged, StoreUnavailable
from runtime.errors import HomeError
from runtime.process.sqlite import keep_private, name_of, one_step

log = structlog.get_logger()

SCHEMA_VERSION: Final = 1
"""Of what other versions cannot use. A table more is none of that: the schema makes what is missing."""

CHECKED_WITHIN: Final = 20.0
"""Seconds for the look through the file at the start: some gigabytes. The rest is met when it is read."""

LONG_LOG: Final = 3_000
"""So many rows written are a log of 20 MB or so. SQLite's own bound, in pages, is for large rows alone."""

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

Row = sqlite3.Row


class Store:
    """An open database."""

    __slots__ = ("_connection", "_shortened_at", "commits", "damage", "log")

    def __init__(self, path: Path) -> None:
        """Open the database, or make it."""
        connection = _opened(path)
        self._connection = connection
        self._shortened_at = connection.total_changes
        self.log = path.with_name(path.name + "-wal")
        self.commits = 0
        """How many transactions were committed since the opening. Any thread may read it."""

        self.damage = ""
        """What SQLite said when it met damage to the file; empty while it has not."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is committed together at the end, or not at all."""
        if self.damage:
            raise StoreDamaged(self.damage)
        with one_step(self._connection, self._refused):
            yield
        self.commits += 1

    def _refused(self, error: sqlite3.Error) -> StoreUnavailable:
        refused = _unavailable(error)
        if isinstance(refused, StoreDamaged) and not self.damage:
            log.error("store_damaged", error=str(refused), hint=refused.hint)
            self.damage = name_of(error)
        return refused

    def write(self, sql: str, *values: Any) -> int:
        """Run one statement inside a transaction; how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, *values: Any) -> int | None:
        """Insert one row; its id, or None where a conflict was ignored."""
        cursor = self._connection.execute(sql, values)
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._refused(error) from None

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query."""
        try:
            found: Row | None = self._connection.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise self._refused(error) from None
        return found

    @property
    def log_is_long(self) -> bool:
        """Whether `shorten_log` is due."""
        return self._connection.total_changes - self._shortened_at >= LONG_LOG

    def shorten_log(self) -> None:
        """Copy the log into the database; the next transaction begins the log anew. Waits for the disk."""
        self._shortened_at = self._connection.total_changes
        self.row("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the connection; SQLite copies its log into the file."""
        self._connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    """The database at this path, looked through, with all its tables."""
    _keep_private(path)
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, cached_statements=256, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        # secure_delete: an erased key is overwritten in its page. FAST leaves whole pages that fall
        # free as they are: what lies there is ciphertext.
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "secure_delete=FAST",
            "wal_autocheckpoint=16000",
            "temp_store=MEMORY",
            "busy_timeout=5000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise HomeError(
                f"{path} has schema {version}, and this program knows {SCHEMA_VERSION}",
                hint="run the version of the program that wrote it",
            )
        _look_through(connection)
        schema = files("clients.daemon.store").joinpath("schema.sql").read_text("utf-8")
        connection.executescript(f"BEGIN IMMEDIATE; {schema}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT")
    except sqlite3.Error as error:
        raise _unavailable(error) from None
    return connection


def _keep_private(path: Path) -> None:
    try:
        keep_private(path)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise StoreUnavailable(name, full=error.errno in (errno.ENOSPC, errno.EDQUOT)) from None


def _look_through(connection: sqlite3.Connection) -> None:
    """Look for damage, in a file that is not new, for a bounded time."""
    until = time.monotonic() + CHECKED_WITHIN
    connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError as error:
        if name_of(error) != "SQLITE_INTERRUPT":
            raise
        log.warning("store_not_looked_through", seconds=CHECKED_WITHIN)
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != ["ok"]:
        raise StoreDamaged("quick_check finds damage")


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    name = name_of(error)
    if name.startswith(_DAMAGED):
        return StoreDamaged(name)
    return StoreUnavailable(name, full=name in ("SQLITE_FULL", "SQLITE_IOERR_WRITE"))
