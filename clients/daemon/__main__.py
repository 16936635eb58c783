"""`python -P -m clients.daemon HOME`: the daemon without the command line around it."""

from __future__ import annotations

import sys
from pathlib import Path

from clients.daemon.app import check_daemon, run_daemon
from runtime.cli.failures import exit_code_of
from runtime.process.streams import tell, with_streams


def main(arguments: list[str]) -> int:
    """Run; 2 for wrong use, else as runtime/cli/exits.py says."""
    check_only = "--check-config" in arguments
    homes = [argument for argument in arguments if argument != "--check-config"]
    if len(homes) != 1:
        tell("usage: python -P -m clients.daemon [--check-config] HOME")
        return 2
    home = Path(homes[0])
    return exit_code_of(lambda: tell(check_daemon(home)) if check_only else run_daemon(home))


if __name__ == "__main__":
    raise SystemExit(with_streams(lambda: main(sys.argv[1:])))
