"""What is committed stays, what is deleted is off the disk, and nobody else reads it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from broker.ledger.store.record_store import Erasure, RecordStore
from runtime.errors import Unavailable
from tests.unit.broker.ledger.rows import ORIGIN, filled, grown
from tests.waiting import GENEROUS

WRITER = """
import sys
from broker.ledger.store.record_store import RecordStore
from tests.unit.broker.ledger.rows import ORIGIN, decisions, grown
store = RecordStore(sys.argv[1])
state, rows = store.state(ORIGIN), decisions().rows
while True:
    after = grown(state, 6)
    store.commit(state, after, [row._replace(index=row.index + state.size) for row in rows], {"a": b"x" * 5000})
    state = after
    print(state.size, flush=True)
"""
ROOT = Path(__file__).parents[5]


def test_a_killed_writer_leaves_whole_steps(url):
    """Whenever it is killed: what it said was committed is there, and rows and head are of one step."""
    store, state, _ = filled(url)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    said = 0
    for _ in range(25):
        said = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    writer.wait(GENEROUS)
    writer.stdout.close()

    after = RecordStore(url).state(ORIGIN)
    assert after.size >= said > state.size
    assert sum(row.leaves for row in store.rows(ORIGIN)) == after.size
    store.commit(after, grown(after, 1))


def test_a_killed_server_keeps_what_it_committed(postgres):
    """PostgreSQL is killed behind a commit and comes back with it; meanwhile the error is one of ours."""
    from tests.unit.broker.ledger.conftest import fresh

    store, state, made = filled(fresh(postgres))
    postgres.stop(signal.SIGKILL)
    with pytest.raises(Unavailable):
        store.commit(state, grown(state, 1), made.rows)
    with pytest.raises(Unavailable):
        store.states()
    postgres.start()

    assert store.state(ORIGIN) == state
    assert list(store.rows(ORIGIN)) == made.rows
    store.commit(state, grown(state, 1))


def test_sqlite_writes_through_to_the_disk(tmp_path):
    """A write-ahead log, and every commit on the disk before it is said to be there."""
    store, _, _ = filled(f"sqlite:///{tmp_path / 'r.sqlite'}")
    with store._engine.connect() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous")
        }

    assert asked == {"journal_mode": "wal", "synchronous": 2}


def test_what_is_deleted_is_not_on_the_disk(tmp_path):
    """Neither the record nor its salt is found in SQLite's files, its log included; the others' are."""
    path = tmp_path / "r.sqlite"
    store, state, made = filled(f"sqlite:///{path}")
    large = made.rows[0]._replace(index=state.size, record=b"LARGE" * 20_000, salt=b"salt of the large")
    store.commit(state, grown(state, 1), [large])
    found = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"LARGELARGE" in found and made.rows[0].salt in found
    store.erase(Erasure(ORIGIN, [0, state.size], "x#1"))
    found = b"".join(each.read_bytes() for each in tmp_path.iterdir())

    for gone in (made.rows[0].record, made.rows[0].salt, made.rows[0].message_id, b"LARGELARGE", large.salt):
        assert gone not in found
    assert made.rows[1].record in found


def test_the_file_is_its_owners_alone(tmp_path):
    """Who wrote to whom stands in it: the rights are taken back even where they were wider."""
    path = tmp_path / "r.sqlite"
    old = os.umask(0)
    try:
        store, _, _ = filled(f"sqlite:///{path}")
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
        store.close()
        path.chmod(0o644)
        RecordStore(f"sqlite:///{path}").close()
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_changes_nothing(tmp_path):
    """Where the database cannot grow, the step is not there, the error is ours, and tells no value."""
    path = tmp_path / "r.sqlite"
    store, state, made = filled(f"sqlite:///{path}")
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    with pytest.raises(Unavailable) as caught:
        store.commit(state, grown(state, 1), [], {"large": bytes(1_000_000)})

    assert "SQLITE_FULL" in str(caught.value)
    assert store.state(ORIGIN) == state
    assert list(store.rows(ORIGIN)) == made.rows
    with sqlite3.connect(path) as direct:
        assert direct.execute("PRAGMA integrity_check").fetchone() == ("ok",)
