"""The values of `__transaction_state`: what a Kafka 4.3.1 has written, an older version, and what is no value."""

from __future__ import annotations

import struct

import pytest

from runtime.kafka.hanging.coordinator_log import Noted, Status, noted

NOTHING = frozenset()
BOTH = frozenset({("out", 0), ("other", 0)})
EMPTY = "00010000000000000001000000003a980000000001a22f5cb3a1ffffffffffffffff0100080000000000000001"
PREPARED = (
    "00010000000000000001000100003a980203066f74686572020000000000046f7574020000000000000001a22f5cb421000001a22f5cb3e2"
    "020008000000000000000102020002"
)
COMPLETE = (
    "00010000000000000001000100003a980401000001a22f5cb42d000001a22f5cb3e2020008000000000000000102020002"
)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (EMPTY, Noted(1, 0, Status.EMPTY, NOTHING, 0)),
        (PREPARED, Noted(1, 1, Status.PREPARE_COMMIT, BOTH, 2)),
        (COMPLETE, Noted(1, 1, Status.COMPLETE_COMMIT, NOTHING, 2)),
    ],
    ids=["empty", "prepared", "complete"],
)
def test_what_kafka_has_written_is_read(value: str, found: Noted) -> None:
    """Producer, epoch, state, partitions, and the version of the protocol."""
    assert noted(bytes.fromhex(value)) == found


@pytest.mark.parametrize("topics", [b"\xff\xff\xff\xff", struct.pack(">ih3sii", 1, 3, b"out", 1, 0)])
def test_so_is_what_an_older_kafka_has_written(topics: bytes) -> None:
    """Version 0: fixed lengths, and -1 for no partitions."""
    value = struct.pack(">hqhib", 0, 7, 3, 15_000, 3) + topics + struct.pack(">qq", 1, 1)
    places = NOTHING if topics[:1] == b"\xff" else frozenset({("out", 0)})
    assert noted(value) == Noted(7, 3, Status.PREPARE_ABORT, places, 0)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\0",
        bytes.fromhex("0002" + PREPARED[4:]),
        bytes.fromhex(PREPARED[:40]),
        bytes.fromhex(PREPARED.replace("3a980203", "3a980903")),
        bytes.fromhex(PREPARED.replace("046f757402", "04ffff7402")),
    ],
    ids=["deleted", "cut", "a later version", "cut within", "an unknown state", "no text"],
)
def test_what_is_no_such_value_says_nothing(value: bytes) -> None:
    """No transaction is ended for it."""
    assert noted(value) is None
