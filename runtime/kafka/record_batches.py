"""Record batches: the records of one partition, in a transaction or outside one.

Owns sizes and sequence numbers. Rules: nothing is left out and the order stays; the sequence numbers of a
partition begin at 0 in each epoch of a producer, and each record takes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from runtime.kafka.client import DefaultRecordBatchBuilder

BATCH_BYTES: Final = 512_000
"""A batch holds this much, or one record. Every topic's limit is larger (protocol/topics.py)."""

NO_STAMP: Final = -1
"""In the place of a time: no record states when it was made (Kafka's RecordBatch.NO_TIMESTAMP)."""

_MAGIC, _UNCOMPRESSED, _NOBODY = 2, 0, (-1, -1, -1)


class KeyedValue(Protocol):
    """What a record is for Kafka. An empty key is none."""

    @property
    def key(self) -> bytes:
        """Records of one key keep their order."""

    @property
    def value(self) -> bytes:
        """The record itself."""


def batches_of(records: Sequence[KeyedValue], *, producer: tuple[int, int], now: int) -> list[bytes]:
    """Batches of a transaction, one after the other, under the producer's (id, epoch), stamped `now` (ms)."""
    built: list[bytes] = []
    done = 0
    while done < len(records):
        batch, count = batch_of(records[done:], now=now, numbered=(*producer, done))
        built.append(batch)
        done += count
    return built


def batch_of(
    records: Sequence[KeyedValue], *, now: int, numbered: tuple[int, int, int] | None = None
) -> tuple[bytes, int]:
    """As many of the records as one batch holds, at least the first, stamped `now` (ms); and how many.

    `numbered` is a transaction's producer, its epoch, and the sequence number of the first record.
    """
    producer, epoch, first = _NOBODY if numbered is None else numbered
    is_transactional = int(numbered is not None)
    batch = DefaultRecordBatchBuilder(
        _MAGIC, _UNCOMPRESSED, is_transactional, producer, epoch, first, BATCH_BYTES
    )
    count = 0
    for record in records:
        if batch.append(count, now, record.key or None, record.value, []) is None:
            break  # full; the first record of a batch always fits
        count += 1
    return bytes(batch.build()), count
