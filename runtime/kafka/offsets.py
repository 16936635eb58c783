"""Where the records of partitions begin, and where what is committed in them ends.

Owns the question. It goes to the broker that leads a partition, once for all of its partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from runtime.errors import Unavailable
from runtime.kafka.client import AIOKafkaClient, CommittedOffsetRequest, as_connection_errors
from runtime.kafka.committed_records import READ_COMMITTED
from runtime.kafka.ports import Place
from runtime.kafka.requests import PinnedRequest

_NO_REPLICA: Final = -1


class PartitionBound(IntEnum):
    """An end of a partition's records. The numbers are Kafka's."""

    BEGINNING = -2
    END = -1


async def bounds_of(
    client: AIOKafkaClient, leaders: Mapping[Place, int], which: PartitionBound
) -> dict[Place, int]:
    """The offset of that end of each partition; `Unavailable` where its leader does not say."""
    asked: dict[int, dict[str, list[tuple[int, int]]]] = {}
    for (topic, partition), leader in leaders.items():
        asked.setdefault(leader, {}).setdefault(topic, []).append((partition, int(which)))
    found: dict[Place, int] = {}
    for leader, wanted in asked.items():
        question = PinnedRequest(CommittedOffsetRequest, _NO_REPLICA, READ_COMMITTED, list(wanted.items()))
        with as_connection_errors():
            answer = await client.send(leader, question)
        for topic, partitions in answer.topics:
            for partition, code, _, offset in partitions:
                if code:
                    raise Unavailable(f"the offsets of {topic} are not known (error {code})")
                found[topic, partition] = offset
    return found
