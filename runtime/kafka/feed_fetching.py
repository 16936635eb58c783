"""All partitions that a process follows, read over one connection for each broker that leads any.

Owns who is asked, and what is held. A process follows a few partitions, most of them idle; a consumer of the
library for each is a connection, two requests a second and their wake-ups for every one. Rules:

1. One fetch session for each broker (KIP-227). It answers as soon as one of its partitions has something, so
   none waits for another.
2. A feed that holds enough is left out of its session until it was taken from. Fetches are short meanwhile,
   so that it need not wait for a long one to end; and while feeds begin.
3. A feed may ask for a pause behind what it has brought, so that what follows comes together. It is left out
   meanwhile, and no fetch waits beyond its end.
4. Records come in the order of the log, each once, from the given position on.
5. A fault ends its feed with `Unavailable`; one of the connection ends all of that broker's, and a session
   that the broker has forgotten does so with `SessionForgotten`. Where to begin again, and when, is for who
   follows (runtime/kafka/feeds.py).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from runtime.errors import Unavailable
from runtime.kafka import requests as ask
from runtime.kafka.client import AIOKafkaClient, KafkaError, as_connection_errors
from runtime.kafka.committed_records import committed_records
from runtime.kafka.fetch_session import FetchedPart, FetchSession
from runtime.kafka.ports import InputRecord, Place, Spacing

LONG_WAIT_MS: Final = 2_500
"""A broker waits so long for something new: half of a request's time-out."""

SHORT_WAIT_MS: Final = 20
BEGINNING: Final = 1.0
"""Seconds of short fetches after a feed has begun: others begin beside it."""

ENOUGH_BYTES: Final = 2_000_000
ENOUGH_RECORDS: Final = 1_000
PAUSE: Final = 0.25
"""Seconds until a broker is asked again that has answered with an error of the session."""

_GROUP: Final = 2
"""The library keeps connections 0 and 1 of a broker for itself."""

Taken = tuple[tuple[InputRecord, ...], int]
"""Records, and where reading goes on behind them. That moves without records, too: markers and what was
aborted take offsets."""


class SessionForgotten(Exception):
    """The broker does not know the session. It may have been started anew, with another log than it had."""


class Feed:
    """One partition: what was fetched and not taken yet."""

    __slots__ = ("_arrived", "_bytes", "_failure", "_found", "_on_room", "_records", "place", "spacing")

    def __init__(self, place: Place, spacing: Spacing, on_room: Callable[[Feed, int], None]) -> None:
        self.place = place
        self.spacing = spacing
        self._on_room = on_room
        self._found: deque[tuple[deque[InputRecord], int]] = deque()
        self._records = self._bytes = 0
        self._failure: BaseException | None = None
        self._arrived = asyncio.Event()

    @property
    def holds_enough(self) -> bool:
        """Whether nothing more is fetched until something was taken."""
        return self._bytes >= ENOUGH_BYTES or self._records >= ENOUGH_RECORDS

    def put(self, records: Sequence[InputRecord], position: int) -> None:
        """Keep what one fetch has brought, and where the next one begins."""
        self._found.append((deque(records), position))
        self._count(records, 1)
        self._arrived.set()

    def fail(self, failure: BaseException) -> None:
        """Raise this from `take` once everything before is taken."""
        self._failure = failure
        self._arrived.set()

    async def take(self, *, within: float, most: int) -> Taken | None:
        """Some of the records that came; None if nothing comes for so many seconds."""
        if not self._found and self._failure is None:
            self._arrived.clear()
            try:
                async with asyncio.timeout(within):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        if not self._found:
            assert self._failure is not None
            raise self._failure
        next_fetch, had_enough = self._found[-1][1], self.holds_enough
        records, position = self._first(most)
        self._count(records, -1)
        if had_enough and not self.holds_enough:
            self._on_room(self, next_fetch)
        return records, position

    def _first(self, most: int) -> Taken:
        taken: list[InputRecord] = []
        position = 0
        while self._found and len(taken) < most:
            records, behind = self._found[0]
            while records and len(taken) < most:
                taken.append(records.popleft())
            position = records[0].offset if records else behind
            if not records:
                self._found.popleft()
        return tuple(taken), position

    def _count(self, records: Sequence[InputRecord], sign: int) -> None:
        self._records += sign * len(records)
        self._bytes += sign * sum(len(record.value) for record in records)


