"""`python -m tests.bench [--only name,name]`: the figures of docs/figures.md, one JSON line each, and the table.

Medians of interleaved rounds, each beside its floor of the same run. JSON goes to stdout; the machine's speed,
before and after each group, and the table of docs/figures.md go to stderr. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable
from functools import partial

from tests.bench import cli, console, drain, flood, idle, latency, ledger, peers, rights, spread, steady
from tests.bench.figures import Figure, table
from tests.bench.machine import described, speed
from tests.bench.stage import on_stage


async def _help() -> list[Figure]:
    return [cli.help_figure()]


async def _latency() -> list[Figure]:
    return await asyncio.to_thread(latency.measure)


GROUPS: dict[str, tuple[Callable[[], Awaitable[list[Figure]]], tuple[str, ...]]] = {
    "drain": (
        drain.measure,
        (
            "drain_msgs_per_s",
            "drain_msgs_per_s_tls",
            "drain_over_floor",
            "drain_2proc_ratio",
            "hub_cpu_ms_drain",
        ),
    ),
    "steady": (partial(on_stage, steady.measure), ("hub_cpu_ms_at_1000",)),
    "spread": (
        spread.measure,
        (
            "hub_cpu_ms_at_200_spread",
            "spread_cpu_ratio",
            "spread_cpu_ratio_beside_load",
            "latency_p50_ms_at_200_spread",
        ),
    ),
    "latency": (
        _latency,
        (
            "latency_p50_ms_at_200",
            "latency_p99_ms_at_200",
            "latency_p99_over_p50_at_200",
            "total_cpu_ms_at_200",
            "latency_p50_ms_idle",
            "latency_p50_ms_at_200_tls",
            "latency_p99_ms_at_200_tls",
            "total_cpu_ms_at_200_tls",
            "latency_p50_ms_idle_tls",
            "cli_send_ms",
            "latency_p50_ms_with_ledger",
        ),
    ),
    "peers": (
        peers.measure,
        (
            "hub_cpu_vs_nats_w8",
            "hub_cpu_vs_nats_saturated",
            "end_to_end_msgs_per_s_w1",
            "end_to_end_msgs_per_s_w8",
            "end_to_end_msgs_per_s_w64",
        ),
    ),
    "flood": (flood.measure, ("flood_p99_ratio",)),
    "idle": (
        idle.measure,
        (
            "idle_cpu_ratio_5000",
            "router_rss_mb_5000",
            "router_files_5000",
            "start_5000_s",
            "start_daemon_5000_s",
            "first_start_5000_s",
            "daemon_rss_mb_5000",
            "centre_units_5000_s",
        ),
    ),
    "console": (console.measure, ("console_cpu_pct", "console_router_cpu_ratio")),
    "rights": (rights.measure, ("rights_cpu_ratio_5000",)),
    "ledger": (partial(on_stage, ledger.throughput), ("ledger_leaves_per_s",)),
    "ledger_beside": (partial(on_stage, ledger.beside), ("drain_with_ledger_ratio",)),
    "ledger_large": (ledger.large, ("ledger_cost_ratio_10m", "ledger_proof_ms_10m")),
    "ledger_fsck": (ledger.fsck, ("ledger_fsck_s_1m",)),
    "help": (_help, ("cli_help_ms",)),
}


async def run(only: set[str]) -> int:
    """Measure the groups that hold a wanted figure; how many of them could not be measured."""
    shown: list[Figure] = []
    failed = 0
    for name, (measure, figures) in GROUPS.items():
        if only and not only & {name, *figures}:
            continue
        before = speed()
        print(f"measuring {name} ... {described(before)}", file=sys.stderr)
        try:
            measured = await measure()
        except Exception:
            # A quarter of an hour of other figures is not thrown away for one.
            traceback.print_exc()
            failed += 1
            continue
        # The machine may have changed its speed meanwhile: the mean of before and after stands beside the figure.
        loop = (before + speed()) / 2
        for figure in measured:
            if not only or only & {name, figure.figure}:
                shown.append(figure)
                print(figure.line(loop), flush=True)
    if shown:
        print("", described(speed()), *table(shown), sep="\n", file=sys.stderr)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", default="", help="comma-separated figures or groups")
    only = {name for name in parser.parse_args().only.split(",") if name}
    known = {name for group, (_, figures) in GROUPS.items() for name in (group, *figures)}
    if only - known:
        parser.error(f"no such figure: {', '.join(sorted(only - known))}; known: {', '.join(sorted(known))}")
    sys.exit(1 if asyncio.run(run(only)) else 0)
