"""Record batches: the records of one partition in one transaction.

Owns sizes and sequence numbers. Rules: nothing is left out and the order stays; the sequence numbers of a
partition begin at 0 in each epoch of a producer, and each record takes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runtime.kafka.client import DefaultRecordBatchBuilder
from runtime.kafka.ports import OutputRecord

BATCH_BYTES: Final = 512_000
"""A batch holds this much, or one record. Every topic's limit is larger (protocol/topics.py)."""

_MAGIC, _UNCOMPRESSED, _TRANSACTIONAL = 2, 0, 1


def batches_of(records: Sequence[OutputRecord], *, producer: tuple[int, int], now: int) -> list[bytes]:
    """Batches to be appended one after the other, under the producer's (id, epoch), stamped `now` (ms)."""
    built: list[bytes] = []
    done = 0
    while done < len(records):
        batch = DefaultRecordBatchBuilder(_MAGIC, _UNCOMPRESSED, _TRANSACTIONAL, *producer, done, BATCH_BYTES)
        offset = 0
        for record in records[done:]:
            if batch.append(offset, now, record.key or None, record.value, []) is None:
                break  # full; the first record of a batch always fits
            offset += 1
        built.append(bytes(batch.build()))
        done += offset
    return built
