"""The hostile unit: enrolled, with a key of its own, and writing throughout a run what no daemon would.

Owns what it writes and how much, and where it tries to. Into its own outbox go the worst records that are known (tests/hostile_records.py),
into the directory's topic garbage. What it signs goes to a party that may not have it, so that all of it must be
refused or be a duplicate: whatever of it is accepted, or arrives anywhere, the checker finds. It shows Kafka a certificate
of its own, and tries what only others may write: what Kafka takes of that is counted, and must be nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

from aiokafka.errors import TopicAuthorizationFailedError

from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from protocol import topics
from protocol.identifiers import UnitId
from protocol.limits import MAX_RECIPIENTS, MAX_RECORD
from protocol.parties import TreeHead
from runtime.errors import Unavailable
from runtime.kafka.partition_log import KafkaDirectory, KafkaLog
from tests.chaos.exchange import HOSTILE, OUTSIDER, Exchange, present
from tests.guarded import as_unit
from tests.hostile_records import LARGEST_CONTENT, HostileSender, empty_maps

Kind = Literal["empty_maps", "garbage", "wide", "replays", "invented_heads", "directory_garbage"]

WEIGHTS: Final[dict[Kind, int]] = {
    "empty_maps": 3, "garbage": 3, "wide": 2, "replays": 4, "invented_heads": 1, "directory_garbage": 2,
}  # fmt: skip

MOST_BYTES: Final = 200_000_000
"""Of a whole run, however long: three brokers keep a copy each."""

REPLAYS: Final = 200
"""So many at a time."""

STATEMENT: Final = 900_000
"""Bytes of garbage that the directory's topic takes."""


class HostileUnit:
    """Writes until it is cancelled, or has written its bytes."""

    def __init__(self, exchange: Exchange, *, seed: int, every: float = 0.7) -> None:
        self.written: Counter[str] = Counter()
        """Records that Kafka acknowledged, by their kind."""

        self._random = random.Random(f"hostile unit {seed}")
        self._every = every
        self._bytes = 0
        self.trespasses: Counter[str] = Counter()
        """Records that Kafka took for topics of others, by topic."""

        self.denied = 0
        way = as_unit(exchange.cluster.bootstrap, HOSTILE)
        self._outbox = KafkaOutbox(way, UnitId(HOSTILE))
        self._directory = KafkaDirectory(way)
        others = (topics.outbox(UnitId("fr")), topics.inbox(UnitId("it")), topics.AUDIT, topics.LEDGER)
        self._elsewhere = {name: KafkaLog(way, name) for name in others} if exchange.guarded else {}
        self._sender = HostileSender(
            identity=exchange.hostile_identity, directory=exchange.directory, entropy=os.urandom
        )
        known = [UnitId(unit) for unit in (*exchange.units, OUTSIDER)]
        unknown = [UnitId(f"nobody-{number}") for number in range(MAX_RECIPIENTS - len(known))]
        self._everybody = [*known, *unknown]
        self._replayed = self._sender.submission([UnitId(OUTSIDER)], now=present())

    async def run(self) -> None:
        """Write now and then; what Kafka does not take is left out."""
        try:
            while self._bytes < MOST_BYTES:
                await asyncio.sleep(self._every * self._random.uniform(0.5, 1.5))
                (kind,) = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
                records = await asyncio.to_thread(self._records, kind)
                self._bytes += sum(map(len, records))
                await self._trespass()
                with suppress(Unavailable):
                    self.written[kind] += await self._write(kind, records)
        finally:
            await self._outbox.close()

    async def _trespass(self) -> None:
        """Try to write where it may not."""
        if not self._elsewhere:
            return
        name = self._random.choice(list(self._elsewhere))
        try:
            await self._elsewhere[name].append([b"trespass"])
        except Unavailable as fault:
            # A broker that is down says nothing about rights.
            self.denied += isinstance(fault.__cause__, TopicAuthorizationFailedError)
        else:
            self.trespasses[name] += 1

    async def _write(self, kind: Kind, records: Sequence[bytes]) -> int:
        if kind == "directory_garbage":
            await self._directory.publish(records)
            return len(records)
        return (await self._outbox.append(0, [OutboxRecord(b"", value) for value in records])).count

    def _records(self, kind: Kind) -> list[bytes]:
        to_outsider = [UnitId(OUTSIDER)]
        match kind:
            case "empty_maps":
                return [empty_maps()]
            case "garbage":
                return [self._random.randbytes(self._random.choice((0, 1, 300, 3_000, MAX_RECORD)))]
            case "wide":
                return [self._sender.submission(self._everybody, now=present(), size=LARGEST_CONTENT)]
            case "replays":
                return [self._replayed] * REPLAYS
            case "invented_heads":
                head = TreeHead(self._random.randrange(1, 2**40), self._random.randbytes(32))
                return [self._sender.submission(to_outsider, now=present(), seen=head)]
            case "directory_garbage":
                return [empty_maps(STATEMENT), self._random.randbytes(300), b""]
