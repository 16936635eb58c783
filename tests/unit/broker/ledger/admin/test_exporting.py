"""An auditor's copy of the records: the same rows from any database, closed logs closed, deletions kept."""

from __future__ import annotations

import pytest

from broker.ledger.admin.exporting import export_records
from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import Erasure, RecordStore
from runtime.errors import Conflict, NotFound, Unavailable
from tests.unit.broker.ledger.rows import NEXT, ORIGIN, empty, filled, grown


def settings(tmp_path, url: str) -> LedgerSettings:
    return LedgerSettings(
        kafka="127.0.0.1:1", origin="contrada.example", directory=tmp_path, root=tmp_path / "r",
        key="file:/k", note_key=tmp_path / "n", records=url,
    )  # fmt: skip


def test_the_copy_has_every_log_and_every_row(url, tmp_path):
    """Two half-years, one of them closed, and a deleted record: all as they are in the store."""
    store, state, made = filled(url)
    store.erase(Erasure(ORIGIN, [3], by=f"{NEXT}#0"))
    after = grown(empty(NEXT), 1)
    store.commit(state, after, made.rows[:1])
    told = export_records(settings(tmp_path, url), tmp_path / "copy.sqlite")

    copy = RecordStore(f"sqlite:///{tmp_path / 'copy.sqlite'}", read_only=True)
    assert copy.states() == store.states()
    for origin in (ORIGIN, NEXT):
        assert list(copy.rows(origin)) == list(store.rows(origin))
        assert told[origin] == len(list(store.rows(origin)))
    assert copy.row(ORIGIN, 3).erased_by == f"{NEXT}#0"


def test_a_file_that_is_there_is_not_touched(url, tmp_path):
    """An export never writes over an earlier one."""
    filled(url)
    (tmp_path / "copy.sqlite").write_bytes(b"earlier")
    with pytest.raises(Conflict):
        export_records(settings(tmp_path, url), tmp_path / "copy.sqlite")
    assert (tmp_path / "copy.sqlite").read_bytes() == b"earlier"


def test_a_folder_that_is_not_there_is_not_the_database_s_fault(url, tmp_path):
    """Whoever mistypes the file does not look for a fault of the store."""
    filled(url)
    with pytest.raises(NotFound, match=f"there is no directory {tmp_path / 'no'}"):
        export_records(settings(tmp_path, url), tmp_path / "no" / "copy.sqlite")


def test_an_export_that_fails_leaves_nothing_and_works_the_next_time(url, tmp_path, monkeypatch):
    """Half a store would pass for the whole one, and would be in the way."""
    store, _, _ = filled(url)
    out = tmp_path / "out"
    out.mkdir()

    def fail(*_):
        raise Unavailable("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(RecordStore, "signed", fail)
        with pytest.raises(Unavailable):
            export_records(settings(tmp_path, url), out / "copy.sqlite")
    assert list(out.iterdir()) == []
    export_records(settings(tmp_path, url), out / "copy.sqlite")
    assert [path.name for path in out.iterdir()] == ["copy.sqlite"]
    assert RecordStore(f"sqlite:///{out / 'copy.sqlite'}", read_only=True).states() == store.states()
