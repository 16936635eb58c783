"""`python -P -m broker.router`, and what `contrada router run` calls."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from broker.router import app
from broker.router.settings import RouterSettings
from runtime.cli.failures import exit_code_of
from runtime.cli.render import say
from runtime.process import logs
from runtime.process.streams import with_streams


def start(config: Path | None, *, check_only: bool = False) -> None:
    """Run a router until it is told to stop. What prevents that is raised as a `ContradaError`."""
    settings = RouterSettings.load(config)
    logs.configure(settings.log_level)
    if check_only:
        say(app.check_router(settings))
    else:
        uvloop.run(app.run_router(settings))


def main(config: Path | None, *, check_only: bool = False) -> int:
    """The same as a process: an error is reported on stderr, and its kind decides the exit code."""
    return exit_code_of(lambda: start(config, check_only=check_only))


if __name__ == "__main__":
    raise SystemExit(with_streams(lambda: main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
