"""SQLite: files that are private, transactions and error names, for every database here.

The databases themselves, their pragmas and the errors that they raise are clients/daemon/store/database.py
and clients/witness/head_store.py.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def keep_private(path: Path) -> None:
    """Before SQLite opens it: the file is there and the owner's alone, whatever the umask. `OSError` else.

    A file that SQLite makes itself has the umask's rights, and -wal and -shm get the rights of the database.
    Made, looked at and closed here without a lock on it, so that no other connection of this process loses
    its own. Wider rights are taken back and not refused: a backup may have come without its modes.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for each in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            if each.stat().st_mode & 0o077:
                each.chmod(0o600)


@contextmanager
def one_step(connection: sqlite3.Connection, failure: Callable[[sqlite3.Error], Exception]) -> Iterator[None]:
    """One transaction for what is read and written inside: no other writer, all of it or none.

    What SQLite refuses is raised as `failure` has it.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # After a full disk SQLite may have rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise failure(error) from None


def name_of(error: sqlite3.Error) -> str:
    """The name of SQLite's error code and nothing else: its texts may quote values."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
