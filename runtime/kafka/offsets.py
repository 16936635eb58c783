"""Where the records of partitions begin, and where what is committed in them ends.

Owns the question. It goes to the broker that leads a partition, for many of its partitions at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from runtime.errors import Unavailable
from runtime.kafka.client import AIOKafkaClient, CommittedOffsetRequest, as_connection_errors
from runtime.kafka.committed_records import READ_COMMITTED
from runtime.kafka.ports import Place
from runtime.kafka.requests import NO_REPLICA, PinnedRequest

MOST_PLACES: Final = 1_000
"""So many are asked for in one request."""


class PartitionBound(IntEnum):
    """An end of a partition's records. The numbers are Kafka's."""

    BEGINNING = -2
    END = -1


async def bounds_of(
    client: AIOKafkaClient, leaders: Mapping[Place, int], which: PartitionBound | int
) -> dict[Place, int]:
    """The offset of that end of each partition; `Unavailable` where its leader does not say.

    Of a moment, in Unix milliseconds, the offset of the first record since then; -1 where there is none.
    """
    found: dict[Place, int] = {}
    for leader, places in by_leader(leaders):
        with as_connection_errors():
            answer = await client.send(leader, _question(places, which))
        found |= _offsets_in(answer)
    return found


def by_leader(leaders: Mapping[Place, int]) -> Iterator[tuple[int, list[Place]]]:
    """The partitions of each broker, as many as one request asks for."""
    led: dict[int, list[Place]] = {}
    for place, leader in leaders.items():
        led.setdefault(leader, []).append(place)
    for leader, places in led.items():
        for first in range(0, len(places), MOST_PLACES):
            yield leader, places[first : first + MOST_PLACES]


def _question(places: Sequence[Place], which: PartitionBound | int) -> PinnedRequest:
    wanted: dict[str, list[tuple[int, int]]] = {}
    for topic, partition in places:
        wanted.setdefault(topic, []).append((partition, int(which)))
    return PinnedRequest(CommittedOffsetRequest, NO_REPLICA, READ_COMMITTED, list(wanted.items()))


def _offsets_in(answer: Any) -> dict[Place, int]:
    found: dict[Place, int] = {}
    for topic, partitions in answer.topics:
        for partition, code, _, offset in partitions:
            if code:
                raise Unavailable(f"the offsets of {topic} are not known (error {code})")
            found[topic, partition] = offset
    return found
