"""What the rights of thousands of units cost a broker: CPU of a request, its start, its memory, and `topics plan`.

Owns two brokers with mutual TLS and the authorizer: one has the rights and quotas of 10 units, the other those of
5,000. Topics are those of one unit in both: what is measured is how long the authorizer looks, and not how many
partitions a broker carries. Requests are asked of the two in turn.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.protocol.fetch import FetchRequest_v11

from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka import requests as spoken
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import batch_of
from runtime.kafka.requests import PinnedRequest
from runtime.kafka.security.rights import KafkaRights
from tests.bench.figures import Figure
from tests.bench.stage import cpu_seconds
from tests.chaos.processes import say
from tests.integration.matrix import connected
from tests.integration.wire import Wire, present

FEW, MANY = 10, 5_000
UNIT = UnitId("u0000")
REQUESTS, WARM_UP, ROUNDS = 2_000, 4_000, 5
PLACES = ("fetch directory", "fetch ledger", "fetch inbox", "produce outbox", "produce directory")


@dataclass
class Guarded:
    """A broker with the rights of so many units, and a connection of one of them."""

    wire: Wire
    units: int
    apply_s: float
    client: Any = None

    @property
    def pid(self) -> int:
        """Of the broker."""
        [pid] = self.wire.cluster.pids
        assert pid is not None
        return pid

    def rss_mb(self) -> float:
        """What the broker's process holds."""
        [line] = [
            each
            for each in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if each.startswith("VmRSS")
        ]
        return int(line.split()[1]) / 1024

    async def cpu_us(self, place: str, count: int) -> float:
        """Of the broker for one request, in microseconds."""
        asked, before = _question(place), cpu_seconds(self.pid)
        for _ in range(count):
            answer = await self.client.send(self.client.get_random_node(), asked)
        assert answer.topics[0][1][0][1] == 0, place
        return (cpu_seconds(self.pid) - before) / count * 1e6


def _question(place: str) -> PinnedRequest:
    verb, _, where = place.partition(" ")
    topic = {"inbox": topics.inbox(UNIT), "outbox": topics.outbox(UNIT)}.get(where, where)
    if verb == "fetch":
        wanted = [(topic, [(0, -1, 0, -1, 1)])]
        return PinnedRequest(FetchRequest_v11, -1, 0, 0, 1_000, 1, 0, -1, wanted, [], "")
    batch, _ = batch_of([OutputRecord(topic, b"", b"x")], now=present())
    return spoken.produce(None, {(topic, 0): batch}, timeout_ms=30_000)


async def measure() -> list[Figure]:
    """The figures of this group."""
    async with contextlib.AsyncExitStack() as stack:
        both = [await stack.enter_async_context(_guarded(count)) for count in (FEW, MANY)]
        for one in both:
            for place in PLACES:
                await one.cpu_us(place, WARM_UP)
        found = {place: [await _round(both, place) for _ in range(ROUNDS)] for place in PLACES}
        for one in both:
            await one.client.close()
        few, many = both
        starts = [await _restarted(one) for one in both]
        say(f"started with the rights in {starts[0]:.1f} and {starts[1]:.1f} s")
        say(f"the broker holds {few.rss_mb():.0f} and {many.rss_mb():.0f} MB afterwards")
        plans = [await _planned(one) for one in both]
        say(
            f"rights applied in {few.apply_s:.2f} and {many.apply_s:.2f} s, compared in {plans[0]:.2f} and {plans[1]:.2f} s"
        )
        ratios = {}
        for place, rounds in found.items():
            of_few, of_many = (statistics.median(each[side] for each in rounds) for side in (0, 1))
            ratios[place] = of_many / of_few
            say(f"{place}: {of_few:.0f} and {of_many:.0f} us of the broker's CPU")
        return [Figure("rights_cpu_ratio_5000", max(ratios.values()))]


async def _round(both: Sequence[Guarded], place: str) -> tuple[float, float]:
    few, many = [await one.cpu_us(place, REQUESTS) for one in both]
    return few, many


@contextlib.asynccontextmanager
async def _guarded(count: int) -> AsyncIterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as name:
        wire = Wire(Path(name), profile="bench")
        try:
            wire.cluster.start()
            await KafkaTopicAdmin(wire.access("centre")).apply(topics.all_topics([UNIT]))
            one = Guarded(wire, count, apply_s=0)
            one.apply_s = await _applied(one)
            wire.issue(topics.unit_principal(UNIT))
            async with connected(wire.access(topics.unit_principal(UNIT))) as client:
                one.client = client
                yield one
        finally:
            wire.cluster.stop(timeout=0)


def _declared(count: int) -> tuple[frozenset[topics.Right], dict[str, Any]]:
    units = [UnitId(f"u{number:04}") for number in range(count)]
    rights = topics.role_rights().union(*map(topics.unit_rights, units))
    # None: the one that measures would be held up by its own.
    return rights, {topics.unit_principal(unit): topics.UNIT_QUOTAS for unit in units[1:]}


async def _applied(one: Guarded) -> float:
    began = time.monotonic()
    async with KafkaRights.at(one.wire.access("centre")) as there:
        await there.apply(*_declared(one.units))
    return time.monotonic() - began


async def _planned(one: Guarded) -> float:
    began = time.monotonic()
    async with KafkaRights.at(one.wire.access("centre")) as there:
        assert not await there.compare(*_declared(one.units))
    return time.monotonic() - began


async def _restarted(one: Guarded) -> float:
    """Seconds until a broker that was stopped answers again."""
    began = time.monotonic()
    one.wire.cluster.restart(0)
    async with connected(one.wire.access("centre")):
        return time.monotonic() - began
