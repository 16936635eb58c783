"""A broker's side of shared reading, in memory: logs, fetch sessions as KIP-227 says, metadata, positions.

Owns no rule of ours: what it does not answer as Kafka does is wrong here (tests/integration holds the real one beside it).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError

from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.record_batches import batch_of

FETCH, LIST_OFFSETS, METADATA, OFFSET_FETCH = 1, 2, 3, 9
EARLIEST = -2
UNKNOWN_TOPIC, NOT_LEADER, OUT_OF_RANGE, NO_SESSION, BAD_EPOCH = 3, 6, 1, 70, 71


@dataclass
class Session:
    """What a broker remembers of one session."""

    epoch: int = 1
    positions: dict[Place, int] = field(default_factory=dict)


@dataclass
class Brokers:
    """Any number of brokers over one set of logs. Stands for the library's client."""

    logs: dict[Place, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    begins: dict[Place, int] = field(default_factory=dict)
    leaders: dict[Place, int] = field(default_factory=dict)
    unreadable: set[Place] = field(default_factory=set)
    sessions: dict[int, Session] = field(default_factory=dict)
    down: set[int] = field(default_factory=set)
    positions: dict[Place, list[tuple[int, str, int]]] = field(default_factory=dict)
    """The answers to the next questions for a position: offset, metadata, error code. The last one stays."""

    asked: list[tuple[int, Any]] = field(default_factory=list)
    most: int = 100
    keeps_sessions: bool = True

    def __post_init__(self) -> None:
        self.cluster = SimpleNamespace(update_metadata=lambda _: None)
        self.appended = asyncio.Event()

    def lead(self, node: int, *places: Place) -> None:
        """Make these partitions, or move them to this broker."""
        for place in places:
            self.leaders[place] = node
            self.logs[place]

    def append(self, place: Place, *values: bytes) -> None:
        """Write records."""
        self.logs[place] += values
        self.appended.set()

    def get_random_node(self) -> int:
        """Any broker that is up."""
        return next(node for node in {0, *self.leaders.values()} if node not in self.down)

    async def coordinator_lookup(self, *_: Any) -> int:
        """The group's coordinator."""
        return 0

    async def bootstrap(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def send(self, node: int, question: Any, **_: Any) -> Any:
        """Answer a request."""
        await asyncio.sleep(0)
        if node in self.down:
            raise KafkaConnectionError("nobody answers")
        request = question.prepare(dict.fromkeys(range(100), (0, 11)))
        self.asked.append((request.API_KEY, request))
        match request.API_KEY:
            case 1:
                return await self._fetch(node, request)
            case 2:
                rows = [
                    (topic, [self._offset(node, (topic, at), when) for at, when in parts])
                    for topic, parts in request.topics
                ]
                return SimpleNamespace(topics=rows)
            case 3:
                return SimpleNamespace(topics=[self._metadata(topic) for topic in request.topics])
            case 9:
                rows = [
                    (topic, [self._position((topic, at)) for at in parts], {})
                    for topic, parts, _ in request.topics
                ]
                return SimpleNamespace(error_code=0, topics=rows)
        raise AssertionError(request)

    def _metadata(self, topic: str) -> tuple[Any, ...]:
        rows = [
            (0, partition, node, [], [], [])
            for (name, partition), node in self.leaders.items()
            if name == topic
        ]
        return (0 if rows else UNKNOWN_TOPIC, topic, False, rows)

    def _offset(self, node: int, place: Place, when: int) -> tuple[Any, ...]:
        offset = self.begins.get(place, 0) if when == EARLIEST else len(self.logs[place])
        return (place[1], 0 if self.leaders.get(place) == node else NOT_LEADER, -1, offset)

    def _position(self, place: Place) -> tuple[Any, ...]:
        answers = self.positions.get(place, [(-1, "", 0)])
        offset, metadata, code = answers.pop(0) if len(answers) > 1 else answers[0]
        return (place[1], offset, -1, metadata, code, {})

    async def _fetch(self, node: int, request: Any) -> Any:
        session = self._session(request)
        if isinstance(session, int):
            return SimpleNamespace(error_code=session, session_id=0, topics=[])
        for topic, partitions in request.topics:
            for partition, _, offset, _, _ in partitions:
                session.positions[topic, partition] = offset
        for topic, partitions in request.forgotten_topics_data:
            for partition in partitions:
                session.positions.pop((topic, partition), None)
        found = self._read(node, session)
        if not found:
            self.appended.clear()
            try:
                async with asyncio.timeout(request.max_wait_time / 1000):
                    await self.appended.wait()
            except TimeoutError:
                pass
            found = self._read(node, session)
        number = next((n for n, one in self.sessions.items() if one is session), 0)
        if self.keeps_sessions and not number:  # forgotten while it waited
            return SimpleNamespace(error_code=NO_SESSION, session_id=0, topics=[])
        return SimpleNamespace(error_code=0, session_id=number, topics=found)

    def _session(self, request: Any) -> Session | int:
        if request.session_epoch == 0:
            session = Session()
            if self.keeps_sessions:
                self.sessions[len(self.asked)] = session
            return session
        session = self.sessions.get(request.session_id)
        if session is None:
            return NO_SESSION
        if session.epoch != request.session_epoch:
            return BAD_EPOCH
        session.epoch += 1
        return session

    def _read(self, node: int, session: Session) -> list[Any]:
        rows = []
        for (topic, partition), offset in session.positions.items():
            place, code, data = (topic, partition), 0, b""
            if self.leaders.get(place) != node:
                code = NOT_LEADER
            elif not self.begins.get(place, 0) <= offset <= len(self.logs[place]):
                code = OUT_OF_RANGE
            elif place in self.unreadable:
                data = b"\x00" * 80
            else:
                data = self._batch(place, offset)
            if code or data:
                end = len(self.logs[place])
                rows.append((topic, [(partition, code, end, end, 0, None, -1, data)]))
        return rows

    def _batch(self, place: Place, offset: int) -> bytes:
        values = self.logs[place][offset : offset + self.most]
        if not values:
            return b""
        batch, _ = batch_of([OutputRecord("", b"", value) for value in values], now=0)
        return offset.to_bytes(8, "big") + batch[8:]  # the checksum does not cover the base offset
