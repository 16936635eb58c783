"""`python -m tests.chaos`: one line of JSON on standard output, what happens on standard error.

Ends with 0 only if nothing was lost, doubled, reordered, misdelivered or left without its record, and if the
ledger has exactly one leaf of everything, proved to everybody, in one history. The same seed gives the same faults at the same times; what they hit is never quite the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import uuid
from pathlib import Path

import uvloop

from tests.chaos import campaign, memory
from tests.chaos.processes import say


def main(arguments: list[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of faults and load (default 1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long faults go on (default 60)")
    parser.add_argument("--router", choices=("real", "naive"), default="real", help="naive: must fail")
    parser.add_argument(
        "--ledger", choices=("real", "naive", "none"), default="real", help="naive: must fail"
    )
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=3)
    parser.add_argument("--routers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=24.0, help="messages per second (default 24)")
    parser.add_argument(
        "--every", type=float, default=2.5, help="seconds between faults (default 2.5; 0: none)"
    )
    parser.add_argument("--plain", action="store_true", help="Kafka without certificates and rights")
    parser.add_argument("--memory", action="store_true", help="no faults: is memory flat over many messages?")
    parser.add_argument("--messages", type=int, default=100_000, help="with --memory (default 100000)")
    parser.add_argument("--keep", type=Path, help="where to put logs and data of a run that failed")
    given = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)
    if given.plain:
        say("Kafka is plain: whoever reaches it reads and writes")
    if given.memory:
        done = asyncio.run(memory.run(given.messages, guarded=not given.plain))
        print(json.dumps(done))
        return 0 if done["ok"] else 1
    plan = campaign.Plan(
        seed=given.seed,
        seconds=given.seconds,
        brokers=given.brokers,
        routers=given.routers,
        router=given.router,
        ledger=given.ledger,
        rate=given.rate,
        every=given.every,
        guarded=not given.plain,
    )
    keep = given.keep or Path("/tmp") / f"chaos-{plan.seed}-{uuid.uuid4().hex[:6]}"
    outcome = uvloop.run(campaign.run(plan, keep=keep))
    print(json.dumps(outcome.line()))
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
