"""Contexts of real units in a simulated world: SQLite, keys and directory are real, only Kafka is left out.

`World.route` is the router. `pump` carries records between units and router as the feeds would.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.daemon.directory.statements import take_statements
from clients.daemon.metrics import UnitMetrics
from clients.daemon.receiving import deciding
from clients.daemon.receiving import deliveries as receiving
from clients.daemon.sending import intake
from clients.daemon.sending.composing import Submitted
from clients.daemon.sending.requests import SendRequest, read_api_request
from clients.daemon.state.stored_directory import StoredDirectory
from clients.daemon.state.stream import Stream
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import sealings
from clients.daemon.store.at_rest import Vault
from clients.daemon.store.database import Store
from keys.enrolment import enrolment_statements
from keys.unit_keys import UnitKeys
from keys.unlock import Credential
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import UnitId, read_id
from runtime.kafka.ports import Fetched, InputRecord
from tests.sim.world import World, facts

SECRET = Credential(bytes(32))


def draft(text: str = "three persons on deck", **more: Any) -> dict[str, Any]:
    return {
        "subject": "Vessel seen",
        "language": "en",
        "crime_areas": ["migrant-smuggling"],
        "items": [
            {"type": "narrative", "text": text, "purposes": ["operational"], "data_class": "non-personal"}
        ],
        **more,
    }


def wish(*to: str, kind: str = "information", **more: Any) -> SendRequest:
    body = {"kind": kind, "to": list(to), "draft": more.pop("draft", None) or draft(), **more}
    return read_api_request(json.dumps(body).encode(), SendRequest)


class Silent:
    """A Kafka that never answers: implements `FeedReader` and `MarkTeller` of runtime/kafka/ports.py."""

    async def partitions(self, topic: str) -> int:
        return await asyncio.Future()

    async def end(self, topic: str, partition: int) -> int:
        return await asyncio.Future()

    async def tell(self, marks: object) -> None:
        await asyncio.Future()


@dataclass
class Clock:
    """Monotonic time that moves when a test moves it."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class UnitFixture:
    """A unit's context with its home, and how far its feeds were read."""

    world: World
    unit: UnitId
    path: Path
    context: UnitContext = field(init=False)
    keys: UnitKeys = field(init=False)
    monotonic: Clock = field(default_factory=Clock)
    read: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.mkdir(mode=0o700, parents=True)
        self.keys = UnitKeys.create(self.path / "keys", unit=self.unit, secret=SECRET, entropy=os.urandom)
        request = self.keys.enrolment_request(self.world.now, contact="duty officer")
        known = self.world.directory.facts(self.unit)
        about = None if known is not None else facts(self.unit)
        for registrar in self.world.registrars():
            for statement in enrolment_statements(
                request, registrar=registrar, facts=about, now=self.world.now
            ):
                # The unit's own statements count once all registrars have agreed.
                with suppress(Rejected):
                    self.world.directory.apply(statement)
        assert self.world.directory.identities(self.unit)
        self.open()
        self.learn()

    def open(self) -> None:
        """As after a start: everything is read from disk."""
        self.context = UnitContext(
            unit=self.unit,
            store=Store(self.path / "state.sqlite"),
            vault=Vault(self.keys.storage_key, os.urandom),
            keys=self.keys,
            replica=StoredDirectory(self.path / "directory.log", self.world.directory.root),
            metrics=UnitMetrics.create(),
            clock=lambda: self.world.now,
            monotonic=self.monotonic,
            entropy=os.urandom,
            stream=Stream(os.urandom),
        )

    def restart(self) -> None:
        """Kill and start: the connection is dropped without a word, the files are opened again."""
        self.context.store.close()
        self.context.replica.close()
        self.open()

    def learn(self) -> None:
        """Read the directory to its end."""
        have = self.context.directory.head.size
        log = self.world.directory.snapshot()
        records = tuple(InputRecord(i, 0, log[i]) for i in range(have, len(log)))
        take_statements(self.context, Fetched(topics.DIRECTORY, 0, records, len(log)))

    def submit(self, *to: str, **more: Any) -> Submitted:
        """One message; what went wrong is raised."""
        (result,) = intake.submit_requests(self.context, [wish(*to, **more)])
        if not isinstance(result, Submitted):
            raise result
        return result

    def pending(self) -> list[bytes]:
        """What would go to Kafka now, in order."""
        window = sealings.undecided(self.context.store, partition=0, after=0, most=1000, most_bytes=10**9)
        return [item.submission for item in window.items]

    def post(self) -> None:
        """Everything undecided enters the outbox topic."""
        self.world.submit(self.unit, *self.pending())

    def decisions(self) -> deciding.DecisionsTaken:
        """Read the receipts topic to its end."""
        return deciding.take_decisions(self.context, self._feed("receipts"), patient=False)

    def deliveries(self) -> receiving.Received:
        """Read the inbox topic to its end."""
        return receiving.take_deliveries(self.context, self._feed("inboxes"), patient=False)

    def _feed(self, kind: str) -> Fetched:
        log = getattr(self.world, kind)[self.unit]
        start = self.read.get(kind, 0)
        self.read[kind] = len(log)
        topic = topics.receipts(self.unit) if kind == "receipts" else topics.inbox(self.unit)
        return Fetched(topic, 0, tuple(InputRecord(i, 0, log[i]) for i in range(start, len(log))), len(log))

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.context.store.rows(sql, *values)]

    def state(self, message_id: str) -> str:
        return self.context.store.row("SELECT state FROM outbox WHERE mid = ?", read_id(message_id))["state"]


def pump(world: World, *units: UnitFixture, rounds: int = 3) -> None:
    """Carry everything to and fro until nothing is left to say."""
    for _ in range(rounds):
        for unit in units:
            unit.post()
            if world.outboxes[unit.unit][world.routed[unit.unit] :]:
                world.route(unit.unit)
        for unit in units:
            unit.learn()
            unit.decisions()
            unit.deliveries()
