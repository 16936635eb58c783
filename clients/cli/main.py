"""The entry point of `contrada`, and the table of its commands.

Rule: nothing is imported here beyond Click and light modules of this project; each command is imported when
it is used. Commands of the centre's processes join by entry point, so that `clients` never imports them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from runtime.cli import joined
from runtime.cli.command import (
    CONTEXT_SETTINGS,
    WORDS,
    Group,
    Impact,
    Lazy,
    set_kafka,
    set_named,
    set_no_color,
    set_wide,
)
from runtime.cli.exits import Exit, table
from runtime.cli.input_files import PathName
from runtime.cli.joined import added, load_added
from runtime.cli.pipes import ReaderLeft
from runtime.environment import COMMAND_LINE, unknown_variables
from runtime.process.streams import with_streams

_READS, _WRITES = Impact.READS, Impact.WRITES
_HERE = "clients.cli.commands"

COMMANDS: dict[str, Lazy] = {
    "demo": Lazy("clients.demo:demo", _WRITES, "a whole exchange on this machine, with a short case"),
    "unit": Lazy(f"{_HERE}.unit:unit", None, "make a unit's home, run its daemon"),
    "send": Lazy(f"{_HERE}.send:send", _WRITES, "send information to units"),
    "request": Lazy(f"{_HERE}.send:request", _WRITES, "ask units for information"),
    "inbox": Lazy(f"{_HERE}.inbox:inbox", None, "what was received: list, open, acknowledge, answer, refuse"),
    "outbox": Lazy(f"{_HERE}.outbox:outbox", None, "what was sent, and what became of it"),
    "units": Lazy(f"{_HERE}.units:units", None, "the units of the exchange, as the directory has them"),
    "route": Lazy(f"{_HERE}.route:route", None, "what the rules say to a message, and why"),
    "policy": Lazy(f"{_HERE}.policy:policy", None, "the policy that the rules judge by; try another"),
    "message": Lazy(f"{_HERE}.message:message", None, "the way of one message"),
    "witness": Lazy(f"{_HERE}.witness:witness", None, "cosign the exchange's logs, and catch one that forks"),
    "keys": Lazy(f"{_HERE}.keys:keys", None, "the unit's own keys"),
    "token": Lazy(f"{_HERE}.token:token", None, "keys in a token: make, look, move (PKCS#11)"),
    "debug": Lazy(f"{_HERE}.debug:debug", None, "what somebody who helps needs to know, without secrets"),
    "errors": Lazy(f"{_HERE}.errors:errors", None, "look up an error code"),
    "completion": Lazy(f"{_HERE}.completion:completion", _READS, "the completion script for a shell"),
}

ADDED = {
    "audit": "check a copy of the ledger, without the centre",
    "centre": "run the exchange: units, topics, audit",
    "ledger": "keep the audit log and the directory's log",
    "router": "run a router of the exchange",
}
"""The listing's lines for added commands: importing them for a line would take a second."""


class Root(Group):
    """The root group: its own table, then what other parts of the installation add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands of the table, then the added ones."""
        return [*super().list_commands(ctx), *sorted(added(joined.COMMANDS).keys() - COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The table first: no added command can take the name of one in the table."""
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        if cmd_name not in added(joined.COMMANDS):
            return None
        command: click.Command = load_added(joined.COMMANDS, cmd_name)
        return command

    def describe(self, ctx: click.Context, name: str) -> tuple[str, str]:
        """As in the table; added commands are not imported to be listed."""
        return super().describe(ctx, name) if name in COMMANDS else ("", ADDED.get(name, ""))


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - Click's signature
    if value and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only when asked

        from runtime.cli.render import write  # noqa: PLC0415

        try:
            write(f"contrada {version('contrada')}")
        except PackageNotFoundError:
            write("contrada (run from its sources, not installed)")
        ctx.exit()


@click.group(
    "contrada",
    cls=Root,
    lazy=COMMANDS,
    context_settings=CONTEXT_SETTINGS,
    epilog="\b\nExit codes:\n" + table(),
)
@click.option(
    "--home",
    type=PathName(path_type=Path),
    envvar="CONTRADA_HOME",
    show_envvar=True,
    expose_value=False,
    callback=set_named,
    help="The directory of the unit or centre.",
)
@click.option(
    "--kafka",
    metavar="HOST:PORT,...",
    envvar="CONTRADA_KAFKA",
    show_envvar=True,
    expose_value=False,
    callback=set_kafka,
    help="Kafka's bootstrap servers, in place of those that the home names.",
)
@click.option(
    "--kafka-tls",
    type=PathName(path_type=Path),
    metavar="DIR",
    envvar="CONTRADA_KAFKA_TLS",
    show_envvar=True,
    expose_value=False,
    callback=set_named,
    help="The directory with ca.pem, certificate.pem and key.pem for Kafka.",
)
@click.option(
    "--kafka-security",
    type=WORDS,
    envvar="CONTRADA_KAFKA_SECURITY",
    show_envvar=True,
    expose_value=False,
    callback=set_named,
    help="Without a certificate: plain on this machine, tunnel where something else guards the way.",
)
@click.option(
    "--wide",
    is_flag=True,
    expose_value=False,
    callback=set_wide,
    help="On a terminal, too: whole ids and times, every column, one line for each row.",
)
@click.option(
    "--no-color",
    is_flag=True,
    expose_value=False,
    callback=set_no_color,
    help="No colours on a terminal; NO_COLOR and TERM=dumb say the same.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version.",
)
def contrada() -> None:
    """Exchange messages between police forces: signed, end-to-end encrypted, routed once.

    Data goes to stdout, talk to stderr. Every command has --json, and examples in its --help.
    """
    for name, near in unknown_variables(os.environ, COMMAND_LINE).items():
        raise click.UsageError(f"{name} is in the environment, and nothing reads it; did you mean {near}?")


def run_line(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Never raises, never shows a traceback."""
    stdout = sys.stdout
    try:
        result = contrada.main(args=list(arguments), prog_name="contrada", standalone_mode=False)
        from runtime.cli.render import flush  # noqa: PLC0415 - most commands have it by now

        flush()
    except SystemExit as end:
        # Click replaces the stream where nobody reads the help that it writes itself.
        if isinstance(end, ReaderLeft) or sys.stdout is not stdout:
            return _reader_left()
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place before a traceback
        from runtime.cli.failures import report  # noqa: PLC0415 - only when something failed

        return report(error, arguments)
    return result if isinstance(result, int) else Exit.OK


def _reader_left() -> int:
    """`contrada ... | head`: stop quietly; what was asked for is not all written."""
    sys.stdout = None  # or the interpreter tries to flush it again
    return Exit.READER_LEFT


def main() -> NoReturn:
    """The console script."""
    sys.exit(with_streams(lambda: run_line(sys.argv[1:])))


if __name__ == "__main__":
    main()
