"""SQLite transactions and error names, for the daemon's and the witness's databases.

The databases themselves, their pragmas and the errors that they raise are clients/daemon/store/database.py
and clients/witness/head_store.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_step(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction for what is read and written inside: no other writer, all of it or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After a full disk SQLite may have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def name_of(error: sqlite3.Error) -> str:
    """The name of SQLite's error code and nothing else: its texts may quote values."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
