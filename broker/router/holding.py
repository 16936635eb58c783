"""What a router holds in one generation of the group: the outboxes of some shards, by their partitions.

    claims     a task and a buffer for each partition, no connection
    intake     all partitions are read together                        runtime/kafka/shared_reader.py
    commits    what many decide at the same time is one transaction    broker/router/shared_transactions.py
               what is large is one of its own                         broker/router/lanes.py

The rules, each with its reason (measured on aiokafka 0.14.0 and Kafka 4.3.1, docs/adr/0023):

1. The generation of the group fences (KIP-447). It is taken once, with the assignment; each transaction names
   it; and Kafka refuses the positions of an older one. So a router that lost its shards and does not know it
   commits nothing.
2. A claim reads its position as a stable one: not while a transaction that has moved it may still end either
   way.
3. Before that, the transactional ids of whoever committed the position last are taken from it, once in a
   generation. That ends what it left open, at once and not after its timeout. If it lives, it opens them
   anew.
4. After any exception, `CancelledError` included, a claim is dropped and made again, with its position and
   its state.
5. What the next router decides by stands in the position's metadata: who committed it, and the state.

Who is given which shards is broker/router/outboxes.py. Topics that one process reads or writes by itself,
without claims, are in runtime/kafka/partition_log.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from broker.router.claims import Work
from broker.router.lanes import TransactionLanes, lane_ids
from broker.router.pace import Pace
from protocol import topics
from protocol.errors import ContradaError
from protocol.identifiers import ThreadId, UnitId
from protocol.topics import partition_of
from runtime.errors import Unavailable
from runtime.kafka.client import prompt_client
from runtime.kafka.closing import CLOSE_TIMEOUT, close, is_task_cancelled
from runtime.kafka.inflow import Inflow
from runtime.kafka.leaders import Leaders
from runtime.kafka.ports import InputRecord, OutputRecord, Place
from runtime.kafka.positions import Positions, Unstable
from runtime.kafka.requests import Membership
from runtime.kafka.security.access import KafkaAddress
from runtime.kafka.shared_reader import SharedReader
from runtime.kafka.transactions import Transactions

log = structlog.get_logger()

LOOK_FOR_UNITS: Final = 0.5
"""Seconds between two looks at the directory's size: a new unit's outbox is claimed so soon."""

LOOK_FOR_TOPICS: Final = 5.0
"""Seconds between two questions for outboxes that are not there yet."""

PARTITIONS_HINT: Final = "'contrada centre topics apply' names every topic with a wrong number"
STABLE_WITHIN: Final = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingParts:
    """What a router's holdings have in common."""

    bootstrap: KafkaAddress
    transactional_id: str
    """This process's own."""

    units: Callable[[], Iterable[UnitId]]
    """Whose outboxes there are."""

    enrolled: Callable[[], int]
    """A number that changes when there are other `units`."""

    partitions: Callable[[str], int]
    """How many partitions a topic has by what was signed (broker/router/signed_partitions.py)."""

    monotonic: Callable[[], float]
    fetch_wait_ms: int = 500
    spacing: float = 0.0
    """Seconds in which messages gather for one transaction, at the most."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A position's metadata: `@ID STATE`, or the state alone where an earlier version wrote it."""

    transactional_id: str
    state: str

    @classmethod
    def parse(cls, text: str) -> Remembered:
        """From a position's metadata."""
        if not text.startswith("@"):
            return cls("", text)
        name, _, state = text[1:].partition(" ")
        return cls(name, state)

    def to_text(self) -> str:
        """For a position's metadata."""
        return f"@{self.transactional_id} {self.state}"


class PartitionClaim:
    """One input partition, held in a generation of the group. Implements `broker.router.claims.Claim`."""

    def __init__(self, holding: Holding, inflow: Inflow, *, partitions: int, state: str) -> None:
        self.partitions = partitions
        self.state = state
        self.owner: UnitId = topics.outbox_owner(inflow.place[0])
        self.partition: int = inflow.place[1]
        self._holding = holding
        self._inflow = inflow

    @property
    def end(self) -> int:
        """Where the outbox ended when it was fetched last."""
        return self._inflow.end

    async def fetch(self, *, wait_ms: int | None, most: int) -> list[InputRecord]:
        """Records that follow what was fetched before."""
        return await self._inflow.take(wait_ms=wait_ms, most=most)

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """One part of a transaction. After any exception this claim must not be used again."""
        placed: dict[Place, list[OutputRecord]] = {}
        for output in outputs:
            # Before the transaction: a topic that is missing fails this claim alone.
            placed.setdefault(await self._place(output), []).append(output)
        remembered = Remembered(self._holding.transactional_id, state).to_text()
        await self._holding.transactions.commit(
            self._inflow.place, placed, position=position, state=remembered
        )

    async def _place(self, output: OutputRecord) -> Place:
        count = self._holding.parts.partitions(output.topic)
        there = await self._holding.leaders.partitions(output.topic)
        if there < count:
            self._holding.leaders.forget([output.topic])
            raise Unavailable(
                f"{output.topic} has {there} partitions, and {count} are signed", hint=PARTITIONS_HINT
            )
        return output.topic, partition_of(ThreadId(output.key), count) if count > 1 else 0


