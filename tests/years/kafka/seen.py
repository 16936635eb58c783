"""The committed records of a log, as whoever judges a simulation sees them: past all clients and faults."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka.record.memory_records import MemoryRecords

from tests.years.kafka.log import PartitionLog


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, as the checker sees it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def committed_in(log: PartitionLog, *, start: int) -> list[Seen]:
    """From an offset on, as far as the last stable offset."""
    start = max(start, log.begin)
    found: list[Seen] = []
    for batch in log.batches[log.index_of(start) :]:
        if batch.base >= log.stable:
            break
        if batch.is_control or (batch.is_transactional and log.is_aborted(batch)):
            continue
        inside = MemoryRecords(batch.data).next_batch()
        assert inside is not None
        found += [
            Seen(one.offset, one.timestamp, one.key, one.value) for one in inside if one.offset >= start
        ]
    return found
