"""From submit to opened, between two real daemons through a real router; and what `contrada send` takes."""

from __future__ import annotations

import asyncio
import json
import statistics
import time

from tests.bench.bare import relay
from tests.bench.cli import beside_bare_python, contrada, milliseconds
from tests.bench.exchange import Exchange, exchange
from tests.bench.figures import Figure
from tests.bench.load import DRAFT, Load, load

RATE = 200
WARM_UP_IN_FLIGHT = 16
WARM_UP_S = 90
"""Kafka compiles what is used often. Of its CPU at 250 messages a second the compiler takes half in the first 30 seconds and
a fifth after a minute: that of a broker which was started just now, and of no other."""

SECONDS = 12
ROUNDS = 2
IDLE_MESSAGES = 60
SEND_ROUNDS = 9
PAUSE = 0.15
RECORD = 3_800
"""Bytes of a submission of this size on its way; the bare relay carries as many."""


def measure() -> list[Figure]:
    """All figures of this group, on one exchange without a ledger; and the first again beside one."""
    with exchange() as built:
        figures = asyncio.run(_measure(built))
        figures.append(_send_figure(built))
    with exchange(ledger=True) as built:
        latencies, _ = asyncio.run(_beside_ledger(built))
    without = next(one.value for one in figures if one.figure == "latency_p50_ms_at_200")
    return [*figures, Figure("latency_p50_ms_with_ledger", quantile(latencies, 0.50), without)]


async def warm_up(sending: Load) -> None:
    """Until the broker is compiled. So many in flight and no rate: other work on the machine makes no backlog."""
    until = time.monotonic() + WARM_UP_S
    while time.monotonic() < until:
        await sending.in_flight(WARM_UP_IN_FLIGHT, 500)


async def at_200(built: Exchange, sending: Load, *, rounds: int = ROUNDS) -> tuple[list[float], float]:
    """Latencies at 200 messages a second, in order, and milliseconds of CPU of the whole exchange for each message."""
    used, found = built.cpu(), []
    for _ in range(rounds):
        found += await sending.at_rate(RATE, SECONDS)
    return sorted(found), (built.cpu() - used) / len(found) * 1000


async def _beside_ledger(built: Exchange) -> tuple[list[float], float]:
    async with load(built) as sending:
        await warm_up(sending)
        return await at_200(built, sending)


async def _measure(built: Exchange) -> list[Figure]:
    async with load(built) as sending:
        await warm_up(sending)
        latencies, cpu = await at_200(built, sending)
        async with relay(built.kafka) as bare:
            floor = statistics.median(await bare.one_by_one(IDLE_MESSAGES, RECORD, pause=PAUSE))
        idle = await sending.in_flight(1, IDLE_MESSAGES, pause=PAUSE)
    p50, p99 = quantile(latencies, 0.50), quantile(latencies, 0.99)
    return [
        Figure("latency_p50_ms_at_200", p50, floor),
        Figure("latency_p99_ms_at_200", p99, floor),
        Figure("latency_p99_over_p50_at_200", p99 / p50),
        Figure("total_cpu_ms_at_200", cpu),
        Figure("latency_p50_ms_idle", statistics.median(idle), floor),
    ]


def quantile(ordered: list[float], q: float) -> float:
    """Of values in order."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _send_figure(built: Exchange) -> Figure:
    """A warm `contrada send`, the whole process, with the daemon running."""
    draft = built.home / "draft.json"
    draft.write_text(json.dumps(DRAFT))
    command = (contrada(), "--home", str(built.home), "send", "--to", "it", str(draft))
    milliseconds(*command)
    return Figure("cli_send_ms", *beside_bare_python(SEND_ROUNDS, *command))
