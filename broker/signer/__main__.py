"""`python -P -m broker.signer`, and what `contrada router signer` calls."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from broker.signer import app
from broker.signer.settings import SignerSettings
from runtime.cli.failures import exit_code_of
from runtime.cli.render import say
from runtime.process import logs
from runtime.process.streams import with_streams


def start(config: Path | None, *, check_only: bool = False) -> None:
    """Sign until told to stop. What prevents that is raised as a `ContradaError`."""
    settings = SignerSettings.load(config)
    logs.configure(settings.log_level)
    if check_only:
        say(app.check_signer(settings))
    else:
        asyncio.run(app.run_signer(settings))


def main(config: Path | None, *, check_only: bool = False) -> int:
    """The same as a process: an error is reported on stderr, and its kind decides the exit code."""
    return exit_code_of(lambda: start(config, check_only=check_only))


if __name__ == "__main__":
    raise SystemExit(with_streams(lambda: main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
