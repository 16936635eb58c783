"""Reading marks: how far a process has read, told to Kafka, so that the operator sees one that stands still.

    group      `readers.fr` of a unit, `readers` of the ledger: its own, where it reaches nobody else's
    offset     where its reading goes on
    metadata   "TOLD MOVED": when this was told, and when the offset had moved last, by the reader's own clock

Owns the form of a mark, and telling and reading them. Rules:
- Nothing is decided by a mark: a reader goes on from its own database, and anybody at Kafka can write one.
- Both times are one clock's: how long a reader has stood still when it told does not depend on anybody's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Final

from protocol import topics
from protocol.identifiers import Millis
from protocol.limits import MAX_UINT
from runtime.errors import Unavailable
from runtime.kafka.client import (
    AIOKafkaClient,
    ConnectionGroup,
    CoordinationType,
    KafkaError,
    OffsetCommitRequest,
    as_connection_errors,
    sparing_client,
)
from runtime.kafka.closing import close
from runtime.kafka.groups.many_positions import positions_of_groups
from runtime.kafka.ports import Place, ReadingMark
from runtime.kafka.positions import Found, Positions
from runtime.kafka.requests import PinnedRequest
from runtime.kafka.security.access import KafkaAddress

TELL_WITHIN: Final = 5.0

_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)


def mark_to_text(mark: ReadingMark) -> str:
    """A mark's times, for a position's metadata."""
    return f"{mark.told} {mark.moved}"


def read_mark(position: int, text: str) -> ReadingMark | None:
    """The mark in a position with its metadata; None where it is none."""
    words = text.split(" ")
    if len(words) != 2 or not all(_NUMBER.fullmatch(word) for word in words):
        return None
    told, moved = (Millis(int(word)) for word in words)
    return ReadingMark(position, told, moved) if moved <= told <= MAX_UINT else None


def following_marks(
    told: Mapping[Place, ReadingMark], positions: Mapping[Place, int], *, now: Millis
) -> dict[Place, ReadingMark]:
    """The marks to tell now, behind those that were told last."""

    def moved(place: Place, position: int) -> Millis:
        before = told.get(place)
        # A clock that was set back must not make a mark that was told before it had moved.
        return now if before is None or before.position != position else min(before.moved, now)

    return {
        place: ReadingMark(position, now, moved(place, position)) for place, position in positions.items()
    }


class KafkaMarks:
    """Tells and reads marks. Implements `runtime.kafka.ports.MarkTeller`."""

    def __init__(self, bootstrap: KafkaAddress, group: str = topics.READERS_GROUP) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._client: AIOKafkaClient | None = None
        self._coordinator: int | None = None

    async def tell(self, marks: Mapping[Place, ReadingMark]) -> None:
        """Tell how far these places were read; `Unavailable` where Kafka does not take it."""
        done = False
        try:
            async with asyncio.timeout(TELL_WITHIN):
                client = await self._connected()
                if self._coordinator is None:
                    with as_connection_errors():
                        self._coordinator = await client.coordinator_lookup(
                            CoordinationType.GROUP, self._group
                        )
                with as_connection_errors():
                    answer = await client.send(
                        self._coordinator, _commit(self._group, marks), group=ConnectionGroup.COORDINATION
                    )
                codes = [row[1] for _, partitions in answer.topics for row in partitions if row[1]]
                if codes:
                    raise _not_taken(f"error {codes[0]}")
                done = True
        except (KafkaError, TimeoutError, OSError) as error:
            raise _not_taken(type(error).__name__) from error
        finally:
            if not done:
                await self.close()

    async def read(self, places: Sequence[Place]) -> dict[Place, ReadingMark | None]:
        """The marks of these places; None where nobody has told one. `Unavailable` while it is not known."""
        return _marks(await self.positions(self._group, places))

    async def read_groups(self, wanted: Mapping[str, Sequence[Place]]) -> dict[Place, ReadingMark | None]:
        """The same of places whose readers each have a group of their own."""
        try:
            async with asyncio.timeout(TELL_WITHIN):
                return _marks(await positions_of_groups(await self._connected(), wanted))
        except (KafkaError, TimeoutError, OSError) as error:
            raise _not_known(error) from error

    async def positions(self, group: str, places: Sequence[Place]) -> dict[Place, Found]:
        """A group's positions with their metadata."""
        try:
            async with asyncio.timeout(TELL_WITHIN):
                positions = Positions(await self._connected(), group)
                found = await asyncio.gather(*(positions.read(place, stable=False) for place in places))
        except (KafkaError, TimeoutError, OSError) as error:
            raise _not_known(error) from error
        return dict(zip(places, found, strict=True))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._coordinator = self._client, None, None
        if client is not None:
            await close(client.close())

    async def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            self._client = sparing_client(self._bootstrap)
            await self._client.bootstrap()
        return self._client


def _commit(group: str, marks: Mapping[Place, ReadingMark]) -> PinnedRequest:
    """Positions of nobody's membership and in no transaction, kept as long as the broker keeps any."""
    by_topic: dict[str, list[tuple[int, int, str]]] = {}
    for (topic, partition), mark in marks.items():
        by_topic.setdefault(topic, []).append((partition, mark.position, mark_to_text(mark)))
    return PinnedRequest(OffsetCommitRequest, group, -1, "", -1, list(by_topic.items()))


def _marks(found: Mapping[Place, Found]) -> dict[Place, ReadingMark | None]:
    return {place: None if one is None else read_mark(*one) for place, one in found.items()}


def _not_known(error: Exception) -> Unavailable:
    return Unavailable(f"how far was read is not known ({type(error).__name__})")


def _not_taken(why: str) -> Unavailable:
    return Unavailable(f"Kafka did not take how far was read ({why})")
