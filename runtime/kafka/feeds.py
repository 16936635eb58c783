"""Reading records of any partition of any topic, through outages that may last for days.

Owns the retries, and the connection that all followers of a process share. A reader that stops at a gap is in
runtime/kafka/partition_log.py; why there are two is said in runtime/kafka/ports.py. The rules, each with its
reason (docs/adr/0004, 0026):

1. Readers have no group and commit nothing: the position is the caller's, kept with what was read.
2. All partitions share a client and a fetch session for each broker (runtime/kafka/feed_fetching.py): none
   waits for another, and an idle one costs nothing that shows.
3. What failed is begun anew over another connection, from the addresses in the settings: the brokers may have
   moved meanwhile. Who is idle then goes over to it.
4. Whenever reading begins anew, the newest records that were read must still be there. Kafka that came back
   from an older copy has lost its connections, so it is seen; reading goes back to the last record that
   both logs have, and says so (docs/adr/0030). Each further time waits longer: a Kafka that changes its
   logs to and fro cannot keep a reader busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog

from runtime.errors import Unavailable
from runtime.kafka.addresses import not_reachable
from runtime.kafka.client import REQUEST_TIMEOUT_MS, KafkaError, sparing_client
from runtime.kafka.closing import close
from runtime.kafka.feed_fetching import Feed, FeedFetcher, SessionForgotten, Taken
from runtime.kafka.leaders import Leaders
from runtime.kafka.offsets import PartitionBound, bounds_of
from runtime.kafka.ports import Fetched, Ladder, Place, ReadRecord, Spacing, Take
from runtime.kafka.security.access import KafkaAddress
from runtime.read_records import Beginning, climbed, read_record, where_to_begin

log = structlog.get_logger()

T = TypeVar("T")

IDLE: Final = 30.0
LOOK_WITHIN: Final = 30.0
"""Seconds for one record that was read before, whatever else is to be fetched."""

TAKE_AT_MOST: Final = 64
TOPIC_WITHIN: Final = REQUEST_TIMEOUT_MS / 1000
"""Seconds that a topic which was made just now has to become known, and a partition to find a leader."""

TOPIC_PAUSE: Final = 0.05

FIRST_REWIND_PAUSE: Final = 1.0
LONGEST_REWIND_PAUSE: Final = 900.0
"""Seconds before a reader goes back for the second time, and for each further time at the most."""


class Backoff:
    """How long to wait before trying again: doubling, with jitter, up to a bound; a success resets it."""

    __slots__ = ("_first", "_most", "_next")

    def __init__(self, *, first: float = 0.1, most: float = 15.0) -> None:
        self._first = self._next = first
        self._most = most

    def reset(self) -> None:
        """It worked."""
        self._next = self._first

    async def wait(self) -> None:
        """Sleep half of the interval, and up to as much again at random: units do not all return at once."""
        interval, self._next = self._next, min(self._next * 2, self._most)
        await asyncio.sleep(interval * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


async def once_available(
    ask: Callable[[], Awaitable[T]], *, event: str = "kafka_unavailable", **about: str
) -> T:
    """The answer, asked for until Kafka gives it; each failure is logged as this event."""
    backoff = Backoff()
    while True:
        try:
            return await ask()
        except Unavailable as error:
            log.warning(event, **about, error=str(error))
            await backoff.wait()


class _Connection:
    """A client with what is read over it, shared by whoever reads now."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self.client = sparing_client(bootstrap)
        self.leaders = Leaders(self.client)
        self.fetcher = FeedFetcher(self.client)
        self.users = 0
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, once for all."""
        if self._opening is None:
            self._opening = asyncio.create_task(self.client.bootstrap())
        await asyncio.shield(self._opening)

    async def leader(self, place: Place) -> int:
        """The broker that leads a partition; `Unavailable` where none does for some seconds."""
        return await _known(lambda: self.leaders.leader(place))

    async def bounds(self, places: Sequence[Place], which: PartitionBound) -> dict[Place, int]:
        """Where the partitions begin, or where what is committed in them ends."""
        return await _known(lambda: self._bounds_now(places, which))

    async def _bounds_now(self, places: Sequence[Place], which: PartitionBound) -> dict[Place, int]:
        # Together: those who ask in the same moment share a request, and a command asks for thousands.
        leaders = await asyncio.gather(*map(self.leaders.leader, places))
        try:
            return await bounds_of(self.client, dict(zip(places, leaders, strict=True)), which)
        except Unavailable:
            self.leaders.forget({topic for topic, _ in places})
            raise

    @contextlib.asynccontextmanager
    async def feed(self, place: Place, position: int, spacing: Spacing) -> AsyncIterator[Feed]:
        """What comes in a partition from a position on."""
        leader = await self.leader(place)
        feed = self.fetcher.add(place, position, leader=leader, spacing=spacing)
        try:
            yield feed
        except Unavailable:
            self.leaders.forget([place[0]])
            raise
        finally:
            self.fetcher.remove(feed)

    async def beginning(self, place: Place, position: int, known: Ladder) -> Beginning:
        """Where to read from, for a reader that had come to a position."""
        begin = (await self.bounds([place], PartitionBound.BEGINNING))[place]
        end = (await self.bounds([place], PartitionBound.END))[place]
        return await where_to_begin(position, known, begin=begin, end=end, has=partial(self._has, place))

    async def _has(self, place: Place, record: ReadRecord) -> bool:
        """Whether this record stands where it was read; `Unavailable` where that does not come."""
        async with self.feed(place, record.offset, lambda: 0.0) as feed:
            while (found := await feed.take(within=LOOK_WITHIN, most=1)) is not None:
                records, position = found
                if records:
                    return read_record(records[0]) == record
                if position > record.offset:
                    return False  # markers, or what was aborted
        raise Unavailable(f"the record at {record.offset} does not come")

    async def close(self) -> None:
        """End the reading and close the connections."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        await self.fetcher.close()
        await close(self.client.close())


