"""`contrada router ...`: the router's commands. Joined to the command line by an entry point.

Errors are raised for the command line to report. Rule: nothing heavy is imported here.
"""

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName

router = group("router", short="run a router of the exchange", text="Run a router of the exchange.")


@command(
    router,
    "run",
    impact=Impact.WRITES,
    short="run a router until it is told to stop",
    examples=(
        "contrada router run --config /etc/contrada/router.toml",
        "contrada router run --config router.toml --check-config",
    ),
    json_help="Print errors as JSON on stderr. The log is JSON in any case.",
)
@click.option("--config", type=PathName(path_type=Path), metavar="FILE", help="The router's TOML file.")
@click.option("--check-config", is_flag=True, help="Check the settings and the keys, then leave.")
@pass_invocation
def router_run(_: Invocation, config: Path | None, *, check_config: bool) -> None:
    """Run a router: it verifies, decides and delivers, until SIGTERM or Ctrl-C.

    Settings that --config does not give are taken from CONTRADA_ROUTER_*.
    """
    from broker.router.__main__ import start  # noqa: PLC0415 - heavy; only this command needs it

    start(config, check_only=check_config)
