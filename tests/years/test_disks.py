"""Disks that forget: our own files and databases survive them, and those that were not brought to the disk do not."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from clients.daemon.errors import StoreUnavailable
from clients.daemon.store.database import Store
from clients.daemon.store.disk import Disk as Flusher
from keys import store as key_store
from keys.errors import KeyStoreError
from keys.store import read_private, write_private
from runtime.files import replace_file, write_new_files
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import rewritten
from tests.years.disks import Disk, Disks

SEEDS = range(12)


@pytest.fixture
def disks() -> Iterator[Disks]:
    """Disks, while they are watched."""
    found = Disks(random.Random(7))
    with found.watched():
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def disk(disks: Disks, home: Path) -> Disk:
    """The disk below it."""
    return disks.add(home)


def write(path: Path, data: bytes) -> None:
    """As our code writes a private file."""
    write_private(path, data, entropy=os.urandom, replace=True)


def power_cut(disk: Disk) -> None:
    """No process is there to be killed."""
    disk.cut_power(lambda: None)


def test_a_private_file_is_the_old_one_or_the_new_one(disk: Disk, home: Path) -> None:
    write(home / "key", b"old")
    power_cut(disk)
    assert read_private(home / "key") == b"old"
    write(home / "key", b"new")
    power_cut(disk)
    assert read_private(home / "key") == b"new"
    assert [path.name for path in home.iterdir()] == ["key"]


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_power_cut_within_a_write_leaves_a_whole_file(disk: Disk, home: Path, steps: int) -> None:
    write(home / "key", b"old")
    left = []
    disk.lose_power_in(steps, lambda: left.append(disk.survivors()))
    with suppress(KeyStoreError):
        write(home / "key", b"a new one that is longer")
    if left:
        disk.put_back(left[0])
    assert read_private(home / "key") in (b"old", b"a new one that is longer")


@pytest.mark.parametrize("steps", range(1, 16))
def test_new_files_are_whole_where_they_are_there(disk: Disk, home: Path, steps: int) -> None:
    wanted = {home / "a": b"one", home / "b": b"two"}
    left = []
    disk.lose_power_in(steps, lambda: left.append(disk.survivors()))
    with suppress(OSError):
        write_new_files(wanted)
    if left:
        disk.put_back(left[0])
    assert all(path.read_bytes() == data for path, data in wanted.items() if path.exists())
    write_new_files(wanted, again=True)


def test_what_was_not_synced_may_be_torn_or_gone(disks: Disks, tmp_path: Path) -> None:
    found = set()
    for seed in SEEDS:
        home = tmp_path / str(seed)
        home.mkdir()
        disk = disks.add(home)
        disk.chance = random.Random(seed)
        (home / "careless").write_bytes(b"0123456789")
        power_cut(disk)
        found.add((home / "careless").read_bytes())
    assert len(found) > 4
    assert all(b"0123456789".startswith(data) for data in found)


@pytest.mark.parametrize("forgotten", ["fsync", "directory"])
def test_a_forgotten_fsync_is_found_out(disks: Disks, tmp_path: Path, forgotten: str) -> None:
    """Mutants: our write without bringing the content, or the name, to the disk."""
    lost = 0
    symbol = key_store.write_all if forgotten == "fsync" else key_store.sync_directory
    with mutated(Mutant(symbol, rewritten("os.fsync(descriptor)", "None"))):
        for seed in SEEDS:
            home = tmp_path / f"home-{seed}"
            home.mkdir(mode=0o700)
            disk = disks.add(home)
            disk.chance = random.Random(seed)
            write(home / "key", b"the key")
            power_cut(disk)
            lost += not (home / "key").exists() or (home / "key").read_bytes() != b"the key"
    assert lost > len(SEEDS) // 4


# Databases.


def add(store: Store, number: int) -> None:
    """A row."""
    with store.transaction():
        store.write("INSERT INTO meta (key, value) VALUES (?, ?)", f"row {number}", "x")


def rows(home: Path) -> int:
    """How many rows the database has when it is opened again."""
    store = Store(home / "state.sqlite")
    try:
        return store.row("SELECT count(*) FROM meta WHERE key LIKE 'row %'")[0]
    finally:
        store.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_units_database_keeps_what_was_flushed(disks: Disks, home: Path, seed: int) -> None:
    """And what it has of what was not is a beginning of it: nothing is torn, nothing has a gap."""
    disk = disks.add(home)
    disk.chance = random.Random(seed)
    store = Store(home / "state.sqlite")

    async def work() -> None:
        flusher = Flusher(store)
        for number in range(5):
            add(store, number)
        await flusher.flushed()
        for number in range(5, 12):
            add(store, number)

    asyncio.run(work())
    disk.cut_power(store.close)
    assert 5 <= rows(home) <= 12


def test_what_was_never_flushed_may_be_gone(disks: Disks, tmp_path: Path) -> None:
    kept = set()
    for seed in SEEDS:
        home = tmp_path / str(seed)
        home.mkdir(mode=0o700)
        disk = disks.add(home)
        disk.chance = random.Random(seed)
        store = Store(home / "state.sqlite")
        for number in range(60):  # as much of the log as the tables themselves
            add(store, number)
        disk.cut_power(store.close)
        kept.add(rows(home))
    assert len(kept) > 1
    assert min(kept) < 60


def test_a_log_that_was_begun_anew_loses_nothing_that_was_in_it(disk: Disk, home: Path) -> None:
    """SQLite brings a log to the disk before it copies it into the database and writes over it."""
    store = Store(home / "state.sqlite")
    for number in range(10):
        add(store, number)
    store.shorten_log()
    add(store, 10)
    disk.cut_power(store.close)
    assert rows(home) in (10, 11)


def test_a_database_of_full_durability_loses_nothing(disk: Disk, home: Path) -> None:
    with closing(sqlite3.connect(home / "heads.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE t (v)")
        for number in range(10):
            database.execute("INSERT INTO t VALUES (?)", (number,))
        power_cut(disk)
    with closing(sqlite3.connect(home / "heads.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM t").fetchone()[0] == 10


@pytest.mark.parametrize("fault", ["full", "locked"])
def test_a_disk_that_takes_nothing_says_so_and_heals(disk: Disk, home: Path, fault: str) -> None:
    write(home / "key", b"old")
    store = Store(home / "state.sqlite")
    add(store, 0)
    disk.fill() if fault == "full" else disk.read_only()
    with pytest.raises(StoreUnavailable):
        for number in range(1, 1_000):
            add(store, number)
    expected = errno.ENOSPC if fault == "full" else errno.EROFS
    with pytest.raises(OSError, match=os.strerror(expected)):
        replace_file(home / "key", b"new")
    disk.heal()
    add(store, 5_000)
    replace_file(home / "key", b"new")
    store.close()
    assert (home / "key").read_bytes() == b"new"


def test_an_older_copy_comes_back(disk: Disk, home: Path) -> None:
    store = Store(home / "state.sqlite")
    add(store, 0)
    image = disk.copy()
    add(store, 1)
    store.close()
    assert rows(home) == 2
    disk.put_back(image)
    assert rows(home) == 1


def test_bits_flip_and_files_tear(disk: Disk, home: Path) -> None:
    (home / "file").write_bytes(bytes(range(256)) * 8)
    assert disk.flip_bit("file").startswith("file at ")
    changed = (home / "file").read_bytes()
    assert sum(one != other for one, other in zip(changed, bytes(range(256)) * 8, strict=True)) == 1
    assert disk.tear("file").startswith("file from ")
    assert (home / "file").read_bytes().endswith(bytes(512))