class Holding:
    """The outboxes of some shards, and a claim on each partition of theirs."""

    def __init__(
        self, parts: HoldingParts, membership: Membership, *, shards: frozenset[int], work: Work
    ) -> None:
        self.transactional_id = parts.transactional_id
        self.claimed: set[Place] = set()
        self.parts = parts
        self._shards = shards
        self._work = work
        self._client = prompt_client(parts.bootstrap)
        self.leaders = Leaders(self._client)
        pace = Pace(longest=parts.spacing, monotonic=parts.monotonic)
        self._reader = SharedReader(
            self._client, self.leaders, wait_ms=parts.fetch_wait_ms, pause_after=pace.after
        )
        self._positions = Positions(self._client, membership.group)
        self.transactions = TransactionLanes(
            lambda name: Transactions(parts.bootstrap, name, membership=membership),
            parts.transactional_id,
            under_way=pace.transaction,
        )
        self._fenced: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[Place, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Claim every outbox of our shards, those of units that are enrolled later too, until cancelled."""
        committing = asyncio.create_task(self.transactions.run(), name="commits")
        try:
            await self._client.bootstrap()
            await self._claim_outboxes()
        finally:
            await end_all([*self._claims.values()])
            await end_all([committing, *self._fenced.values()])
            await self._reader.close()
            await close(self._client.close())

    async def _claim_outboxes(self) -> None:
        missing: set[str] = set()
        known: set[str] = set()
        size, looked = -1, 0.0
        while True:
            now = self.parts.monotonic()
            if size != (size := self.parts.enrolled()):
                missing |= {topics.outbox(unit) for unit in self.parts.units()} - known
            elif not missing or now - looked < LOOK_FOR_TOPICS:
                await asyncio.sleep(LOOK_FOR_UNITS)
                continue
            looked = now
            found = await asyncio.gather(*(self._claim_outbox(topic) for topic in missing))
            known |= {topic for topic in found if topic}
            missing -= known

    async def _claim_outbox(self, topic: str) -> str:
        """Claim the partitions of an outbox that are ours; its name, or nothing while one does not exist.

        As many as are signed. What stands in further ones was written by nobody who reads the directory.
        """
        count = self.parts.partitions(topic)
        try:
            there = await self.leaders.partitions(topic)
        except Unavailable:
            return ""
        if there < count:
            self.leaders.forget([topic])
        if there != count:
            log.warning("partitions_differ", topic=topic, signed=count, in_kafka=there, hint=PARTITIONS_HINT)
        for partition in range(min(count, there)):
            place = (topic, partition)
            if topics.outbox_shard(*place) in self._shards and place not in self._claims:
                self._claims[place] = asyncio.create_task(self._hold(place, count), name=f"claim {topic}")
        return topic if there >= count else ""

    async def _hold(self, place: Place, partitions: int) -> None:
        """Claim, work, and after any failure claim again (rule 4)."""
        pause = _FIRST_PAUSE
        while True:
            began = self.parts.monotonic()
            try:
                await self._claim_and_work(place, partitions)
            except (asyncio.CancelledError, Exception) as error:
                if isinstance(error, asyncio.CancelledError) and is_task_cancelled():
                    raise
                log.warning(
                    "claim_lost",
                    topic=place[0],
                    partition=place[1],
                    error=type(error).__name__,
                    hint=error.hint if isinstance(error, ContradaError) else "",
                )
            lasted = self.parts.monotonic() - began
            pause = _FIRST_PAUSE if lasted > 5 else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _claim_and_work(self, place: Place, partitions: int) -> None:
        position, state = await self._position(place)
        inflow = self._reader.add(place, position)
        self.claimed.add(place)
        log.debug("claimed", topic=place[0], partition=place[1], offset=position)
        try:
            await self._work(PartitionClaim(self, inflow, partitions=partitions, state=state))
        finally:
            self.claimed.discard(place)
            self._reader.remove(inflow)

    async def _position(self, place: Place) -> tuple[int, str]:
        """The stable position and its state, or the beginning (rules 2 and 3)."""
        hint = await self._positions.read(place, stable=False)
        if hint is not None:
            last = Remembered.parse(hint[1]).transactional_id or topics.earlier_transactional_id(*place)
            if last != self.transactional_id:
                await self._fence(last)
        async with asyncio.timeout(STABLE_WITHIN):
            while True:
                try:
                    found = await self._positions.read(place, stable=True)
                except Unstable:
                    await asyncio.sleep(_FIRST_PAUSE)
                    continue
                break
        return (0, "") if found is None else (found[0], Remembered.parse(found[1]).state)

    async def _fence(self, transactional_id: str) -> None:
        """Take an id from whoever had it, once."""
        task = self._fenced.get(transactional_id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._fenced[transactional_id] = asyncio.create_task(self._take(transactional_id))
        await asyncio.shield(task)

    async def _take(self, transactional_id: str) -> None:
        log.info("fenced", transactional_id=transactional_id)
        for lane in lane_ids(transactional_id):
            transactions = Transactions(self.parts.bootstrap, lane)
            try:
                await transactions.open()
            finally:
                await close(transactions.close())


async def end_all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end, within a bound."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=2 * CLOSE_TIMEOUT)
