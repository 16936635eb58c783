"""The feed of directory statements for the centre's replicas: from the beginning, with a signal at the end.

Owns that signal: it is given each time the end is reached. A reader that waits out outages by itself
(`FeedReader`) cannot give it: it is silent while nothing comes, and a replica has to know when it last
reached the topic's end (broker/replica.py).

The library connects again in silence, perhaps to a Kafka that came back from an older copy and has grown
since. So the last record that was read is read again every `LOOK_AGAIN` seconds: where it is another one,
so may be what lay before it, and the topic is read from its beginning (docs/adr/0030).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import LogReader, ReadRecord, Topics
from runtime.kafka.security.access import KafkaAddress
from runtime.read_records import read_record

LOOK_AGAIN: Final = 10.0


class StatementFeed(Protocol):
    """The directory topic, from its beginning."""

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Give every statement to `take`, in order; call `caught_up` whenever none is left."""
        ...


class KafkaStatements:
    """Implements `broker.statement_feed.StatementFeed`."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self._topics: Topics = KafkaTopics(bootstrap)

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Feed statements in order; `Unavailable` ends it, and it is begun anew."""
        async with self._topics.reading(topics.DIRECTORY, None) as reader:
            await follow_statements(reader, take, caught_up)


async def follow_statements(
    reader: LogReader, take: Callable[[bytes], None], caught_up: Callable[[], None]
) -> None:
    """Read for ever; `Unavailable` where the topic is another one than was read."""
    clock = asyncio.get_running_loop().time
    last: ReadRecord | None = None
    due = clock() + LOOK_AGAIN
    while True:
        _, end = await reader.span()
        if end < await reader.position():
            raise Unavailable("the topic directory ends before what was read of it")
        again = last if clock() >= due else None
        if again is not None:
            reader.seek(again.offset)
            due = clock() + LOOK_AGAIN
        while await reader.position() < end:
            found = await _take(reader, take, again=again)
            if found is not None:
                last, again = found, None
        caught_up()
        last = await _take(reader, take) or last


async def _take(
    reader: LogReader, take: Callable[[bytes], None], *, again: ReadRecord | None = None
) -> ReadRecord | None:
    """Take what comes; the last record of it. The first one must be `again`, if it is read once more."""
    records = await reader.fetch(wait_ms=1_000, most=500)
    if not records:
        return None
    if again is not None and read_record(records[0]) != again:
        raise Unavailable("the topic directory has other records than were read of it")
    for record in records:
        if record.value:
            take(record.value)
    return read_record(records[-1])
