"""`contrada demo`: a whole exchange on this machine, and a short case played on it."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.input_files import PathName


@command(
    None,
    "demo",
    impact=Impact.WRITES,
    short="a whole exchange on this machine, with a short case",
    examples=("contrada demo", "contrada demo --once --json", "contrada demo --resume"),
)
@click.option("--once", is_flag=True, help="Play the case, check every outcome, and leave.")
@click.option(
    "--resume",
    is_flag=True,
    help="Start the exchange that is in the directory again: nothing is founded, and nothing cleared.",
)
@click.option("--plain", is_flag=True, help="Kafka without certificates, open to all on this machine.")
@click.option(
    "--dir",
    "directory",
    type=PathName(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where everything is kept; cleared at the start, but for --resume.",
)
@pass_invocation
def demo(invocation: Invocation, *, once: bool, resume: bool, plain: bool, directory: Path) -> int:
    """Start Kafka, a router and four units, and exchange messages between them.

    A vessel and a forged passport go from France to Italy and the centre; Italy asks urgently, France
    answers; a message is refused by a rule, and a tampered record ends in quarantine. Then everything
    stays up for you to try the commands that are printed, until Ctrl-C. With --resume an exchange that was
    stopped goes on where it was, and one more message goes through it.
    """
    from clients.demo.play import play

    return play(directory.absolute(), once=once, resume=resume, plain=plain, as_json=invocation.json)
