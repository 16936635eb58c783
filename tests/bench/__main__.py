"""`python -m tests.bench [--only name,name]`: the figures of the README, one JSON line each.

Medians of interleaved rounds. Nothing here passes or fails: a figure is read by a person, or compared
with another one of the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from tests.bench import drain
from tests.bench.figures import Figure
from tests.bench.stage import Stage, stage

GROUPS: dict[str, tuple[Callable[[Stage], Awaitable[list[Figure]]], tuple[str, ...]]] = {
    "drain": (drain.measure, ("drain_msgs_per_s", "drain_2proc_ratio", "hub_cpu_ms_drain")),
}


async def run(only: set[str]) -> None:
    """Measure the groups that hold a wanted figure, each on a stage of its own."""
    for name, (measure, figures) in GROUPS.items():
        if only and not only & {name, *figures}:
            continue
        print(f"measuring {name} ...", file=sys.stderr)
        async with stage() as built:
            for figure in await measure(built):
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
