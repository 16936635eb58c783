"""`contrada router ...`: the centre's own commands. Joined to the one command line by an entry point.

They look and end as the others do: examples first, a tag, `--json`, and errors that are raised for the
command line to report. Rule: nothing heavy is imported here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Group(click.Group):
    """A group that shows what its commands may change."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each: name, tag, what it does."""
        lines = [
            (name, f"rw  {found.short_help}")
            for name in self.list_commands(ctx)
            if (found := self.get_command(ctx, name)) is not None
        ]
        with formatter.section("Commands (ro reads, rw changes something)"):
            formatter.write_dl(lines)


class _Command(click.Command):
    """A command that shows examples before the words."""

    def __init__(self, *args: Any, examples: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, examples, the text, the options."""
        self.format_usage(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}$ {example}\n")
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)


@click.group(cls=_Group, short_help="run a router of the exchange", context_settings=_HELP)
def router() -> None:
    """Run a router of the exchange."""


@router.command(
    cls=_Command,
    short_help="run a router until it is told to stop",
    context_settings=_HELP,
    examples=(
        "contrada router run --config /etc/contrada/router.toml",
        "contrada router run --config router.toml --check-config",
    ),
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The router's TOML file.")
@click.option("--check-config", is_flag=True, help="Check the settings and the keys, then leave.")
@click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    help="Print errors as JSON on stderr. The log is JSON in any case.",
)
def run(config: Path | None, check_config: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run a router: it verifies, decides and delivers, until SIGTERM or Ctrl-C.

    Settings that --config does not give are taken from CONTRADA_ROUTER_*.
    """
    from broker.__main__ import start  # noqa: PLC0415 - heavy; only this command needs it

    start(config, check_only=check_config)
