"""Many partitions read together: one fetch session for those of a broker, and a buffer for each partition.

Owns who is read from where, and how much is held in memory. Rules:

1. An idle partition costs nothing: it has no connection, no timer and no poll of its own.
2. No partition waits for another. One whose buffer is full is left out of its session until it was taken
   from, and is then read in the broker's busy session, whose fetches are short, so that it need not wait
   for a long one to end.
3. Records are handed out in the order of the log, each once, from the given position on: an answer that was
   asked for with another position is dropped (runtime/kafka/fetch_session.py).
4. A fault of one partition (records that cannot be read, a leader that moved, no leader) ends in a pause of
   that one.
5. A position that the log no longer has becomes the beginning of the log, and is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from runtime.errors import Unavailable
from runtime.kafka import requests as ask
from runtime.kafka.client import AIOKafkaClient, KafkaError, as_connection_errors
from runtime.kafka.committed_records import committed_records
from runtime.kafka.fetch_session import FetchedPart, FetchSession
from runtime.kafka.inflow import Inflow
from runtime.kafka.leaders import Leaders
from runtime.kafka.offsets import PartitionBound, bounds_of
from runtime.kafka.ports import Place

log = structlog.get_logger()

SESSION_PARTITIONS: Final = 1_000
"""So many partitions share a session: a broker looks at all of them for each fetch."""

MEMORY_BYTES: Final = 256_000_000
"""So much all buffers hold together, and an answer more. Then nothing is fetched until something is taken."""

BUSY_WAIT_MS: Final = 20
BUSY_FETCHES: Final = 16
"""After so many fetches in a row that brought nothing a partition leaves the busy session."""

_OUT_OF_RANGE: Final = 1
_FIRST_GROUP: Final = 2
"""The library keeps connections 0 and 1 of a broker for itself."""


class _Lane:
    """One session with one broker, and the task that reads it."""

    def __init__(self, node: int, group: int, *, busy: bool) -> None:
        self.node = node
        self.group = group
        self.busy = busy
        self.session = FetchSession()
        self.inflows: dict[Place, Inflow] = {}
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def hold(self, inflow: Inflow) -> None:
        """Read this partition here, if it has room."""
        self.inflows[inflow.place] = inflow
        if not inflow.full:
            self.session.want(inflow.place, inflow.position)
        self.changed.set()

    def drop(self, place: Place) -> None:
        """Read this partition here no more."""
        self.inflows.pop(place, None)
        self.session.drop(place)


class SharedReader:
    """Reads any number of partitions over few connections."""

    def __init__(
        self,
        client: AIOKafkaClient,
        leaders: Leaders,
        *,
        wait_ms: int,
        pause_after: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        """`pause_after` says how many seconds to wait after an answer with so many records."""
        self._client = client
        self._leaders = leaders
        self._wait_ms = wait_ms
        self._pause_after = pause_after
        self._lanes: dict[tuple[int, int], _Lane] = {}
        self._places: dict[Place, tuple[Inflow, _Lane | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self._room = asyncio.Event()
        self._room.set()

    def add(self, place: Place, position: int) -> Inflow:
        """Read this partition from here on, until `remove`."""
        assert place not in self._places, "a partition is read once"
        inflow = Inflow(place, position, self._on_room)
        self._places[place] = (inflow, None)
        self._start(self._home(inflow))
        return inflow

    def remove(self, inflow: Inflow) -> None:
        """Read it no more; what was fetched and not taken is gone."""
        found, lane = self._places.get(inflow.place, (None, None))
        if found is not inflow:
            return
        del self._places[inflow.place]
        self._give_back(inflow.held)
        if lane is not None:
            lane.drop(inflow.place)

    async def close(self) -> None:
        """End all reading. The client is its owner's to close."""
        tasks = [*self._tasks, *(lane.task for lane in self._lanes.values() if lane.task is not None)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_room(self, inflow: Inflow, freed: int) -> None:
        found, lane = self._places.get(inflow.place, (None, None))
        if found is not inflow:
            return
        self._give_back(freed)
        if lane is not None and not inflow.full and inflow.place not in lane.session.wanted:
            lane.hold(inflow)

    def _give_back(self, freed: int) -> None:
        self._held -= freed
        if self._held < MEMORY_BYTES:
            self._room.set()

    def _is_current(self, inflow: Inflow) -> bool:
        return self._places.get(inflow.place, (None,))[0] is inflow

    async def _home(self, inflow: Inflow, *, pause: float = 0.0) -> None:
        """Find the partition's leader and read it there; wait while it has none."""
        while True:
            await asyncio.sleep(pause)
            if not self._is_current(inflow):
                return
            try:
                leader = await self._leaders.leader(inflow.place)
            except Unavailable:
                pause = min(max(pause * 2, 0.05), 2.0)
                continue
            break
        if self._is_current(inflow):
            self._move(inflow, self._lane_with_room(leader))

    def _lane_with_room(self, node: int) -> _Lane:
        number = 1
        while (lane := self._lane(node, number)) is not None and len(lane.inflows) >= SESSION_PARTITIONS:
            number += 1
        return lane

    def _lane(self, node: int, number: int) -> _Lane:
        """A broker's session of this number; 0 is the busy one."""
        lane = self._lanes.get((node, number))
        if lane is None:
            lane = self._lanes[node, number] = _Lane(node, _FIRST_GROUP + number, busy=not number)
            lane.task = asyncio.create_task(self._read(lane), name=f"fetch from {node}")
        return lane

    def _move(self, inflow: Inflow, lane: _Lane | None) -> None:
        _, before = self._places[inflow.place]
        if before is not None:
            before.drop(inflow.place)
        self._places[inflow.place] = (inflow, lane)
        if lane is not None:
            inflow.empty_fetches = 0
            lane.hold(inflow)

    async def _read(self, lane: _Lane) -> None:
        while True:
            if not lane.session.wanted:
                lane.changed.clear()
                await lane.changed.wait()
            if self._held >= MEMORY_BYTES:
                self._room.clear()
                await self._room.wait()
            wait_ms = BUSY_WAIT_MS if lane.busy else self._wait_ms
            try:
                with as_connection_errors():
                    question = ask.fetch(lane.session.ask(), wait_ms=wait_ms)
                    answer = await self._client.send(lane.node, question, group=lane.group)
            except KafkaError as error:
                log.warning("fetch_failed", node=lane.node, error=type(error).__name__)
                self._abandon(lane)
                continue
            taken = {part.place: self._take_in(lane, part) for part in lane.session.answered(answer)}
            if lane.busy:
                self._calm_down(lane, {place for place, count in taken.items() if count})
            elif pause := self._pause_after(sum(taken.values())):
                await asyncio.sleep(pause)

    def _abandon(self, lane: _Lane) -> None:
        """The broker does not answer: look for the leaders of all that it led."""
        lane.session.lost()
        self._leaders.forget({topic for topic, _ in lane.inflows})
        for inflow in list(lane.inflows.values()):
            self._set_aside(inflow)

    def _set_aside(self, inflow: Inflow) -> None:
        self._move(inflow, None)
        self._start(self._home(inflow, pause=0.1))

    def _calm_down(self, lane: _Lane, named: set[Place]) -> None:
        """Partitions that brought nothing for a while leave the busy session."""
        for place in lane.session.wanted.keys() - named:
            inflow = lane.inflows[place]
            inflow.empty_fetches += 1
            if inflow.empty_fetches >= BUSY_FETCHES:
                self._move(inflow, self._lane_with_room(lane.node))

    def _take_in(self, lane: _Lane, part: FetchedPart) -> int:
        """Keep what was fetched; how many records there were."""
        inflow = lane.inflows[part.place]
        if part.code == _OUT_OF_RANGE:
            self._move(inflow, None)
            self._start(self._begin_anew(inflow, lane.node))
            return 0
        if part.code:
            self._leaders.forget([part.place[0]])
            self._set_aside(inflow)
            return 0
        try:
            records, position = committed_records(part)
        except Exception as error:  # noqa: BLE001 - whatever the library makes of bytes that are no records
            log.warning("records_unreadable", topic=part.place[0], error=type(error).__name__)
            self._set_aside(inflow)
            return 0
        self._held += inflow.put(records, position)
        inflow.end = max(part.end, position)
        lane.session.want(part.place, position)
        if records:
            inflow.empty_fetches = 0
        if inflow.full:
            # It goes on in the busy session once it was taken from.
            self._move(inflow, self._lane(lane.node, 0))
        return len(records)

    async def _begin_anew(self, inflow: Inflow, node: int) -> None:
        """The log has no such position: read on from its beginning."""
        try:
            found = await bounds_of(self._client, {inflow.place: node}, PartitionBound.BEGINNING)
        except (KafkaError, Unavailable):
            found = {}
        beginning = found.get(inflow.place)
        if beginning is not None and self._is_current(inflow):
            topic, partition = inflow.place
            log.warning(
                "position_gone", topic=topic, partition=partition, offset=inflow.position, beginning=beginning
            )
            inflow.position = beginning
        await self._home(inflow, pause=0.1)
