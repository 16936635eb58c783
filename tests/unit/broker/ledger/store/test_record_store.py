"""The ledger's database: one writer moves a log, all of a step is there or nothing, and what is deleted is gone."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from broker.errors import BrokerError
from broker.ledger.store.record_store import Erasure, Moved, RecordQuery, RecordStore
from protocol.trail.ledger_leaves import leaves_of_row
from runtime.errors import Misconfigured, Unavailable
from tests.unit.broker.ledger.rows import NEXT, ORIGIN, empty, filled, grown
from tests.waiting import GENEROUS

DELETED_BY = f"{NEXT}#7"


def test_a_log_is_what_was_committed_last(url):
    """State, rows and staged files come back as they went in, also for who opens the database anew."""
    store, state, made = filled(url)
    store.close()
    store = RecordStore(url)

    assert store.state(ORIGIN) == state
    assert store.state(NEXT) is None
    assert list(store.rows(ORIGIN)) == made.rows
    assert store.staged(ORIGIN) == {"tile/0/000.p/5": b"hashes", "tile/entries/000.p/5": b"entries"}


@pytest.mark.parametrize(
    "field", [{"size": 9}, {"root": b"x" * 32}, {"checkpoint": b"x"}, {"position": 9}, {"directory_next": 9}]
)
def test_whoever_builds_on_another_state_writes_nothing(url, field):
    """A step from a state that is not the committed one, in any field, leaves no row, no file and no head."""
    store, state, made = filled(url)
    stale = replace(state, **field)
    with pytest.raises(Moved):
        store.commit(
            stale,
            grown(state, 1),
            [row._replace(index=row.index + 100) for row in made.rows],
            {"tile/0/000.p/6": b"fork"},
            [Erasure(ORIGIN, [0], DELETED_BY)],
        )

    assert store.states() == (state,)
    assert list(store.rows(ORIGIN)) == made.rows
    assert "tile/0/000.p/6" not in store.staged(ORIGIN)


def test_of_two_writers_at_once_one_wins(url):
    """Eight threads move the log from the same state: one does, and the rows are its rows alone."""
    store, state, made = filled(url)
    gate, results = threading.Barrier(8, timeout=GENEROUS), []

    def move(number: int) -> None:
        mine = RecordStore(url)
        gate.wait()
        try:
            row = made.rows[0]._replace(index=state.size + number)
            mine.commit(state, replace(grown(state, 1), checkpoint=b"writer %d" % number), [row])
            results.append(number)
        except BrokerError as error:
            assert isinstance(error, Moved)
        finally:
            mine.close()

    threads = [threading.Thread(target=move, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    (winner,) = results
    assert store.state(ORIGIN).checkpoint == b"writer %d" % winner
    assert [row.index for row in store.rows(ORIGIN, first=state.size)] == [state.size + winner]


def test_a_log_is_begun_once(url):
    """Who begins a log that is there is told, and changes nothing."""
    store, state, _ = filled(url)
    with pytest.raises(Moved):
        store.commit(None, empty())

    assert store.states() == (state,)


def test_a_closed_shard_never_moves_again(url):
    """The next shard begins with the end of the old one in one step: nobody goes on in the old, or begins twice."""
    store, state, made = filled(url)
    following = replace(grown(state, 0), origin=NEXT, size=1)
    store.commit(state, following, made.rows[1:2])
    for old, new in (
        (state, grown(state, 1)),
        (state, following),
        (replace(state, next=NEXT), grown(state, 1)),
        (state, replace(following, origin="contrada.example/audit/2027h2")),
    ):
        with pytest.raises(Moved):
            store.commit(old, new)

    assert store.states() == (replace(state, next=NEXT), following)
    assert [row.index for row in store.rows(NEXT)] == [3]
    assert len(list(store.rows(ORIGIN))) == 4


def test_each_leaf_has_its_row(url):
    """A decision's row opens its own leaf and those of its deliveries; behind the last there is none."""
    store, state, made = filled(url)

    assert [store.row(ORIGIN, index).index for index in range(6)] == [0, 0, 0, 3, 4, 5]
    assert store.row(ORIGIN, 6) is None
    assert store.row(NEXT, 0) is None
    store.commit(state, replace(grown(state, 0), origin=NEXT, size=0))
    assert store.row(NEXT, 0) is None
    opened = [leaf.entry for row in store.rows(ORIGIN) for leaf in leaves_of_row(row)]
    assert opened == made.entries


def test_rows_come_in_ranges(url):
    """A range of leaves gives the rows that begin in it."""
    store, _, _ = filled(url)

    assert [row.index for row in store.rows(ORIGIN, first=1, end=5)] == [3, 4]
    assert list(store.rows(NEXT)) == []


