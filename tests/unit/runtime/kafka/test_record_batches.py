"""How many records a batch holds, and which."""

from __future__ import annotations

from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import BATCH_BYTES, batch_of


@given(st.lists(st.binary(max_size=300_000), min_size=1, max_size=6))
def test_a_batch_holds_the_first_records_in_order(values: list[bytes]) -> None:
    """As many as fit, never none, each with its key."""
    records = [OutputRecord("any", b"thread", value) for value in values]
    batch, count = batch_of(records, now=1_700_000_000_000)
    assert count >= 1
    assert count == len(values) or len(batch) + len(values[count]) > BATCH_BYTES - 100
    found = MemoryRecords(batch).next_batch()
    assert found.validate_crc()
    assert [(record.key, record.value) for record in found] == [
        (b"thread", value) for value in values[:count]
    ]
