"""`contrada centre agree`: what one registrar has stated and others must state too."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from protocol.identifiers import IdPrefix
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.input_files import PathName
from runtime.cli.params import KeyName
from runtime.cli.render import Column, moment, say, write_details, write_json, write_table

BALLOTS = (
    Column("ballot", "BALLOT", kind=Kind.ID),
    Column("what", "WHAT", kind=Kind.TEXT),
    Column("by", "STATED BY"),
    Column("needed", "TAKES"),
    Column("of", "OF", spare=2),
    Column("since", "SINCE", moment, spare=1),
    Column("until", "UNTIL", moment),
)
BALLOT = (*(column.line() for column in BALLOTS), Column("fingerprint", "fingerprint"))
MORE = (Column("code", "code"), Column("record", "in quarantine"))


def say_half(ballot: str, *, out: Path | None = None) -> None:
    """Tell that one registrar has signed an act, and what another one has to run."""
    to_file = "" if out is None else f" --out {shlex.quote(str(out))}"
    say("signed by one registrar: nothing is done before another one agrees, within 30 days")
    say(f"hint: contrada centre agree to {ballot} --registrar-key /media/registrar-2{to_file}")


def say_if_waiting(done: Mapping[str, Any]) -> bool:
    """Tell that what was stated has no effect yet, if that is so."""
    if done["waits"]:
        say("stated; it has no effect before another registrar agrees, within 30 days")
        say("hint: contrada centre agree ls")
    return bool(done["waits"])


class _BallotName(KeyName):
    name = "ballot"


agree = group("agree", short="what waits for another registrar")


@command(
    agree,
    "ls",
    impact=Impact.READS,
    short="what was stated, by whom, and until when others may agree",
    examples=("contrada --home ./centre centre agree ls", "contrada centre agree ls --json"),
)
@pass_invocation
def agree_ls(invocation: Invocation) -> None:
    """List what has been stated and has no effect before others state the same."""
    from broker.centre.agreements import list_ballots
    from runtime.cli.kafka_calls import run_quietly

    write_table(run_quietly(list_ballots(invocation)), BALLOTS, as_json=invocation.json, none="nothing waits")


@command(
    agree,
    "to",
    impact=Impact.WRITES,
    short="state the same, as another registrar",
    examples=(
        "contrada centre agree to 0f3a9c1e5b7d --registrar-key /media/registrar-2",
        "contrada centre agree to 0f3a9c1e 5b7d2211 --registrar-key key --registrar-secret secret",
        "contrada centre agree to 77aa01c4 --registrar-key /media/registrar-2 --out record.bin",
    ),
)
@click.argument("ballots", metavar="BALLOT...", nargs=-1, required=True, type=_BallotName())
@click.option(
    "--registrar-key",
    "key",
    type=PathName(path_type=Path),
    required=True,
    metavar="PATH",
    help="Yours: the key file, or its directory.",
)
@click.option(
    "--registrar-secret",
    "secret",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="What opens it. [default: registrar.secret beside it, or the home's]",
)
@click.option(
    "--out", type=PathName(path_type=Path), metavar="FILE", help="Of a release: a new file for the record."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_invocation
def agree_to(
    invocation: Invocation,
    *,
    ballots: tuple[bytes | IdPrefix, ...],
    key: Path,
    secret: Path | None,
    out: Path | None,
    yes: bool,
) -> None:
    """Agree to what another registrar has stated: it takes effect once enough have.

    Shows what it is first, and of a key its fingerprint, or the code of a unit that was invited: have its
    holder read theirs to you over another channel, as the first registrar did. Several are stated in the
    order in which they were stated first. An act for the ledger is signed by you as well, and done: a
    record of quarantine goes to --out.
    """
    from broker.centre.agreements import agree as agree_with
    from broker.centre.agreements import find_ballots
    from runtime.cli.kafka_calls import run_quietly

    centre_home(invocation)
    shown = run_quietly(find_ballots(invocation, ballots))
    if not invocation.json:
        for row in shown:
            more = [column for column in MORE if column.key in row]
            write_details(row, (*BALLOT, *more), as_json=False)
    confirm(f"agree to {'this' if len(shown) == 1 else 'all of these'}", yes=yes)
    named = [bytes.fromhex(row["ballot"]) for row in shown]
    done = run_quietly(agree_with(invocation, named, key, secret=secret, out=out))
    if invocation.json:
        write_json(done)
    for row in done:
        say(f"{row['what']}: {'it still waits for another registrar' if row['waits'] else 'agreed'}")
