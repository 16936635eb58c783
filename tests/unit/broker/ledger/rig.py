"""A ledger without its process: real records, tiles and keys in a directory, fed by the simulated exchange."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from broker.ledger.admin.ledger_founding import begin_logs
from broker.ledger.log_storage import LogStorage, prefix_of, stored_tiles
from broker.ledger.record_judge import JudgedRecord, RecordJudge
from broker.ledger.sequencer import Sequencer
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.store.tile_store import TileStore
from broker.ledger.trust import OwnKeys, own_policy
from keys.note_keys import NoteKey
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from protocol.merkle import leaf_hash, root_of
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.policy_text import ledger_policy
from protocol.tlog.tiles import entries_between, read_entries
from runtime.errors import Unavailable
from runtime.kafka.ports import InputRecord, OutputRecord, ReadingMark
from tests.sim.world import NOON, World

NAME = "contrada.example"
AUDIT = "contrada.example/audit/2026h2"
DIRECTORY = "contrada.example/directory"
KEYS = OwnKeys(NoteKey(bytes(32)))
LEDGER = UnitId("ledger")


@lru_cache
def world_of(batches: int, kind: type[World] = World) -> World:
    """An exchange whose routers made so many transactions, of one to four decisions each. Do not change it."""
    world = kind()
    for number in range(batches):
        for _ in range(1 + number % 4):
            world.submit("fr", world.compose("fr", ["it", "de"] if number % 2 else ["it"]))
        if number % 5 == 4:
            world.submit("fr", b"garbage")
        world.route("fr")
    return world


class Rig:
    """One ledger's directory, and any number of writers on it."""

    def __init__(
        self, path: Path, world: World, *, records: type[RecordStore] = RecordStore, url: str | None = None
    ) -> None:
        self.path = path
        self.world = world
        self.url = url or f"sqlite:///{path / 'records.sqlite'}"
        self.records_type = records
        self.records = records(self.url)
        self.store = TileStore.open(str(path))
        begin_logs(self.records, KEYS, NAME, now=NOON)
        self.judge = RecordJudge(world.directory, LEDGER, os.urandom)
        self.inputs: list[bytes] = list(world.audit)
        self.now = NOON
        """The ledger's clock."""

    @property
    def policy(self) -> Policy:
        file = parse_policy(ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys))
        return own_policy(KEYS, [state.origin for state in self.records.states()], file)

    def writer(self, *, records: RecordStore | None = None, store: TileStore | None = None) -> Sequencer:
        """One more writer, not resumed yet."""
        return Sequencer(LogStorage(records or self.records, store or self.store, NAME), KEYS.signers)

    def readings(self, first: int, end: int | None = None) -> list[JudgedRecord]:
        """The verdicts on these records of the audit topic; their offsets are their places."""
        found = []
        for offset, value in enumerate(self.inputs[first:end], start=first):
            record = InputRecord(offset, NOON, value)
            try:
                found.append(self.judge.read(record, first=0))
            except Rejected as rejected:
                found.append(self.judge.unverified(record, rejected.reason, first=0, now=NOON))
        return found

    def read(self, readings: Sequence[JudgedRecord]) -> list[InputRecord]:
        """The records that were judged."""
        return [InputRecord(each.offset, NOON, self.inputs[each.offset]) for each in readings]

    def run(self, writer: Sequencer, *, at_once: int = 3, upto: int | None = None) -> LogState:
        """Resume, and sequence what is there, so many records at once."""
        state = writer.resume()
        end = len(self.inputs) if upto is None else upto
        while state.position < end:
            step = self.readings(state.position, min(end, state.position + at_once))
            state = writer.advance(step, now=self.now, records=self.read(step)).new
        return state

    def state(self, origin: str = AUDIT) -> LogState:
        state = self.records.state(origin)
        assert state is not None
        return state

    def entries(self, origin: str = AUDIT) -> list[bytes]:
        """All entries of a log as the tiles have them."""
        state = self.state(origin)
        read = stored_tiles(self.store, prefix_of(origin, NAME))
        return [entry for tile in entries_between(0, state.size) for entry in read_entries(read, tile)]

    def expected(self) -> list[bytes]:
        """All entries that the inputs make, by the rules of the protocol alone."""
        return [entry for reading in self.readings(0) for entry in reading.entries]


def root_over(entries: Sequence[bytes]) -> bytes:
    """The root that a log of these entries has."""
    return root_of([leaf_hash(entry) for entry in entries])


class MemoryTopics:
    """Topics of one partition in memory. Implements `runtime.kafka.ports.Topics`; who writes under a name fences."""

    def __init__(self) -> None:
        self.records: dict[str, list[bytes]] = {}
        self.holders: dict[str, int] = {}

    @asynccontextmanager
    async def reading(self, topic: str, position: int | None) -> AsyncIterator[MemoryReader]:
        yield MemoryReader(self.records.setdefault(topic, []), position or 0)

    @asynccontextmanager
    async def writing(self, *, alone: str | None = None) -> AsyncIterator[MemoryWriter]:
        if alone is not None:
            self.holders[alone] = self.holders.get(alone, 0) + 1
        yield MemoryWriter(self, alone, self.holders.get(alone or "", 0))


class MemoryMarks:
    """Implements `runtime.kafka.ports.MarkTeller`."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, int], ReadingMark] = {}

    async def tell(self, marks: Mapping[tuple[str, int], ReadingMark]) -> None:
        self.told |= marks

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class MemoryReader:
    """Implements `runtime.kafka.ports.LogReader`."""

    values: list[bytes]
    at: int

    async def span(self) -> tuple[int, int]:
        return 0, len(self.values)

    async def position(self) -> int:
        return self.at

    def seek(self, position: int) -> None:
        self.at = position

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        if self.at == len(self.values):
            await asyncio.sleep(wait_ms / 1000)
        found = [
            InputRecord(self.at + i, NOON, v) for i, v in enumerate(self.values[self.at : self.at + most])
        ]
        self.at += len(found)
        return found


@dataclass
class MemoryWriter:
    """Implements `runtime.kafka.ports.LogWriter`."""

    topics: MemoryTopics
    alone: str | None
    epoch: int

    async def write(self, outputs: Sequence[OutputRecord]) -> None:
        if self.alone is not None and self.topics.holders[self.alone] != self.epoch:
            raise Unavailable("fenced")
        for output in outputs:
            self.topics.records.setdefault(output.topic, []).append(output.value)
