"""A group's committed positions as its coordinator answers: a position, none yet, or not known.

Owns telling these three apart, which the library does not: it takes an answer that is an error as a whole
(NOT_COORDINATOR from a broker that has just lost the group) for an answer without positions. A router that
believed that would begin an outbox anew and deliver all of it again. Rules:

1. There is no position only where the answer names the partition and says so.
2. A stable position is one of which no transaction has moved on without having ended (KIP-447). Until then
   it is not known.
3. Those who ask in the same moment share a request: a router that starts asks for thousands.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, Final

from runtime.errors import Unavailable
from runtime.kafka import requests as ask
from runtime.kafka.client import (
    AIOKafkaClient,
    ConnectionGroup,
    CoordinationType,
    KafkaError,
    as_connection_errors,
)
from runtime.kafka.ports import Place

NONE_YET: Final = -1
UNSTABLE: Final = 88
MOST_POSITIONS: Final = 500
"""So many are asked for in one request: each may bring 4,096 bytes of metadata."""

Found = tuple[int, str] | None
"""An offset with its metadata; None where none was ever committed."""


class Unstable(Unavailable):
    """A transaction that has not ended has moved the position."""


class PositionAnswer:
    """An answer to `requests.fetch_offsets`: looked through once, for however many positions."""

    def __init__(self, answer: Any) -> None:
        self._error: int = answer.error_code
        self._rows = {
            (topic, row[0]): (row[1], row[3], row[4])
            for topic, partitions, _ in answer.topics or ()
            for row in partitions
        }

    def position(self, topic: str, partition: int) -> Found:
        """Offset and metadata of this partition."""
        if self._error:
            raise _unknown(topic, f"the coordinator answers with error {self._error}")
        row = self._rows.get((topic, partition))
        if row is None:
            raise _unknown(topic, "the coordinator's answer does not name it")
        offset, metadata, code = row
        if code == UNSTABLE:
            raise Unstable(f"the position in {topic} is part of a transaction that has not ended")
        if code:
            raise _unknown(topic, f"the coordinator answers with error {code}")
        return None if offset == NONE_YET else (offset, metadata or "")


class Positions:
    """The positions of one group."""

    def __init__(self, client: AIOKafkaClient, group: str) -> None:
        self._client = client
        self._group = group
        self._coordinator: int | None = None
        self._wanted: dict[tuple[Place, bool], asyncio.Future[Found]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def read(self, place: Place, *, stable: bool) -> Found:
        """The position of a partition; `Unstable` or `Unavailable` while it is not known."""
        key = (place, stable)
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = self._wanted[key] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await asyncio.shield(wanted)

    async def _ask_all(self) -> None:
        try:
            await asyncio.sleep(0)
            while self._wanted:
                stable = next(iter(self._wanted))[1]
                same = (place for place, kind in self._wanted if kind is stable)
                await self._ask(list(islice(same, MOST_POSITIONS)), stable=stable)
        finally:
            self._asking = None

    async def _ask(self, places: list[Place], *, stable: bool) -> None:
        answer: PositionAnswer | None = None
        failure: Exception = Unavailable("the coordinator's answer was lost")
        wanted = {place: self._wanted.pop((place, stable)) for place in places}
        try:
            answer = PositionAnswer(await self._send(ask.fetch_offsets(self._group, places, stable=stable)))
        except KafkaError as error:
            failure = Unavailable(f"the positions of {self._group} are not known ({type(error).__name__})")
        for place, waiting in wanted.items():
            if waiting.cancelled():
                continue
            try:
                if answer is None:
                    raise failure
                waiting.set_result(answer.position(*place))
            except Unavailable as unknown:
                if not isinstance(unknown, Unstable):
                    self._coordinator = None  # the next question looks for it again
                waiting.set_exception(unknown)
                waiting.exception()  # whoever waits gets it; nobody may be waiting any more

    async def _send(self, question: ask.PinnedRequest) -> Any:
        with as_connection_errors():
            if self._coordinator is None:
                self._coordinator = await self._client.coordinator_lookup(CoordinationType.GROUP, self._group)
            return await self._client.send(self._coordinator, question, group=ConnectionGroup.COORDINATION)


def _unknown(topic: str, why: str) -> Unavailable:
    return Unavailable(f"the position in {topic} is not known: {why}")
