"""The feed of directory statements for the centre's replicas: from the beginning, with a signal at the end.

Owns that signal: it is given each time the end is reached. A reader that waits out outages by itself
(`FeedReader`) cannot give it: it is silent while nothing comes, and a replica has to know when it last
reached the topic's end (broker/replica.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import LogReader


class StatementFeed(Protocol):
    """The directory topic, from its beginning."""

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Give every statement to `take`, in order; call `caught_up` whenever none is left."""
        ...


class KafkaStatements:
    """Implements `broker.statement_feed.StatementFeed`."""

    def __init__(self, bootstrap: str) -> None:
        self._topics = KafkaTopics(bootstrap)

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Feed statements in order; `Unavailable` ends it, and it is begun anew."""
        async with self._topics.reading(topics.DIRECTORY, None) as reader:
            while True:
                _, end = await reader.span()
                if end < await reader.position():
                    raise Unavailable("the topic directory ends before what was read of it")
                while await reader.position() < end:
                    await _take(reader, take)
                caught_up()
                await _take(reader, take)


async def _take(reader: LogReader, take: Callable[[bytes], None]) -> None:
    for record in await reader.fetch(wait_ms=1_000, most=500):
        if record.value:
            take(record.value)
