"""What every SQLite database here has in common: a transaction that holds or never was, and errors' names.

The databases themselves, their pragmas and the errors that they raise are clients/daemon/store/database.py
and clients/witness/head_store.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_step(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read and written inside is one step: nobody writes meanwhile, all of it holds or none."""
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
    """The name of SQLite's own code and nothing else: its texts may quote values."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
