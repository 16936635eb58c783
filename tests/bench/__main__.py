"""`python -m tests.bench [--only name,name]`: the figures of docs/figures.md, one JSON line each.

Medians of interleaved rounds. Nothing here passes or fails: a figure is read by a person, or compared
with another one of the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from tests.bench import cli, drain, latency, ledger, steady
from tests.bench.figures import Figure
from tests.bench.stage import on_stage


async def _help() -> list[Figure]:
    return [cli.help_figure()]


async def _latency() -> list[Figure]:
    return await asyncio.to_thread(latency.measure)


GROUPS: dict[str, tuple[Callable[[], Awaitable[list[Figure]]], tuple[str, ...]]] = {
    "drain": (
        partial(on_stage, drain.measure),
        ("drain_msgs_per_s", "drain_2proc_ratio", "hub_cpu_ms_drain"),
    ),
    "steady": (partial(on_stage, steady.measure), ("hub_cpu_ms_at_1000",)),
    "latency": (
        _latency,
        (
            "latency_p50_ms_at_200",
            "latency_p99_ms_at_200",
            "latency_p50_ms_idle",
            "cli_send_ms",
            "latency_p50_ms_with_ledger",
        ),
    ),
    "ledger": (partial(on_stage, ledger.throughput), ("ledger_leaves_per_s",)),
    "ledger_beside": (partial(on_stage, ledger.beside), ("drain_with_ledger_ratio",)),
    "ledger_large": (ledger.large, ("ledger_cost_ratio_10m", "ledger_proof_ms_10m")),
    "ledger_fsck": (ledger.fsck, ("ledger_fsck_s_1m",)),
    "help": (_help, ("cli_help_ms",)),
}


async def run(only: set[str]) -> None:
    """Measure the groups that hold a wanted figure."""
    for name, (measure, figures) in GROUPS.items():
        if only and not only & {name, *figures}:
            continue
        print(f"measuring {name} ...", file=sys.stderr)
        for figure in await measure():
            if not only or only & {name, figure.figure}:
                print(figure.line(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", default="", help="comma-separated figures or groups")
    only = {name for name in parser.parse_args().only.split(",") if name}
    known = {name for group, (_, figures) in GROUPS.items() for name in (group, *figures)}
    if only - known:
        parser.error(f"no such figure: {', '.join(sorted(only - known))}; known: {', '.join(sorted(known))}")
    asyncio.run(run(only))
