"""A whole exchange of whatever tree this is run from: Kafka, the centre, a router and two daemons.

    TREE/.venv/bin/python -P tests/bench/served.py [--ledger] [--tls]

Prints one line of JSON when all of it serves, and ends all of it with its standard input. An older tree is measured
by this file, too (against.py): so it uses of the product only what older trees have, and nothing of the bench.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from clients.demo.exchange import Exchange
from runtime.process.homes import UnitHome

SENDER, ADDRESSEE = "fr", "it"


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


def described(built: Exchange) -> dict[str, object]:
    """What the bench needs to know of it."""
    homes = {"sender": built.home(SENDER), "addressee": built.home(ADDRESSEE)}
    return {
        "kafka": built.kafka,
        "tls": "--tls" in sys.argv,
        "homes": {name: str(home) for name, home in homes.items()},
        "sockets": {name: str(UnitHome(home).socket) for name, home in homes.items()},
        "pids": {process.name: tree(process.popen.pid) for process in built.processes._running},
    }


def _unlimited(built: Exchange) -> None:
    """The sender may send whatever the exchange bears. An older tree has no quotas."""
    if find_spec("broker.centre.quotas") is not None:
        from clients.demo.processes import run_contrada

        limits = [f"--{name}={2**53 - 1}" for name in ("messages", "bytes", "copies", "refusals")]
        run_contrada("--home", str(built.centre), "centre", "quota", "set", SENDER, *limits, "--yes")


def main() -> None:
    """Start, tell, wait, stop."""
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as directory:
        built = Exchange(
            Path(directory) / "x",
            daemons=(SENDER, ADDRESSEE),
            profile="bench",
            with_ledger="--ledger" in sys.argv,
            # In plain unless it is asked for: what older trees have, and what is compared with them.
            **({"guarded": True} if "--tls" in sys.argv else {}),
        )
        try:
            built.start()
            _unlimited(built)
            print(json.dumps(described(built)), flush=True)
            sys.stdin.read()
        finally:
            built.stop()


if __name__ == "__main__":
    main()
