"""What the ledger publishes is read as it was written, and nothing else is taken."""

from __future__ import annotations

import pytest

from protocol.canonical import encode
from protocol.errors import Code, Rejected
from protocol.tlog.publication import MAX_PUBLICATION, encode_publication, parse_publication
from protocol.tlog.tiles import right_edge
from tests.sim.one_log import SHARD, SimLog, leaves


def test_it_is_read_as_it_was_written():
    """One encoding, both ways."""
    (record,) = SimLog().add(leaves(300)).publish()
    assert encode_publication(parse_publication(record)) == record


def test_much_comes_in_parts_that_kafka_takes():
    """Only the last part has the checkpoint, and the whole right edge."""
    log = SimLog().add(leaves(40_000))
    records = log.publish()
    assert len(records) == 3
    assert all(len(record) < MAX_PUBLICATION for record in records)
    parts = [parse_publication(record) for record in records]
    assert [part.note is None for part in parts] == [True, True, False]
    assert set(right_edge(40_000)) <= set(parts[-1].files)


TILE = ["tile/0/000.p/1", bytes(32)]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ([2, SHARD, [], None], Code.E_VER),
        ([True, SHARD, [], None], Code.E_SCHEMA),
        ([1, SHARD, []], Code.E_SCHEMA),
        ([1, "", [], None], Code.E_SCHEMA),
        ([1, "a\nb", [], None], Code.E_SCHEMA),
        ([1, SHARD, [], "note"], Code.E_SCHEMA),
        ([1, SHARD, [TILE, TILE], None], Code.E_SCHEMA),
        ([1, SHARD, [["tile/0/000.p/1"]], None], Code.E_SCHEMA),
        ([1, SHARD, [["tile/0/000.p/2", bytes(32)]], None], Code.E_TILE),
        ([1, SHARD, [["tile/entries/000.p/1", bytes(32)]], None], Code.E_TILE),
        ([1, SHARD, [["../../etc/passwd", bytes(32)]], None], Code.E_TILE),
    ],
)
def test_anything_else_is_refused(item, code: Code):
    """Each with its own code, and none with a foreign exception."""
    with pytest.raises(Rejected) as caught:
        parse_publication(encode(item))
    assert caught.value.reason is code


def test_it_has_a_bound():
    """Whoever writes there cannot make everybody decode gigabytes."""
    with pytest.raises(Rejected, match=Code.E_SIZE):
        parse_publication(bytes(MAX_PUBLICATION + 1))