class _Broker:
    """One broker: its session, its feeds, and the task that fetches."""

    def __init__(self) -> None:
        self.session = FetchSession()
        self.feeds: dict[Place, Feed] = {}
        self.pausing: dict[Place, tuple[float, int]] = {}
        """Feeds that are left out until a moment, and where they go on then."""

        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def go_on(self, feed: Feed, position: int) -> None:
        if self.feeds.get(feed.place) is feed:
            self.want(feed.place, position)

    def want(self, place: Place, position: int) -> None:
        self.session.want(place, position)
        self.changed.set()

    def drop(self, place: Place) -> None:
        self.feeds.pop(place, None)
        self.pausing.pop(place, None)
        self.session.drop(place)

    def wake(self, now: float) -> float | None:
        """Want again what has paused long enough; seconds until the next one has."""
        for place in [place for place, (until, _) in self.pausing.items() if until <= now]:
            self.want(place, self.pausing.pop(place)[1])
        return min((until - now for until, _ in self.pausing.values()), default=None)


class FeedFetcher:
    """Fetches for any number of feeds."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._clock = asyncio.get_running_loop().time
        self._brokers: dict[int, _Broker] = {}
        self._short_until = 0.0

    def add(self, place: Place, position: int, *, leader: int, spacing: Spacing = lambda: 0.0) -> Feed:
        """Read this partition from here on, until `remove`."""
        broker = self._brokers.get(leader)
        if broker is None:
            broker = self._brokers[leader] = _Broker()
            broker.task = asyncio.create_task(self._read(leader, broker), name=f"fetch from {leader}")
        assert place not in broker.feeds, "a partition is read once"
        feed = broker.feeds[place] = Feed(place, spacing, broker.go_on)
        self._short_until = self._clock() + BEGINNING
        broker.want(place, position)
        return feed

    def remove(self, feed: Feed) -> None:
        """Read it no more; what was fetched and not taken is gone."""
        for broker in self._brokers.values():
            if broker.feeds.get(feed.place) is feed:
                broker.drop(feed.place)

    async def close(self) -> None:
        """End all reading. The client is its owner's to close."""
        tasks = [broker.task for broker in self._brokers.values() if broker.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, node: int, broker: _Broker) -> None:
        while True:
            pause = broker.wake(self._clock())
            if not broker.session.wanted:
                broker.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await broker.changed.wait()
                continue
            try:
                await self._fetch(node, broker, self._wait_ms(broker, pause))
            except KafkaError as error:
                self._fail_all(broker, Unavailable(f"a broker does not answer ({type(error).__name__})"))
            except Exception as error:  # noqa: BLE001 - a fault of ours: who follows ends by it, and waits no more
                self._fail_all(broker, error)
                return

    async def _fetch(self, node: int, broker: _Broker, wait_ms: int) -> None:
        with as_connection_errors():
            question = ask.fetch(broker.session.ask(), wait_ms=wait_ms)
            answer = await self._client.send(node, question, group=_GROUP)
        if answer.error_code:
            self._fail_all(broker, SessionForgotten())
            await asyncio.sleep(PAUSE)
        for part in broker.session.answered(answer):
            self._take_in(broker, broker.feeds[part.place], part)

    def _wait_ms(self, broker: _Broker, pause: float | None) -> int:
        left_out = len(broker.feeds) - len(broker.session.wanted) - len(broker.pausing)
        most = SHORT_WAIT_MS if left_out or self._clock() < self._short_until else LONG_WAIT_MS
        return most if pause is None else min(most, math.ceil(pause * 1000))

    def _take_in(self, broker: _Broker, feed: Feed, part: FetchedPart) -> None:
        if part.code:
            self._fail(broker, feed, Unavailable(f"a fetch was refused with error {part.code}"))
            return
        try:
            records, position = committed_records(part)
        except Exception as error:  # noqa: BLE001 - whatever the library makes of bytes that are no records
            fault = Unavailable(f"what was fetched cannot be read ({type(error).__name__})")
            self._fail(broker, feed, fault)
            return
        if position == part.position:
            return
        feed.put(records, position)
        if feed.holds_enough:
            broker.session.drop(part.place)
        elif (pause := feed.spacing()) > 0:
            broker.session.drop(part.place)
            broker.pausing[part.place] = (self._clock() + pause, position)
        else:
            broker.session.want(part.place, position)

    def _fail(self, broker: _Broker, feed: Feed, failure: BaseException) -> None:
        broker.drop(feed.place)
        feed.fail(failure)

    def _fail_all(self, broker: _Broker, failure: BaseException) -> None:
        broker.session.lost()
        for feed in list(broker.feeds.values()):
            self._fail(broker, feed, failure)
