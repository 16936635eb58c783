"""Kafka's own time: what an answer says of it, and what a process makes of one that says nothing."""

from __future__ import annotations

import asyncio
import io
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.identifiers import Millis
from runtime.errors import Unavailable
from runtime.kafka import broker_time as ask
from runtime.kafka.broker_time import KafkaTime, NoTimeTold
from runtime.kafka.client import IncompatibleBrokerVersion, KafkaConnectionError

NOON = 1_795_000_000_000


def answer(*voters: tuple[int, int], leader: int = 1, error: int = 0, partition_error: int = 0) -> Any:
    """What a broker answers; each voter with its id and the time that the leader gives it."""
    rows = [(node, 7, t, t, {}) for node, t in voters]
    partition = (0, partition_error, leader, 3, 7, rows, [], {})
    return SimpleNamespace(error_code=error, topics=[(ask.METADATA_TOPIC, [partition], {})])


@pytest.mark.parametrize(
    ("answered", "t"),
    [
        (answer((1, NOON)), NOON),
        (answer((2, NOON - 9), (1, NOON), (3, NOON - 5)), NOON),  # not what another has fetched last
        (answer((1, -1)), None),
        (answer((2, NOON)), None),
        (answer((1, NOON), leader=-1), None),
        (answer((1, NOON), partition_error=6), None),
        (SimpleNamespace(error_code=31, topics=[]), None),
    ],
)
def test_the_leader_s_own_time_counts(answered: Any, t: int | None) -> None:
    assert ask.leaders_time(answered) == t


def test_the_question_and_its_answer_have_the_form_of_kafka_s_schema() -> None:
    """DescribeQuorum 1: the one topic, its one partition; and an answer of three voters, decoded from bytes."""
    question = ask.quorum().prepare({55: (0, 2)})
    assert question.encode() == b"\x02\x13__cluster_metadata\x02\x00\x00\x00\x00\x00\x00\x00"
    rows = [(node, 7, NOON - node, NOON - node, {}) for node in (1, 2, 3)]
    encoded = ask._Quorum.SCHEMA.encode((0, [(ask.METADATA_TOPIC, [(0, 0, 2, 3, 7, rows, [], {})], {})], {}))
    assert ask.leaders_time(ask._Quorum.decode(io.BytesIO(encoded))) == NOON - 2


class Client:
    """A connection that answers as it is told."""

    def __init__(self, answered: Any) -> None:
        self.answered = answered
        self.closed = 0

    def __call__(self, _: str) -> Client:
        return self

    async def bootstrap(self) -> None:
        """There is a broker."""

    def get_random_node(self) -> int:
        return 0

    async def send(self, _: int, __: object) -> Any:
        await asyncio.sleep(0)
        if isinstance(self.answered, Exception):
            raise self.answered
        return self.answered

    async def close(self) -> None:
        self.closed += 1


async def test_the_time_is_what_kafka_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "sparing_client", Client(answer((1, NOON))))
    assert await KafkaTime("kafka:9092").ask() == Millis(NOON)


@pytest.mark.parametrize(
    ("answered", "never"),
    [
        (IncompatibleBrokerVersion("too old"), True),
        (SimpleNamespace(error_code=31, topics=[]), True),
        (answer((1, -1), leader=-1), False),
        (SimpleNamespace(error_code=0, topics=[("x", [(0,)], {})]), False),
        (KafkaConnectionError(), False),
        (OSError(), False),
        (TimeoutError(), False),
    ],
)
async def test_no_time_is_told_as_none(monkeypatch: pytest.MonkeyPatch, answered: Any, never: bool) -> None:
    """For ever, where Kafka is too old or does not let us ask; for now, in an election or an outage."""
    client = Client(answered)
    monkeypatch.setattr(ask, "sparing_client", client)
    with pytest.raises(Unavailable) as refused:
        await KafkaTime("kafka:9092").ask()
    assert isinstance(refused.value, NoTimeTold) is never
    assert client.closed == int(isinstance(answered, KafkaConnectionError | OSError))
