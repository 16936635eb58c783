"""Searches: what is asked for and nothing else, in order, page by page, each along an index."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import sqlite

from broker.ledger.store.queries import query_for
from broker.ledger.store.record_store import RecordQuery, RecordStore
from protocol.trail.records import RecordType
from tests.unit.broker.ledger.rows import NEXT, ORIGIN, filled


def indexes(store: RecordStore, **asked) -> list[int]:
    """Where the rows are that are found."""
    return [found.row.index for found in store.find(RecordQuery(**asked))]


def test_each_question_is_answered(url):
    """By unit, sender, time, type, reason, message, conversation and header; and by several at once."""
    store, _, made = filled(url)
    accepted, refused, junk, act = made.rows
    t = accepted.t
    for asked, expected in (
        ({}, [0, 3, 4, 5]),
        ({"newest": True}, [5, 4, 3, 0]),
        ({"unit": "fr"}, [0, 3, 4]),
        ({"unit": "it"}, [0]),
        ({"unit": "nz", "newest": True}, [3]),
        ({"unit": "nobody"}, []),
        ({"sender": "registrar"}, [5]),
        ({"since": t, "until": t + 1}, [0, 3, 4, 5]),
        ({"since": t + 1}, []),
        ({"until": t}, []),
        ({"types": [RecordType.ACCEPTED]}, [0]),
        ({"types": [RecordType.REJECTED, RecordType.DELETION]}, [3, 4, 5]),
        ({"reason": "E_CBOR"}, [4]),
        ({"reason": "E_DATA_BASIS"}, [3]),
        ({"reason": "E_DATA"}, []),
        ({"reason": "%"}, []),
        ({"message_id": accepted.message_id}, [0]),
        ({"message_id": refused.message_id, "unit": "fr"}, [3]),
        ({"message_id": refused.message_id, "unit": "it"}, []),
        ({"thread": refused.thread}, [3]),
        ({"header_digest": accepted.subject}, [0]),
        ({"origin": ORIGIN, "unit": "fr", "types": [2]}, [3, 4]),
        ({"origin": NEXT}, []),
    ):
        assert indexes(store, **asked) == expected, asked
    assert store.find(RecordQuery(message_id=accepted.message_id))[0] == (ORIGIN, accepted)
    assert (junk.sender, act.sender) == (None, "registrar")


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("unit", [None, "fr"])
def test_pages_follow_each_other(url, newest, unit):
    """A page ends where the next one begins, whichever way one reads."""
    store, _, _ = filled(url)
    whole, beyond, found = indexes(store, newest=newest, unit=unit), None, []
    for _ in range(10):
        page = store.find(RecordQuery(newest=newest, unit=unit, limit=1, beyond=beyond))
        if not page:
            break
        beyond = (page[-1].origin, page[-1].row.index)
        found.append(page[-1].row.index)

    assert found == whole


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"unit": "fr"}, "concerns"),
        ({"unit": "fr", "since": 5, "newest": True}, "concerns"),
        ({"message_id": b"x"}, "records_mid"),
        ({"types": [2]}, "records_rare"),
        ({"since": 5, "until": 6}, "records_t"),
    ],
)
def test_searches_go_along_an_index(tmp_path, asked, index):
    """No question reads all records of a large log to find a few: SQLite says which way it goes."""
    store, _, _ = filled(f"sqlite:///{tmp_path / 'r.sqlite'}")
    query = query_for(RecordQuery(**asked), {ORIGIN: 0}).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    with store._engine.connect() as connection:
        plan = " | ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))

    assert f"SEARCH {index}" in plan or f"INDEX {index}" in plan, plan
    assert "SCAN records" not in plan
