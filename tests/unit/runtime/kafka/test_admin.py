"""Topics of thousands of units: how many are one request."""

from __future__ import annotations

from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.admin import MOST_RECORDS, MOST_TOPICS, parts_of


def records(part: list[topics.Topic]) -> int:
    """What a controller makes of a request."""
    return sum(1 + topic.partitions + len(topic.config) for topic in part)


def test_parts_are_in_order_and_none_is_too_large() -> None:
    """Each topic once; a unit with 64 partitions each way counts for what it is."""
    for partitions in (1, 64):
        wanted = list(topics.shared())
        for number in range(700):
            unit = UnitId(f"u{number}")
            wanted += topics.of_unit(unit, outbox_partitions=partitions, inbox_partitions=partitions)
        parts = list(parts_of(wanted))
        assert [topic for part in parts for topic in part] == wanted
        assert max(map(len, parts)) <= MOST_TOPICS
        assert max(map(records, parts)) <= MOST_RECORDS
        full = [part for part in parts[:-1] if len(part) < MOST_TOPICS and records(part) < MOST_RECORDS - 150]
        assert full == []


def test_no_topics_are_no_request() -> None:
    """An empty request would create nothing, and describe all topics that there are."""
    assert list(parts_of([])) == []
