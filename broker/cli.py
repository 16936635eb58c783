"""`contrada router ...`: the centre's own commands. Joined to the one command line by an entry point."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def router() -> None:
    """Run the router of the exchange (centre)."""


@router.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="the router's TOML file")
@click.option("--check-config", is_flag=True, help="check the settings and the keys, then leave")
def run(config: Path | None, check_config: bool) -> None:  # noqa: FBT001 - click passes flags so
    r"""Verify, decide, deliver; until SIGTERM. [rw].

    \b
    Examples:
      contrada router run --config /etc/contrada/router.toml
      contrada router run --config router.toml --check-config
    """
    from broker.__main__ import main  # noqa: PLC0415 - heavy; only this command needs it

    raise SystemExit(main(config, check_only=check_config))
