"""The committed records in what a broker answered for one partition.

Owns leaving out what readers of committed records must not see: aborted transactions, and the markers that
end one. The library's own reader does the work; its checksums are checked.
"""

from __future__ import annotations

from typing import Final

from runtime.kafka.client import MemoryRecords, PartitionRecords, TopicPartition
from runtime.kafka.fetch_session import FetchedPart
from runtime.kafka.ports import InputRecord

READ_COMMITTED: Final = 1


def committed_records(part: FetchedPart) -> tuple[list[InputRecord], int]:
    """The records from the asked position on, and where reading goes on.

    That may be behind the last record: markers and aborted records take offsets, too. Raises what the library
    raises of bytes that are no records of Kafka's.
    """
    found = PartitionRecords(
        TopicPartition(*part.place),
        MemoryRecords(part.data),
        list(part.aborted),
        part.position,
        key_deserializer=None,
        value_deserializer=None,
        check_crcs=True,
        isolation_level=READ_COMMITTED,
    )
    records = [InputRecord(record.offset, record.timestamp, record.value or b"") for record in found]
    return records, found.next_fetch_offset
