"""Ours beside NATS, the same work in the same run: what a message costs the hub, and how many get through.

Messages of 2 KiB from A to a hub to B, so many in flight: ours between two daemons through a router and Kafka,
theirs through nats-server. The two take turns. Where NATS cannot be had, ours is measured alone, and why is said.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.exchange import HUB, exchange
from tests.bench.figures import Figure
from tests.bench.latency import quantile, warm_up
from tests.bench.load import load
from tests.bench.nats.load import nats_load
from tests.bench.nats.server import Server, Skipped, server, version
from tests.bench.stage import cpu_seconds

COUNTS = {1: 300, 8: 1_500, 64: 4_000}
"""How many messages a round has, by how many are in flight."""

SATURATED = 64
ROUNDS = 3


@dataclass(frozen=True)
class Side:
    """One of the two hubs."""

    name: str
    in_flight: Callable[[int, int], Awaitable[list[float]]]
    hub: Callable[[], float]
    """Seconds of CPU that the hub has used so far."""


@dataclass(frozen=True)
class Round:
    """What one side showed with so many in flight."""

    rate: float
    hub_ms: float
    """CPU of the hub for each message."""

    p50_ms: float


Rounds = dict[tuple[str, int], list[Round]]


async def measure() -> list[Figure]:
    """All figures of this group."""
    async with contextlib.AsyncExitStack() as stack:
        # Before anything is connected: the first build takes a minute, in which no connection would be served.
        nats = _nats(stack)
        built = stack.enter_context(exchange())
        ours = await stack.enter_async_context(load(built))
        sides = [Side("ours", ours.in_flight, lambda: built.cpu(*HUB))]
        if nats is not None:
            theirs = await stack.enter_async_context(nats_load(nats.url))
            sides.append(Side("nats", theirs.in_flight, lambda: cpu_seconds(nats.pid)))
        await warm_up(ours)
        return _figures(await _in_turn(sides))


def _nats(stack: contextlib.AsyncExitStack) -> Server | None:
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="cn-", ignore_cleanup_errors=True))
    try:
        nats = stack.enter_context(server(Path(directory)))
    except Skipped as reason:
        print(f"NATS is not measured: {reason}", file=sys.stderr)
        return None
    print(f"NATS {version()} beside ours", file=sys.stderr)
    return nats


async def _in_turn(sides: list[Side]) -> Rounds:
    found: Rounds = defaultdict(list)
    for side in sides[1:]:
        await side.in_flight(8, COUNTS[8])
    for _ in range(ROUNDS):
        for most, count in COUNTS.items():
            for side in sides:
                one = await _round(side, most, count)
                found[side.name, most].append(one)
                print(
                    f"{side.name}, {most} in flight: {one.rate:,.0f} messages/s, hub {one.hub_ms:.2f} ms of CPU "
                    f"a message, p50 {one.p50_ms:.1f} ms",
                    file=sys.stderr,
                )
    return found


async def _round(side: Side, most: int, count: int) -> Round:
    used, began = side.hub(), time.perf_counter()
    latencies = await side.in_flight(most, count)
    taken, used = time.perf_counter() - began, side.hub() - used
    return Round(count / taken, used / count * 1000, quantile(sorted(latencies), 0.5))


def _figures(found: Rounds) -> list[Figure]:
    def median(side: str, most: int, what: str) -> float | None:
        rounds = found.get((side, most))
        return statistics.median(getattr(one, what) for one in rounds) if rounds else None

    def beside(figure: str, most: int, what: str) -> Figure:
        return Figure(figure, median("ours", most, what), median("nats", most, what))

    return [
        beside("hub_cpu_vs_nats_w8", 8, "hub_ms"),
        beside("hub_cpu_vs_nats_saturated", SATURATED, "hub_ms"),
        *(beside(f"end_to_end_msgs_per_s_w{most}", most, "rate") for most in COUNTS),
    ]
