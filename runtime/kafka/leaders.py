"""Which broker leads which partition, asked for topic by topic.

Owns what is known of the cluster's topics. The library asks for all topics of a client in one request, each
time that one is new and at every refresh: for the inboxes of thousands of units that is more work than all
messages. Here a topic is asked for once, together with those that are wanted in the same moment, and again
after its leader refused.

Rules: asking for a topic never makes one. What the cluster does not know raises `Unavailable`, at once: its
caller tries again later, and nobody else waits meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from runtime.errors import Unavailable
from runtime.kafka.client import AIOKafkaClient, KafkaError, MetadataRequest, as_connection_errors
from runtime.kafka.ports import Place

MOST_TOPICS: Final = 500
"""So many are asked for in one request."""


class Leaders:
    """The leaders of the partitions of those topics that were asked for."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._known: dict[str, dict[int, int]] = {}
        self._wanted: dict[str, asyncio.Future[dict[int, int]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; `Unavailable` where the cluster does not know it."""
        return len(await self._leaders_of(topic))

    async def leader(self, place: Place) -> int:
        """The broker that leads a partition; `Unavailable` where none does."""
        topic, partition = place
        found = (await self._leaders_of(topic)).get(partition, -1)
        if found < 0:
            self.forget([topic])
            raise Unavailable(f"nobody leads partition {partition} of {topic}")
        return found

    def forget(self, topics: Iterable[str]) -> None:
        """What was known of these topics is wrong or old: the next question asks the cluster again."""
        for topic in topics:
            self._known.pop(topic, None)

    async def _leaders_of(self, topic: str) -> dict[int, int]:
        if (known := self._known.get(topic)) is not None:
            return known
        wanted = self._wanted.get(topic)
        if wanted is None:
            wanted = self._wanted[topic] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await asyncio.shield(wanted)

    async def _ask_all(self) -> None:
        try:
            await asyncio.sleep(0)  # those who ask in the same moment share a request
            while self._wanted:
                await self._ask(list(islice(self._wanted, MOST_TOPICS)))
        finally:
            self._asking = None

    async def _ask(self, topics: list[str]) -> None:
        failure: Exception | None = None
        try:
            with as_connection_errors():
                answer = await self._client.send(self._client.get_random_node(), MetadataRequest(topics))
                # The addresses of the brokers, too: a broker that came back may have another one.
                self._client.cluster.update_metadata(answer)
            self._known |= _leaders_in(answer)
        except KafkaError as error:
            failure = Unavailable(f"the cluster does not say who leads its topics ({type(error).__name__})")
        for topic in topics:
            wanted = self._wanted.pop(topic)
            if wanted.cancelled():
                continue
            if (known := self._known.get(topic)) is not None:
                wanted.set_result(known)
            else:
                wanted.set_exception(failure or Unavailable(f"the topic {topic} does not exist"))
                wanted.exception()  # whoever waits gets it; nobody may be waiting any more


def _leaders_in(answer: Any) -> dict[str, dict[int, int]]:
    """The leaders that an answer names, by topic; -1 where there is none right now."""
    return {
        topic: {row[1]: -1 if row[0] else row[2] for row in partitions}
        for code, topic, _, partitions in answer.topics
        if not code
    }