class KafkaFeeds:
    """Committed records of topics. Implements `runtime.kafka.ports.FeedReader`.

    The connection is there while somebody reads, and needs no closing.
    """

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self._bootstrap = bootstrap
        self._connection: _Connection | None = None

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        async with self._connected() as connection:
            return await _known(lambda: connection.leaders.partitions(topic))

    async def end(self, topic: str, partition: int) -> int:
        """The offset behind the last record."""
        return (await self.ends([(topic, partition)]))[topic, partition]

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """The same of many places at once; the topics are there."""
        async with self._connected() as connection:
            return await connection.bounds(places, PartitionBound.END)

    async def follow(
        self,
        topic: str,
        partition: int,
        *,
        start: int,
        take: Take,
        known: Ladder = (),
        spacing: Spacing = lambda: 0.0,
    ) -> None:
        """Read for ever from `start`; a reader that fails or stalls is replaced."""
        reading = _Reading((topic, partition), take, spacing, start, known)
        while True:
            try:
                async with self._connected() as connection:
                    await self._read(connection, reading)
            except SessionForgotten:
                log.debug("feed_interrupted", topic=topic, partition=partition)
            except Unavailable as error:
                log.warning("feed_interrupted", topic=topic, partition=partition, error=str(error))
            await reading.backoff.wait()

    async def _read(self, connection: _Connection, reading: _Reading) -> None:
        """Read until the others use another connection; `SessionForgotten` where it is to be begun anew."""
        begun = await connection.beginning(reading.place, reading.position, reading.known)
        await reading.wait_before(begun)
        reading.position, reading.known = begun.position, begun.known
        if begun.lost or begun.rewound:
            await reading.take(Fetched(*reading.place, (), begun.position, begun.lost, begun.rewound_from))
        async with connection.feed(reading.place, reading.position, reading.spacing) as feed:
            while (found := await self._next(connection, feed, reading.position)) is not None:
                reading.backoff.reset()
                records, behind = found
                await reading.take(Fetched(*reading.place, records, behind))
                reading.position, reading.known = behind, climbed(reading.known, records)

    async def _next(self, connection: _Connection, feed: Feed, position: int) -> Taken | None:
        """What comes next; None where the others have gone over to another connection."""
        while (found := await feed.take(within=IDLE, most=TAKE_AT_MOST)) is None:
            if connection is not self._connection:
                return None
            # There is something, and half a minute was not enough to get it. An open transaction looks the
            # same and ends within its own timeout; a new reader then does no harm.
            if (await connection.bounds([feed.place], PartitionBound.END))[feed.place] > position:
                raise Unavailable(f"nothing has come from {position} on, though there is something")
        return found

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Connection]:
        connection = self._connection
        if connection is None:
            connection = self._connection = _Connection(self._bootstrap)
        connection.users += 1
        try:
            await connection.open()
            yield connection
        except (KafkaError, OSError, TimeoutError) as error:
            self._leave(connection)
            raise not_reachable(self._bootstrap, error) from error
        except Unavailable:
            self._leave(connection)
            raise
        finally:
            connection.users -= 1
            if not connection.users:
                self._leave(connection)
                await connection.close()

    def _leave(self, connection: _Connection) -> None:
        """Whoever comes next finds another connection."""
        if self._connection is connection:
            self._connection = None


class _Reading:
    """How far one reader has come, and how often it went back."""

    def __init__(self, place: Place, take: Take, spacing: Spacing, position: int, known: Ladder) -> None:
        self.place = place
        self.take = take
        self.spacing = spacing
        self.position = position
        self.known = known
        self.backoff = Backoff()
        self._rewinds = 0
        self._before_rewinds = Backoff(first=FIRST_REWIND_PAUSE, most=LONGEST_REWIND_PAUSE)

    async def wait_before(self, begun: Beginning) -> None:
        """Before going back once more; the first time at once."""
        if not begun.rewound:
            return
        topic, partition = self.place
        about = {"offset": begun.rewound_from, "beginning": begun.position}
        log.error("feed_rewound", topic=topic, partition=partition, **about)
        if self._rewinds:
            await self._before_rewinds.wait()
        self._rewinds += 1


async def _known(ask: Callable[[], Awaitable[T]]) -> T:
    """What the cluster says of a topic; one that was made just now it may not know yet."""
    clock = asyncio.get_running_loop().time
    until = clock() + TOPIC_WITHIN
    while True:
        try:
            return await ask()
        except Unavailable:
            if clock() >= until:
                raise
        await asyncio.sleep(TOPIC_PAUSE)
