"""Topics of thousands of units: how many are one request."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from protocol import topics
from protocol.identifiers import UnitId
from runtime.errors import TopicConflict
from runtime.kafka.admin import MOST_RECORDS, MOST_TOPICS, _refused, parts_of
from runtime.kafka.client import NewTopic, RequestTimedOutError


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


class Controller:
    """Answers requests for new topics with these codes; without any it does not answer in time."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes

    async def create_topics(self, _: object) -> SimpleNamespace:
        if not self.codes:
            raise RequestTimedOutError
        return SimpleNamespace(topic_errors=[(name, code, "") for name, code in self.codes.items()])


@pytest.mark.parametrize(
    ("codes", "again"),
    [
        ({"a": 0, "b": 0}, []),
        ({"a": 36, "b": 0}, []),  # somebody else has just made it
        ({"a": 0, "b": 38}, ["b"]),  # its broker was too busy to say that it lives
        ({}, ["a", "b"]),
    ],
)
async def test_what_a_busy_cluster_has_not_made_is_asked_for_again(
    codes: dict[str, int], again: list[str]
) -> None:
    """Thousands of topics keep a broker so busy that its controller takes it for dead for a moment."""
    wanted = [NewTopic(name, 1, 1) for name in ("a", "b")]
    assert [topic.name for topic in await _refused(Controller(**codes), wanted)] == again  # type: ignore[arg-type]


async def test_what_can_never_be_made_is_told() -> None:
    """A name that Kafka does not take is not asked for again."""
    with pytest.raises(TopicConflict, match="did not create a: InvalidTopicError"):
        await _refused(Controller(a=17), [NewTopic("a", 1, 1)])  # type: ignore[arg-type]
