"""From submit to opened, between two real daemons through a real router; and what `contrada send` takes."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field

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
    """All figures of this group, on an exchange without a ledger; with TLS beside it, in turn; and beside a ledger."""
    with exchange() as built:
        with exchange(tls=True) as guarded:
            figures = asyncio.run(_measure(built, guarded))
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


@dataclass
class Side:
    """An exchange under load, and what was seen of it."""

    built: Exchange
    sending: Load
    latencies: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)

    async def round(self) -> None:
        """One round at 200 messages a second."""
        latencies, cpu = await at_200(self.built, self.sending, rounds=1)
        self.latencies = sorted([*self.latencies, *latencies])
        self.cpu.append(cpu)

    async def still(self, messages: int) -> None:
        """One message at a time, while nothing else is on its way."""
        self.idle += await self.sending.in_flight(1, messages, pause=PAUSE)

    def seen(self, suffix: str = "") -> dict[str, float]:
        """The figures that both sides have."""
        return {
            f"latency_p50_ms_at_200{suffix}": quantile(self.latencies, 0.50),
            f"latency_p99_ms_at_200{suffix}": quantile(self.latencies, 0.99),
            f"total_cpu_ms_at_200{suffix}": statistics.mean(self.cpu),
            f"latency_p50_ms_idle{suffix}": statistics.median(self.idle),
        }


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


async def _measure(built: Exchange, guarded: Exchange) -> list[Figure]:
    async with load(built) as sending, load(guarded) as sending_guarded:
        plain, tls = Side(built, sending), Side(guarded, sending_guarded)
        for side in (plain, tls):
            await warm_up(side.sending)
        for _ in range(ROUNDS):
            await plain.round()
            await tls.round()
        async with relay(built.kafka) as bare:
            floor = statistics.median(await bare.one_by_one(IDLE_MESSAGES, RECORD, pause=PAUSE))
        for _ in range(ROUNDS):
            await plain.still(IDLE_MESSAGES // ROUNDS)
            await tls.still(IDLE_MESSAGES // ROUNDS)
    return _figures(plain.seen(), tls.seen("_tls"), floor)


def _figures(plain: dict[str, float], tls: dict[str, float], floor: float) -> list[Figure]:
    p50, p99 = plain["latency_p50_ms_at_200"], plain["latency_p99_ms_at_200"]
    return [
        Figure("latency_p50_ms_at_200", p50, floor),
        Figure("latency_p99_ms_at_200", p99, floor),
        Figure("latency_p99_over_p50_at_200", p99 / p50),
        Figure("total_cpu_ms_at_200", plain["total_cpu_ms_at_200"]),
        Figure("latency_p50_ms_idle", plain["latency_p50_ms_idle"], floor),
        *(Figure(name, value, plain[name.removesuffix("_tls")]) for name, value in tls.items()),
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
