"""A database whose file is damaged: it is found at the start, and nothing is acknowledged that could not be found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.daemon.api.lists import ListQuery, outbox_page
from clients.daemon.api.status import daemon_status, readiness_checks
from clients.daemon.daemon import Daemon
from clients.daemon.errors import StoreDamaged, StoreUnavailable
from clients.daemon.store import database
from clients.daemon.store.database import Store
from runtime.cli.exits import Exit, of_code
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, returning
from tests.mutants.promises import assert_missed
from tests.unit.clients.daemon.unit_contexts import UnitFixture

PAGE = 4096
BEHIND_THE_ROOTS = 90
"""Pages that hold nothing but rows: to open the database none of them is read."""


def filled(path: Path) -> Store:
    """A database of many pages, all of them in its file."""
    store = Store(path)
    for first in range(0, 2_000, 100):
        with store.transaction():
            for number in range(first, first + 100):
                store.write("INSERT INTO meta VALUES (?, ?)", f"key {number:05}", "x" * 200)
    return store


def damage(path: Path, *, but: int = 2) -> None:
    """Overwrite every page behind the first ones, as a disk or a copy that went wrong does."""
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(but * PAGE)
        file.write(b"\xa5" * (whole - but * PAGE))


def closed(path: Path) -> Path:
    filled(path).close()
    return path


@pytest.mark.parametrize(
    "pages", [0, 1, 2, BEHIND_THE_ROOTS], ids=["whole file", "behind the head", "some", "the end"]
)
def test_a_damaged_file_is_not_opened(tmp_path: Path, pages: int) -> None:
    """Whatever part of it: with a code of its own, after which systemd does not start it again."""
    path = closed(tmp_path / "state.sqlite")
    damage(path, but=pages)
    with pytest.raises(StoreDamaged, match="damaged") as told:
        Store(path)
    assert (told.value.code, of_code(told.value.code), told.value.status) == (
        "E_STORE_CORRUPT",
        Exit.VERIFICATION,
        503,
    )
    assert "store-damaged.md" in told.value.hint


def test_a_whole_file_is_opened(tmp_path: Path) -> None:
    """And looked through."""
    store = Store(closed(tmp_path / "state.sqlite"))
    assert store.rows("SELECT count(*) AS n FROM meta")[0]["n"] == 2_000


def test_the_look_at_the_start_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is not waited for: what the look does not reach is met when it is read."""
    path = closed(tmp_path / "state.sqlite")
    monkeypatch.setattr(database, "CHECKED_WITHIN", -1.0)
    store = Store(path)
    with store.transaction():
        store.write("INSERT INTO meta VALUES ('later', '1')")
    assert store.rows("SELECT value FROM meta WHERE key = 'later'")[0]["value"] == "1"


def test_damage_that_is_met_later_ends_the_writing(tmp_path: Path) -> None:
    """A read that meets it is enough: from then on nothing is taken, though the writing itself would have gone well."""
    path = tmp_path / "state.sqlite"
    store = filled(path)
    store.row("PRAGMA wal_checkpoint(TRUNCATE)")
    store.row("PRAGMA shrink_memory")
    damage(path, but=BEHIND_THE_ROOTS)
    with pytest.raises(StoreDamaged):
        store.rows("SELECT * FROM meta")
    with pytest.raises(StoreDamaged), store.transaction():
        store.write("INSERT INTO alarms (raised, code, detail) VALUES (1, 'a', 'b')")


def spoil(unit: UnitFixture) -> None:
    unit.context.store.damage = "SQLITE_CORRUPT"


def test_what_cannot_be_listed_is_not_acknowledged(es: UnitFixture) -> None:
    """A submission is refused, and what is there can still be read."""
    es.submit("it")
    spoil(es)
    with pytest.raises(StoreUnavailable, match="nothing is taken in"):
        es.submit("it")
    assert len(outbox_page(es.context, ListQuery())["items"]) == 1


async def test_a_unit_whose_database_is_damaged_is_not_ready(daemon: Daemon) -> None:
    """Its page says what it is and what to do."""
    daemon.context.store.damage = "SQLITE_CORRUPT"
    found = await readiness_checks(daemon)
    assert (found["store"]["ok"], found["store"]["code"]) == (False, "E_STORE_CORRUPT")
    assert "store-damaged.md" in str(found["store"]["hint"])
    assert (await daemon_status(daemon))["ready"] is False


MUTANTS = [
    (Mutant(database._look_through, returning("None")), test_a_damaged_file_is_not_opened, (BEHIND_THE_ROOTS,)),
    (Mutant(Store.transaction, forced(False, "self.damage")), test_damage_that_is_met_later_ends_the_writing, ()),
    (Mutant(Store._refused, dropped("self.damage")), test_damage_that_is_met_later_ends_the_writing, ()),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "given"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, given, tmp_path: Path) -> None:
    """Without it, what nobody can find again is taken in."""
    await assert_missed(mutant, promise, given, tmp_path=tmp_path)
