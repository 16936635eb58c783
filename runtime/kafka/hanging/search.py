"""Finding transactions that hang, and ending them.

Owns the order of the questions, on which the verdict (runtime/kafka/hanging/verdicts.py) rests:

    1  ask the leaders of the partitions for open transactions
    2  read what coordinators have written since shortly before those
    3  ask the leaders again: what is not the same as in 1 has moved meanwhile, and is none of ours

Nothing is read of any message. Of a cluster in which nothing is open, one request to each broker is all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import Unavailable
from runtime.kafka import requests as ask
from runtime.kafka.addresses import not_reachable
from runtime.kafka.client import (
    AIOKafkaClient,
    KafkaError,
    MetadataRequest,
    as_connection_errors,
    for_code,
    sparing_client,
)
from runtime.kafka.closing import close
from runtime.kafka.committed_records import committed_records
from runtime.kafka.fetch_session import FetchSession
from runtime.kafka.hanging import requests as hanging
from runtime.kafka.hanging.coordinator_log import TOPIC, Noted, noted
from runtime.kafka.hanging.verdicts import OpenTransaction, State, Verdict, verdict
from runtime.kafka.leaders import MOST_TOPICS
from runtime.kafka.offsets import PartitionBound, bounds_of, by_leader
from runtime.kafka.ports import Place
from runtime.kafka.security.access import KafkaAddress

OFFSETS_TOPIC: Final = "__consumer_offsets"
EARLIER_MS: Final = 2 * 3_600_000
"""So long before its newest record a transaction's decision is looked for: a producer's clock may be an hour
ahead, and more is refused."""

FETCH_WAIT_MS: Final = 500
NOTHING_AT_MOST: Final = 20
"""After so many fetches in a row that bring nothing a log is given up."""

_UNKNOWN_TOPIC: Final = 3
_NOT_TOLD: Final = -1


@dataclass(frozen=True, slots=True)
class Hanging:
    """A transaction that is open in a partition and that its coordinator has forgotten."""

    open: OpenTransaction
    verdict: Verdict


class HangingTransactions:
    """A search in one cluster."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def at(cls, bootstrap: KafkaAddress) -> AsyncIterator[HangingTransactions]:
        """A search over a connection of its own."""
        client = sparing_client(bootstrap)
        try:
            await client.bootstrap()
            yield cls(client)
        except (KafkaError, OSError, TimeoutError) as error:
            raise not_reachable(bootstrap, error) from error
        finally:
            await close(client.close())

    async def find(self, topics: Iterable[str]) -> tuple[Hanging, ...]:
        """What hangs in these topics and in the positions of groups, by partition and offset.

        A topic that is not there is passed over. `Unavailable` where Kafka does not answer for the others.
        """
        leaders = await self._leaders([*topics, OFFSETS_TOPIC])
        first = await self._open(leaders)
        if not first:
            return ()
        history = await self._history({one.producer_id for one in first}, min(one.timestamp for one in first))
        still = set(await self._open({one.place: leaders[one.place] for one in first}))
        judged = [Hanging(one, verdict(one, history[one.producer_id])) for one in first if one in still]
        left = [one for one in judged if one.verdict.state is not State.ALIVE]
        return tuple(sorted(left, key=lambda one: (one.open.place, one.open.start)))

    async def end(self, found: Sequence[Hanging]) -> dict[Hanging, str]:
        """End what is decided, as it was decided; of each the error of Kafka's, empty where it is done."""
        leaders = await self._leaders(sorted({one.open.place[0] for one in found}))
        led: dict[int, list[tuple[Hanging, Noted]]] = {}
        for one in found:
            if one.verdict.decision is not None:
                led.setdefault(leaders[one.open.place], []).append((one, one.verdict.decision))
        said: dict[Hanging, str] = {}
        for leader, decided in led.items():
            markers = [
                (one.open, decision, one.verdict.state is State.COMMITTED) for one, decision in decided
            ]
            codes = hanging.marker_codes(await self._ask(leader, hanging.write_markers(markers)))
            for one, _ in decided:
                code = codes.get((one.open.producer_id, one.open.place), _NOT_TOLD)
                said[one] = for_code(code).__name__ if code else ""
        return said

    async def _leaders(self, topics: Sequence[str]) -> dict[Place, int]:
        """Who leads the partitions of those of these topics that there are."""
        found: dict[Place, int] = {}
        for first in range(0, len(topics), MOST_TOPICS):
            question = MetadataRequest(topics[first : first + MOST_TOPICS])
            answer = await self._ask(self._client.get_random_node(), question)
            for code, topic, _, partitions in answer.topics:
                if code not in (0, _UNKNOWN_TOPIC):
                    raise Unavailable(f"Kafka does not tell who leads {topic} ({for_code(code).__name__})")
                for _, partition, leader, *_ in partitions:
                    if leader < 0:
                        raise Unavailable(f"nobody leads partition {partition} of {topic}")
                    found[topic, partition] = leader
        return found

    async def _open(self, leaders: Mapping[Place, int]) -> list[OpenTransaction]:
        found: list[OpenTransaction] = []
        for leader, places in by_leader(leaders):
            answer = await self._ask(leader, hanging.describe_producers(places))
            for one in hanging.open_transactions(answer):
                if not isinstance(one, OpenTransaction):
                    (topic, partition), code = one
                    why = for_code(code).__name__
                    raise Unavailable(f"Kafka does not tell the producers of {topic} {partition} ({why})")
                found.append(one)
        return found

    async def _history(self, producers: set[int], since: int) -> dict[int, list[Noted]]:
        """What its coordinator has written of each of these producers, in the order of the log."""
        found: dict[int, list[Noted]] = {producer: [] for producer in producers}
        leaders = await self._leaders([TOPIC])
        ends = await bounds_of(self._client, leaders, PartitionBound.END)
        begins = await bounds_of(self._client, leaders, max(0, since - EARLIER_MS))
        for place, begin in begins.items():
            if begin < 0:
                continue
            for one in await self._read(leaders[place], place, begin, ends[place]):
                if one.producer_id in found:
                    found[one.producer_id].append(one)
        return found

    async def _read(self, leader: int, place: Place, position: int, end: int) -> list[Noted]:
        session = FetchSession()
        found: list[Noted] = []
        nothing = 0
        while position < end:
            session.want(place, position)
            answer = await self._ask(leader, ask.fetch(session.ask(), wait_ms=FETCH_WAIT_MS))
            before = position
            for part in session.answered(answer):
                if part.code:
                    raise Unavailable(f"{TOPIC} cannot be read ({for_code(part.code).__name__})")
                records, position = committed_records(part)
                found += [one for record in records if (one := noted(record.value)) is not None]
            nothing = nothing + 1 if position == before else 0
            if nothing == NOTHING_AT_MOST:
                raise Unavailable(f"{TOPIC} gives nothing from {position} on, and ends at {end}")
        return found

    async def _ask(self, node: int, question: Any) -> Any:
        with as_connection_errors():
            return await self._client.send(node, question)
