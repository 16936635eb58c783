"""`python -P -m clients.daemon HOME`: the daemon without the command line around it."""

from __future__ import annotations

import sys
from pathlib import Path

from clients.daemon.app import run_daemon
from protocol.errors import ContradaError
from runtime.errors import AlreadyRunning


def main(arguments: list[str]) -> int:
    """Run; 0 after an orderly end, 2 for wrong use, 8 when it cannot start, 9 for a home in use."""
    check_only = "--check-config" in arguments
    homes = [argument for argument in arguments if argument != "--check-config"]
    if len(homes) != 1:
        _say("usage: python -P -m clients.daemon [--check-config] HOME")
        return 2
    try:
        return run_daemon(Path(homes[0]), check_only=check_only)
    except ContradaError as error:
        _say(f"contrada: {error}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return 9 if isinstance(error, AlreadyRunning) else 8


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
