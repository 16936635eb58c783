"""The database: what was committed is there after a kill, and a full disk changes nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from clients.daemon.errors import StoreUnavailable
from clients.daemon.store.database import Store
from runtime.errors import HomeError


def put(store: Store, key: str, value: str = "x") -> None:
    store.write("INSERT INTO meta VALUES (?, ?)", key, value)


def keys(store: Store) -> list[str]:
    return [row["key"] for row in store.rows("SELECT key FROM meta ORDER BY key")]


def test_it_is_durable_and_strict(tmp_path: Path):
    """A write-ahead log (brought to the disk by disk.py), tables that take no wrong types, foreign keys on."""
    store = Store(tmp_path / "state.sqlite")
    pragmas = {
        name: store.row(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1}
    tables = store.rows("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    assert tables
    assert all("STRICT" in row["sql"] for row in tables)


def test_what_was_committed_survives_a_kill(tmp_path: Path):
    """The files as they stand after a commit, without any goodbye, hold the commit and not what was open."""
    store = Store(tmp_path / "state.sqlite")
    with store.transaction():
        put(store, "kept")
    copies = tmp_path / "after"
    copies.mkdir()
    store._connection.execute("BEGIN IMMEDIATE")
    put(store, "never committed")
    for file in tmp_path.glob("state.sqlite*"):
        (copies / file.name).write_bytes(file.read_bytes())

    assert keys(Store(copies / "state.sqlite")) == ["kept"]


@pytest.mark.parametrize("restored", [False, True], ids=["new", "from a backup without modes"])
def test_the_files_are_the_owners_alone(tmp_path: Path, restored: bool):
    """Nobody else may read the database, its log or its index, whatever the umask is and was."""
    before = os.umask(0)
    try:
        if restored:
            store = Store(tmp_path / "state.sqlite")
            with store.transaction():
                put(store, "kept")
            for file in tmp_path.iterdir():
                file.chmod(0o666)
        store = Store(tmp_path / "state.sqlite")
        with store.transaction():
            put(store, "more")
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"], 0o600)


def test_a_database_that_cannot_be_made_is_said(tmp_path: Path):
    """A home that is gone ends in `StoreUnavailable`, with the system's own code."""
    with pytest.raises(StoreUnavailable, match="ENOENT"):
        Store(tmp_path / "gone" / "state.sqlite")


def test_a_transaction_that_fails_was_never_there(tmp_path: Path):
    """Whatever is raised inside, nothing of it stays, and the store goes on."""
    store = Store(tmp_path / "state.sqlite")
    with pytest.raises(ZeroDivisionError), store.transaction():
        put(store, "lost")
        raise ZeroDivisionError
    with store.transaction():
        put(store, "kept")

    assert keys(store) == ["kept"]


def test_a_full_disk_is_said_and_passes(tmp_path: Path):
    """No room: `StoreUnavailable` with 507 and nothing changed; with room again the same call holds."""
    store = Store(tmp_path / "state.sqlite")
    pages = store.row("PRAGMA page_count")[0]
    store.row(f"PRAGMA max_page_count={pages + 1}")
    with pytest.raises(StoreUnavailable) as full, store.transaction():
        put(store, "large", "x" * 100_000)
    assert (full.value.status, full.value.code) == (507, "E_STORE")
    assert keys(store) == []
    store.row("PRAGMA max_page_count=1000000")
    with store.transaction():
        put(store, "large", "x" * 100_000)

    assert keys(store) == ["large"]


def test_errors_name_no_values(tmp_path: Path):
    """What SQLite says may quote a value; what comes out is its code alone."""
    store = Store(tmp_path / "state.sqlite")
    with store.transaction():
        put(store, "twice")
    with pytest.raises(StoreUnavailable) as error, store.transaction():
        put(store, "twice", "a secret value")
    assert "secret" not in str(error.value)
    assert "SQLITE_CONSTRAINT" in str(error.value)
    assert error.value.__cause__ is None


def test_a_database_of_another_version_is_refused(tmp_path: Path):
    """A newer program's database is left alone."""
    path = tmp_path / "state.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(HomeError, match="schema 99"):
        Store(path)