def test_what_is_deleted_is_gone_and_says_by_whom(url):
    """Record, salt and whatever was said of it go; the row stays with the leaf that ordered it; others stay whole."""
    store, _, made = filled(url)

    assert store.erase(Erasure(ORIGIN, [1], DELETED_BY)) == 1
    gone = store.row(ORIGIN, 0)
    assert gone == made.rows[0]._replace(
        record=None, salt=None, message_id=None, thread=None, sender=None, units="", reasons="", subject=None,
        erased_by=DELETED_BY,
    )  # fmt: skip
    assert store.row(ORIGIN, 2) == gone
    assert list(store.rows(ORIGIN))[1:] == made.rows[1:]
    assert [found.row.index for found in store.find(RecordQuery(unit="it"))] == []
    assert store.find(RecordQuery(message_id=made.rows[0].message_id)) == []
    assert [found.row.index for found in store.find(RecordQuery(unit="fr"))] == [3, 4]
    assert store.erase(Erasure(ORIGIN, [0, 1, 2], f"{NEXT}#8")) == 0
    assert store.row(ORIGIN, 0).erased_by == DELETED_BY


def test_what_orders_deletions_is_not_deleted(url):
    """A deletion's own record stays, so that whoever misses a record finds why; so does what is not there."""
    store, _, made = filled(url)

    assert store.erase(Erasure(ORIGIN, [5, 6, 1000], DELETED_BY)) == 0
    assert store.erase(Erasure(NEXT, [0], DELETED_BY)) == 0
    assert list(store.rows(ORIGIN)) == made.rows


def test_a_deletion_is_carried_out_with_its_leaf(url):
    """The act is sequenced and carried out in one transaction: a ledger that dies cannot do half of it."""
    store, state, made = filled(url)
    store.commit(state, grown(state, 1), [], None, [Erasure(ORIGIN, [3], f"{ORIGIN}#5")])

    assert store.row(ORIGIN, 3).erased_by == f"{ORIGIN}#5"
    assert store.row(ORIGIN, 3).record is None
    assert store.row(ORIGIN, 4) == made.rows[2]


def test_the_newest_staged_file_counts(url):
    """A file that was staged twice is the one of the larger tree; what is put is forgotten, and no more."""
    store, state, _ = filled(url)
    after = grown(state, 1)
    store.commit(state, after, [], {"tile/0/000.p/5": b"hashes", "tile/1/000.p/1": b"newer"})
    store.commit(after, grown(after, 1), [], {"tile/1/000.p/1": b"newest"})

    assert store.staged(ORIGIN)["tile/1/000.p/1"] == b"newest"
    store.clear_staged(ORIGIN, size=after.size)
    assert store.staged(ORIGIN) == {"tile/1/000.p/1": b"newest"}
    store.clear_staged(NEXT, size=1000)
    assert store.staged(ORIGIN) == {"tile/1/000.p/1": b"newest"}


def test_odd_bytes_and_texts_come_back(url):
    """Every byte, and texts with tabs, newlines and backslashes, go both ways unchanged."""
    store, state, made = filled(url)
    row = made.rows[0]._replace(index=state.size, record=bytes(range(256)), reasons="a\tb\nc\\d\\N\r")
    store.commit(state, grown(state, 1), [row], {"odd\t\\path": bytes(range(256))})

    assert store.row(ORIGIN, state.size) == row
    assert store.staged(ORIGIN)["odd\t\\path"] == bytes(range(256))


@pytest.mark.parametrize(
    "wrong", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "postgresql://h/d", "nonsense"]
)
def test_another_database_is_refused(wrong):
    """What we have not tried is no store for the only copy of anything."""
    with pytest.raises(Misconfigured):
        RecordStore(wrong)


def test_another_schema_is_refused(url):
    """A database of another version is left alone."""
    store, _, _ = filled(url)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE about SET version = 2")
    store.close()
    with pytest.raises(Misconfigured):
        RecordStore(url)


def test_readers_write_nothing(url):
    """Opened for reading, it reads, and every write is refused with an error of ours."""
    store, state, made = filled(url)
    reader = RecordStore(url, read_only=True)

    assert list(reader.rows(ORIGIN)) == made.rows
    with pytest.raises(Unavailable):
        reader.commit(state, grown(state, 1))
    with pytest.raises(Unavailable):
        reader.erase(Erasure(ORIGIN, [0], DELETED_BY))
    reader.close()
    store.close()
    alone = RecordStore(url, read_only=True)
    assert alone.state(ORIGIN) == state
