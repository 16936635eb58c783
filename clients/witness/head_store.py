"""The state of a witness: for each log the newest checkpoint that it signed, and earlier ones.

Owns the SQLite file and the two rules by which a witness signs no fork, even after a crash:
- A head moves by compare-and-swap: the row must still be the one that was decided by, or nothing is written.
- What `commit` returned from is on disk (`synchronous=FULL`). A signature leaves only after that.

Does not decide: protocol/tlog/witnessing.py does. All use is from one thread (runtime/process/worker.py).
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from clients.witness.errors import StateLost, StateUnavailable
from runtime.files import new_file
from runtime.process.sqlite import name_of, one_step

SCHEMA_VERSION: Final = 1
REMEMBERED: Final = 4096
"""Checkpoints of each log that are kept, so that a fork below the head is still recognised."""

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

_SCHEMA = """
CREATE TABLE head (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL CHECK (length(root) = 32),
    cosigned BLOB NOT NULL, t INTEGER NOT NULL
) STRICT;
CREATE TABLE signed (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,
    PRIMARY KEY (origin, size)
) STRICT, WITHOUT ROWID;
-- The one promise, once more where no program can forget it: a log only grows, and a size has one root.
CREATE TRIGGER only_grows BEFORE UPDATE ON head
WHEN new.size < old.size OR (new.size = old.size AND new.root <> old.root)
BEGIN SELECT RAISE(ABORT, 'a head never goes back'); END;
CREATE TRIGGER stays BEFORE DELETE ON head BEGIN SELECT RAISE(ABORT, 'a head is never forgotten'); END;
CREATE TRIGGER one_root BEFORE UPDATE ON signed WHEN new.root <> old.root
BEGIN SELECT RAISE(ABORT, 'a size has one root'); END;
"""
# Behind version 1, which the program of before opens too: it has no use for them, and leaves them alone.
_HALF_YEARS = """
CREATE TABLE IF NOT EXISTS begun (
    origin TEXT PRIMARY KEY, previous TEXT NOT NULL UNIQUE, request BLOB NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS begun_once BEFORE UPDATE ON begun
BEGIN SELECT RAISE(ABORT, 'a half-year begins once'); END;
CREATE TRIGGER IF NOT EXISTS begun_stays BEFORE DELETE ON begun
BEGIN SELECT RAISE(ABORT, 'a beginning is never forgotten'); END;
CREATE TRIGGER IF NOT EXISTS ended_stays BEFORE UPDATE ON head
WHEN new.size > old.size AND EXISTS (SELECT 1 FROM begun WHERE previous = old.origin)
BEGIN SELECT RAISE(ABORT, 'what a later half-year begins with does not grow'); END;
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """A half-year whose first leaf is the last head of another, proved when it was cosigned first."""

    origin: str
    previous: str
    request: bytes
    """The request that proved it, with the log's own signatures."""


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """The newest checkpoint of a log that this witness signed."""

    origin: str
    size: int
    root: bytes
    cosigned: bytes
    """The note with the signatures of the log and of this witness, as it is served."""

    t: int
    """When it was signed, Unix milliseconds."""

    @property
    def origin_hash(self) -> str:
        """The log's name in the addresses of monitors."""
        return sha256(self.origin.encode()).hexdigest()


class HeadStore:
    """The open state of a witness."""

    __slots__ = ("_connection",)

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open what `create` made; never make a new one."""
        if not path.is_file():
            raise StateLost(
                f"there is no {path}: this witness does not remember what it signed",
                hint="make a new witness with a new key; see docs/runbooks/witness.md",
            )
        self._connection = _open(path, mode="ro" if read_only else "rw")
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise _unavailable(error) from None
        if version != SCHEMA_VERSION:
            raise StateLost(
                f"{path} has schema {version}, and this program knows {SCHEMA_VERSION}",
                hint="run the version of the program that wrote it",
            )
        _look_through(self._connection, path)
        if not read_only:
            self._add_half_years()

    @staticmethod
    def create(path: Path) -> None:
        """Make an empty state; `FileExistsError` where there is one."""
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        with new_file(path) as beside:
            os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            connection = _open(beside, mode="rw")
            with closing(connection):
                connection.executescript(
                    f"BEGIN; {_SCHEMA} {_HALF_YEARS} PRAGMA user_version={SCHEMA_VERSION}; COMMIT"
                )

    def _add_half_years(self) -> None:
        """What a state of before lacks; of one that has it nothing is written."""
        try:
            if not self._has_half_years():
                self._connection.executescript(f"BEGIN; {_HALF_YEARS} COMMIT")
        except sqlite3.Error as error:
            raise _unavailable(error) from None

    def _has_half_years(self) -> bool:
        # The trigger is made last of all.
        return bool(self._all("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = 'ended_stays'"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction for what is read and written inside: no other writer, all of it or none."""
        with one_step(self._connection, _unavailable):
            yield

    def try_write(self) -> None:
        """Write what changes nothing; `StateUnavailable` where nothing can be written now."""
        with self.transaction():
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def head(self, origin: str) -> CosignedHead | None:
        """The head of one log; None if nothing of it was ever signed."""
        found = self._all("SELECT origin, size, root, cosigned, t FROM head WHERE origin = ?", origin)
        return CosignedHead(*found[0]) if found else None

    def heads(self) -> list[CosignedHead]:
        """The heads of all logs."""
        return [
            CosignedHead(*row)
            for row in self._all("SELECT origin, size, root, cosigned, t FROM head ORDER BY origin")
        ]

    def signed(self, origin: str, size: int) -> tuple[bytes, bytes] | None:
        """Root and note (as the log sent it) of a checkpoint that was signed, while it is remembered."""
        found = self._all("SELECT root, note FROM signed WHERE origin = ? AND size = ?", origin, size)
        return (found[0][0], found[0][1]) if found else None

    def signed_last(self, origin: str, *, most: int) -> list[tuple[int, bytes]]:
        """Size and root of the newest checkpoints of a log that were signed, newest first."""
        sql = "SELECT size, root FROM signed WHERE origin = ? ORDER BY size DESC LIMIT ?"
        return [(size, root) for size, root in self._all(sql, origin, most)]

    def oldest(self, origin: str) -> int | None:
        """The size of the oldest checkpoint that is still remembered."""
        return cast("int | None", self._all("SELECT min(size) FROM signed WHERE origin = ?", origin)[0][0])

    def begun(self, origin: str) -> Begun | None:
        """How this half-year began; None where that was not proved, or it was never cosigned."""
        found = self._all("SELECT origin, previous, request FROM begun WHERE origin = ?", origin)
        return Begun(*found[0]) if found else None

    def continued(self, origin: str) -> Begun | None:
        """The half-year that begins with the head of this one: it does not grow any more."""
        found = self._all("SELECT origin, previous, request FROM begun WHERE previous = ?", origin)
        return Begun(*found[0]) if found else None

    def beginnings(self) -> dict[str, str]:
        """Of each half-year whose beginning was proved the one before it."""
        if not self._has_half_years():
            return {}  # this state is read, and was not opened by the program of now yet
        return dict(self._all("SELECT origin, previous FROM begun"))

    def begin(self, begun: Begun) -> None:
        """Remember a beginning, inside the transaction that moves its log's head."""
        self._write(
            "INSERT INTO begun VALUES (:origin, :previous, :request)",
            {"origin": begun.origin, "previous": begun.previous, "request": begun.request},
        )

    def move(self, old: CosignedHead | None, new: CosignedHead, *, note: bytes) -> None:
        """Replace `old` by `new`, inside a transaction; `StateUnavailable` if `old` is no longer the head."""
        values = {
            "origin": new.origin,
            "size": new.size,
            "root": new.root,
            "cosigned": new.cosigned,
            "t": new.t,
        }
        if old is None:
            moved = self._write(
                "INSERT OR IGNORE INTO head VALUES (:origin, :size, :root, :cosigned, :t)", values
            )
        else:
            moved = self._write(
                "UPDATE head SET size = :size, root = :root, cosigned = :cosigned, t = :t"
                " WHERE origin = :origin AND size = :old_size AND root = :old_root",
                values | {"old_size": old.size, "old_root": old.root},
            )
        if moved != 1:
            raise StateUnavailable("another process moved the head")
        self._write(
            "INSERT INTO signed VALUES (:origin, :size, :root, :note)"
            " ON CONFLICT DO UPDATE SET root = excluded.root, note = excluded.note",
            {"origin": new.origin, "size": new.size, "root": new.root, "note": note},
        )
        self._forget(new.origin)

    def _forget(self, origin: str) -> None:
        self._write(
            "DELETE FROM signed WHERE origin = :origin AND size <="
            " (SELECT size FROM signed WHERE origin = :origin ORDER BY size DESC LIMIT 1 OFFSET :kept)",
            {"origin": origin, "kept": REMEMBERED},
        )

    def close(self) -> None:
        """Close the connection; SQLite copies its log into the file."""
        self._connection.close()

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise _unavailable(error) from None

    def _write(self, sql: str, values: dict[str, object]) -> int:
        return self._connection.execute(sql, values).rowcount


def _open(path: Path, *, mode: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", isolation_level=None, uri=True
        )
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "temp_store=MEMORY"):
            if mode == "rw" or "journal" not in pragma:
                connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error as error:
        raise _unavailable(error) from None
    return connection


def _unavailable(error: sqlite3.Error) -> StateUnavailable:
    return StateUnavailable(name_of(error))


def _look_through(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a damaged file: where a row is not found, a witness would sign as if it had signed nothing."""
    try:
        found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        found = [name_of(error)]
        if not found[0].startswith(_DAMAGED):
            raise _unavailable(error) from None
    if found != ["ok"]:
        raise StateLost(
            f"{path} is damaged: this witness may not know all that it signed",
            hint="make a new witness with a new key; see docs/runbooks/witness.md",
        )
