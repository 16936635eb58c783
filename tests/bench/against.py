"""`python -m tests.bench.against REV`: this tree and an older one, in turn, on one machine in one run.

The older tree is checked out into a directory of its own with a virtual environment of its own. Each side has its
own Kafka, router and daemons, started by its own program; the load generator is this tree's. Which side begins
changes from round to round. JSON goes to stdout, one line a figure; the table of docs/figures.md to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass

from tests.bench.exchange import HUB, Exchange, exchange
from tests.bench.figures import AGAINST, Compared, against_table
from tests.bench.latency import RATE, SECONDS, quantile, warm_up
from tests.bench.load import Load, load
from tests.bench.machine import described, speed
from tests.releases import checked_out

MOST, COUNT = 64, 4_000
ROUNDS = 4

Found = dict[str, list[float]]


@dataclass(frozen=True)
class Side:
    """One tree's exchange, and the load on it."""

    name: str
    built: Exchange
    sending: Load
    found: Found

    async def round(self) -> None:
        """One measurement of each figure."""
        began = time.perf_counter()
        await self.sending.in_flight(MOST, COUNT)
        self._note("end_to_end_msgs_per_s_w64", COUNT / (time.perf_counter() - began))
        used, hub = self.built.cpu(), self.built.cpu(*HUB)
        latencies = sorted(await self.sending.at_rate(RATE, SECONDS))
        self._note("total_cpu_ms_at_200", (self.built.cpu() - used) / len(latencies) * 1000)
        self._note("hub_cpu_ms_at_200", (self.built.cpu(*HUB) - hub) / len(latencies) * 1000)
        self._note("latency_p50_ms_at_200", quantile(latencies, 0.50))
        self._note("latency_p99_ms_at_200", quantile(latencies, 0.99))

    def _note(self, figure: str, value: float) -> None:
        self.found[figure].append(value)
        print(f"{self.name}: {figure} {value:.2f}", file=sys.stderr)


async def measure(older: Exchange, newer: Exchange) -> list[Compared]:
    """Warm both, then measure them in turn."""
    async with load(older) as one, load(newer) as other:
        sides = [Side("older", older, one, defaultdict(list)), Side("this", newer, other, defaultdict(list))]
        print("warming both", file=sys.stderr)
        await asyncio.gather(*(warm_up(side.sending) for side in sides))
        for number in range(ROUNDS):
            for side in sides if number % 2 == 0 else reversed(sides):
                await side.round()
    before, now = (side.found for side in sides)
    return [Compared(name, now[name], before[name]) for name in AGAINST]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.against")
    parser.add_argument("revision", help="the commit to compare with")
    revision = parser.parse_args().revision
    first = speed()
    with checked_out(revision) as tree, exchange(of=tree) as older, exchange() as newer:
        compared = asyncio.run(measure(older, newer))
    loop = (first + speed()) / 2
    for one in compared:
        print(json.dumps(one.row() | {"against": revision, "machine_ms": round(loop, 1)}), flush=True)
    print("", described(loop), *against_table(compared), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
