"""Messages of one unit to another through their daemons: at a rate, or so many in flight.

Owns the load and the latency of each message, from submit to opened and stored. What it costs is read by whoever
asks for the load: the connections are made before, and stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.bench import served
from tests.bench.exchange import Exchange
from tests.bench.unix_http import Connection

DRAFT = {
    "subject": "bench",
    "language": "en",
    "crime_areas": ["migrant-smuggling"],
    "items": [
        {"type": "narrative", "text": "x" * 1800, "purposes": ["operational"], "data_class": "personal"}
    ],
}
"""2 KiB as it is sealed."""

CONNECTIONS = 8
PATIENCE = 60.0
"""Seconds without an arrival, or for what is still on its way, until it counts as lost."""


class Arrivals:
    """Follows a unit's inbox by long polling, and notes when each message is there, opened and stored."""

    def __init__(self, socket: Path) -> None:
        self._connection = Connection(socket)
        self._seen: dict[str, float] = {}
        self._awaited: dict[str, asyncio.Future[float]] = {}
        self._after = 0

    async def skip(self) -> None:
        """Leave out what is there already."""
        while (await self._page(0))["items"]:
            pass

    async def follow(self) -> None:
        """Note what arrives, for ever."""
        while True:
            page = await self._page(10)
            now = time.perf_counter()
            for item in page["items"]:
                if waiting := self._awaited.pop(item["id"], None):
                    waiting.set_result(now)
                else:
                    self._seen[item["id"]] = now

    async def of(self, message: str) -> float:
        """When it was there; waits for it."""
        if (seen := self._seen.pop(message, None)) is not None:
            return seen
        return await self._awaited.setdefault(message, asyncio.get_running_loop().create_future())

    async def _page(self, wait: int) -> dict[str, Any]:
        page: dict[str, Any] = await self._connection.ask(
            "GET", f"/v1/inbox?limit=500&after={self._after}&wait={wait}"
        )
        if page["items"]:
            self._after = page["cursor"]
        return page

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Load:
    """A load generator between two daemons."""

    def __init__(self, sender: Path, arrivals: Arrivals, to: str) -> None:
        self._sender = sender
        self._arrivals = arrivals
        self._message = json.dumps({"kind": "information", "to": [to], "draft": DRAFT}).encode()
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        self._open: list[Connection] = []

    async def at_rate(self, rate: int, seconds: float) -> list[float]:
        """Latencies in milliseconds at a rate that does not wait for answers (open loop)."""
        self._connect(CONNECTIONS)
        began = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            # From when it was due: waiting for a connection counts.
            tasks.append(asyncio.create_task(self._one(due)))
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*tasks)

    async def in_flight(self, most: int, count: int, *, pause: float = 0.0) -> list[float]:
        """Latencies in milliseconds of so many messages, of which so many are on their way at a time (closed loop)."""
        self._connect(most)
        return await closed_loop(self._one_now, most, count, pause=pause)

    async def _one_now(self) -> float:
        return await self._one(time.perf_counter())

    async def _one(self, began: float) -> float:
        connection = await self._free.get()
        try:
            answer = await connection.ask("POST", "/v1/messages", self._message)
        finally:
            self._free.put_nowait(connection)
        return (await self._arrivals.of(answer["id"]) - began) * 1000

    def _connect(self, count: int) -> None:
        while len(self._open) < count:
            self._open.append(Connection(self._sender))
            self._free.put_nowait(self._open[-1])

    def close(self) -> None:
        """Hang up."""
        for connection in self._open:
            connection.close()


async def closed_loop(
    one: Callable[[], Coroutine[None, None, float]], most: int, count: int, *, pause: float = 0.0
) -> list[float]:
    """What `one` returned, `count` times; `most` of them run at a time, each after the one before it."""
    left = iter(range(count))
    found: list[float] = []

    async def again() -> None:
        for _ in left:
            async with asyncio.timeout(PATIENCE):
                found.append(await one())
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        for _ in range(most):
            group.create_task(again())
    return found


@contextlib.asynccontextmanager
async def load(built: Exchange) -> AsyncIterator[Load]:
    """The load generator of an exchange."""
    sockets = Path(built.sockets["sender"]), Path(built.sockets["addressee"])
    async with between(*sockets, served.ADDRESSEE) as made:
        yield made


@contextlib.asynccontextmanager
async def between(sender: Path, addressee: Path, to: str) -> AsyncIterator[Load]:
    """A load generator between two daemons, by their sockets; the addressee is the unit `to`."""
    arrivals = Arrivals(addressee)
    await arrivals.skip()
    made = Load(sender, arrivals, to)
    following = asyncio.create_task(arrivals.follow())
    try:
        yield made
    finally:
        following.cancel()
        (ended,) = await asyncio.gather(following, return_exceptions=True)
        arrivals.close()
        made.close()
        if isinstance(ended, Exception):  # then whoever waited for an arrival has waited in vain
            raise ended
