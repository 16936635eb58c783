"""The memory of a witness: what SQLite is asked for, and what it refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from clients.witness import head_store as module
from clients.witness.errors import StateLost, StateUnavailable
from clients.witness.head_store import CosignedHead, HeadStore
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning
from tests.mutants.promises import assert_missed
from tests.sim.witnessing import SHARD


@pytest.fixture
def heads(tmp_path: Path):
    HeadStore.create(tmp_path / "heads.sqlite")
    opened = HeadStore(tmp_path / "heads.sqlite")
    yield opened
    opened.close()


def head(size: int, root: int = 1) -> CosignedHead:
    return CosignedHead(SHARD, size, bytes([root]) * 32, b"note", 5)


def moved(heads: HeadStore, old: CosignedHead | None, new: CosignedHead) -> None:
    with heads.transaction():
        heads.move(old, new, note=b"note")


def test_what_is_committed_survives_a_power_cut(heads: HeadStore) -> None:
    """Every commit is synced: FULL, in a write-ahead log."""
    ask = heads._connection.execute

    assert ask("PRAGMA synchronous").fetchone() == (2,)
    assert ask("PRAGMA journal_mode").fetchone() == ("wal",)


def test_nobody_else_can_read_it(tmp_path: Path, heads: HeadStore) -> None:
    """The files have mode 0600, whatever the umask says."""
    moved(heads, None, head(1))

    assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("heads.sqlite*")} == {0o600}


def test_a_head_moves_from_what_was_decided_by(heads: HeadStore) -> None:
    """Compare-and-swap: whoever decided by an older head, or by none, moves nothing."""
    moved(heads, None, head(1))
    moved(heads, head(1), head(5))

    for stale in (None, head(1), head(5, root=2)):
        with pytest.raises(StateUnavailable):
            moved(heads, stale, head(9))
    assert heads.head(SHARD) == head(5)


def test_two_processes_move_it_once(tmp_path: Path, heads: HeadStore) -> None:
    """Even if both got past the lock of the home."""
    other = HeadStore(tmp_path / "heads.sqlite")
    moved(other, None, head(3))

    with pytest.raises(StateUnavailable):
        moved(heads, None, head(3, root=2))
    assert heads.head(SHARD) == head(3)
    other.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE head SET size = 4", "UPDATE head SET root = x'" + "02" * 32 + "'", "DELETE FROM head",
        "UPDATE signed SET root = x'" + "02" * 32 + "'", "UPDATE head SET root = x'00', size = 6",
    ],
)  # fmt: skip
def test_the_table_refuses_to_go_back(heads: HeadStore, sql: str) -> None:
    """Not by this program, and not by somebody's repair by hand."""
    moved(heads, None, head(5))

    with pytest.raises(sqlite3.IntegrityError):
        heads._connection.execute(sql)


def test_it_remembers_enough_and_no_more(heads: HeadStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest checkpoints stay; older ones go, and the head never."""
    monkeypatch.setattr(module, "REMEMBERED", 3)
    last = None
    for size in range(1, 9):
        moved(heads, last, head(size))
        last = head(size)

    assert [size for size in range(10) if heads.signed(SHARD, size)] == [6, 7, 8]
    assert heads.oldest(SHARD) == 6


def test_what_is_no_state_of_ours_is_refused(tmp_path: Path) -> None:
    """An empty file, another program's database: nothing is made of it."""
    (tmp_path / "empty").touch()
    with pytest.raises(StateLost):
        HeadStore(tmp_path / "empty")
    (tmp_path / "text").write_text("not a database, and long enough to be looked at" * 100)
    with pytest.raises(StateUnavailable):
        HeadStore(tmp_path / "text")
    HeadStore.create(tmp_path / "new")
    with pytest.raises(FileExistsError):
        HeadStore.create(tmp_path / "new")


def test_a_damaged_memory_is_none(tmp_path: Path, heads: HeadStore) -> None:
    """One bit in the head of a page: SQLite finds no row there and says nothing, and the witness would sign a fork."""
    moved(heads, None, head(1))
    (page,) = heads._connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'head'").fetchone()
    (size,) = heads._connection.execute("PRAGMA page_size").fetchone()
    heads.close()
    path = tmp_path / "heads.sqlite"
    data = bytearray(path.read_bytes())
    rows = (page - 1) * size + 4
    assert data[rows] == 1
    data[rows] ^= 1
    path.write_bytes(data)

    with pytest.raises(StateLost, match="is damaged"):
        HeadStore(path)


async def test_without_the_look_it_has_signed_nothing(tmp_path: Path, heads: HeadStore) -> None:
    mutant = Mutant(module._look_through, returning("None"))
    await assert_missed(mutant, test_a_damaged_memory_is_none, [tmp_path, heads])
