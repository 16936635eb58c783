"""Where thousands of partitions end, in a few requests.

Owns the question alone. The library's consumer asks too, but begins to read what it asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from runtime.errors import Unavailable
from runtime.kafka import requests as ask
from runtime.kafka.client import AIOKafkaClient, as_connection_errors
from runtime.kafka.leaders import Leaders
from runtime.kafka.ports import Place

MOST_PLACES: Final = 1_000
"""So many are asked for in one request."""


async def topic_ends(client: AIOKafkaClient, places: Iterable[Place]) -> dict[Place, int]:
    """The offset behind the last committed record of each; `Unavailable` where the cluster does not say."""
    leaders = Leaders(client)
    wanted = list(dict.fromkeys(places))
    led: dict[int, list[Place]] = {}
    for place, node in zip(wanted, await asyncio.gather(*map(leaders.leader, wanted)), strict=True):
        led.setdefault(node, []).append(place)
    found: dict[Place, int] = {}
    for node, own in led.items():
        for part in _parts(own):
            with as_connection_errors():
                answer = await client.send(node, ask.ends(part))
            for topic, partitions in answer.topics:
                for partition, code, _, offset in partitions:
                    if code:
                        raise Unavailable(f"the end of {topic} is not known (error {code})")
                    found[topic, partition] = offset
    return {place: found[place] for place in wanted}


def _parts(places: Sequence[Place]) -> Iterator[list[Place]]:
    left = iter(places)
    while part := list(islice(left, MOST_PLACES)):
        yield part
