"""`contrada unit join` and `unit check`: from an invitation to the first verified delivery."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.home import chosen_home, typed_way, unit_home
from runtime.cli.input_files import PathName
from runtime.cli.params import Duration, OneLine, Whole
from runtime.cli.render import Column, flush, moment, say, write_details, write_json

if TYPE_CHECKING:
    from clients.cli.joining.joining_home import JoiningHome

JOINED = (
    Column("unit", "unit"),
    Column("home", "home"),
    Column("until", "invited until", moment),
    Column("fingerprint", "fingerprint"),
    Column("root_fingerprint", "root fingerprint"),
    Column("code", "code"),
)


@command(
    None,
    "join",
    impact=Impact.WRITES,
    short="make a unit's home from an invitation, ask, and run",
    examples=(
        "contrada --home /var/lib/contrada-unit unit join pl.invitation",
        "contrada --home ./pl unit join pl.invitation --contact 'duty desk, +48 22 000 00 00'",
        "contrada --home ./pl unit join pl.invitation --no-run",
    ),
)
@click.argument("invitation", metavar="FILE", type=PathName(path_type=Path))
@click.option(
    "--contact", type=OneLine(), default="not given", metavar="TEXT", help="Whom the centre calls, in a line."
)
@click.option("--secret", type=PathName(path_type=Path), metavar="FILE", help="32 bytes that seal the keys.")
@click.option("--passphrase", type=PathName(path_type=Path), metavar="FILE", help="Or a file with words.")
@click.option(
    "--http-port",
    type=Whole(0, 65535),
    default=0,
    show_default=True,
    help="Loopback port for health and metrics; 0: none.",
)
@click.option("--no-run", is_flag=True, help="Ask, and end; 'unit run' waits for the answer and goes on.")
@pass_invocation
def unit_join(
    called: Invocation,
    *,
    invitation: Path,
    contact: str,
    secret: Path | None,
    passphrase: Path | None,
    http_port: int,
    no_run: bool,
) -> None:
    """Join the exchange: makes keys and a home, asks the centre over Kafka, and runs the unit's daemon.

    It shows a code of twelve symbols. Read it to the centre on the telephone, and have it read back: so both
    know that they have the same root, the same policy, and that the keys are this unit's. With the centre's
    answer the daemon starts by itself, and a first 'unit check' is made and told. Run again, it goes on where
    it was; private keys never leave the home.
    """
    from clients.cli.joining.joining_home import JoiningPlan, begin_joining, read_invitation
    from clients.cli.unit_setup import opened_secret

    if secret is not None and passphrase is not None:
        raise click.UsageError("say either --secret or --passphrase")
    home = chosen_home(called).path
    plan = JoiningPlan(
        contact=contact,
        secret=secret,
        passphrase=passphrase,
        opens=opened_secret(secret, passphrase),
        http_port=http_port,
    )
    _ask(called, begin_joining(home, read_invitation(invitation), plan), no_run=no_run)


def _ask(called: Invocation, joining: JoiningHome, *, no_run: bool) -> None:
    from clients.cli.joining.asking import ask_and_wait, ask_once
    from clients.cli.joining.checking import check_alongside
    from clients.daemon.app import run_daemon
    from runtime.cli.kafka_calls import run_quietly

    home = joining.home.path
    write_details(joining.report(), JOINED, as_json=called.json)
    flush()
    say("hint: the centre calls you, or you call it by a number that you had before: read the code to it")
    if no_run:
        run_quietly(ask_once(joining))
        say(f"hint: then start the daemon: contrada --home {home} unit run")
        return
    run_quietly(ask_and_wait(joining, again=True))
    say(f"{joining.terms.unit} is enrolled; its daemon runs from here on")
    check_alongside(joining.home)
    run_daemon(home, typed=typed_way(called))


@command(
    None,
    "check",
    impact=Impact.WRITES,
    short="send an echo through the exchange, and verify all of it",
    examples=("contrada --home ./pl unit check", "contrada unit check --timeout 5m --json"),
)
@click.option("--timeout", type=Duration(), default="2m", show_default=True, help="How long to wait in all.")
@pass_invocation
def unit_check(called: Invocation, *, timeout: int) -> None:
    """Send an echo to this unit itself through the exchange, and prove it: a router's signature, the ledger.

    Ends in 0 if everything holds; in 7 if something does not verify; in 8 if something has not come in time,
    and says which part of the exchange that was; in 3 where no policy is here to prove it by.
    """
    from clients.cli.joining.checking import HOLDS, check_unit

    found = check_unit(unit_home(called), timeout=timeout, tell=say)
    if called.json:
        write_json(found)
    say(HOLDS)
