"""`contrada unit`: make a unit's home, run its daemon, see whether it is well."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from clients.cli.local_api import DaemonClient
from runtime import default_ports
from runtime.cli.command import Impact, Invocation, Lazy, command, group, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.home import chosen_home, typed_way, unit_home
from runtime.cli.input_files import PathName
from runtime.cli.params import OneLine, OneUnit, Whole
from runtime.cli.render import Column, say, write_details, write_json
from runtime.cli.tokens.seal_options import SealedBy, sealed_by_options

unit = group(
    "unit",
    short="make a unit's home, run its daemon",
    lazy={
        "alarms": Lazy(
            "clients.cli.commands.alarms:alarms", None, "what an officer must look at: list, acknowledge"
        ),
        "certificate": Lazy(
            "clients.cli.commands.certificate:certificate",
            None,
            "the unit's own key for Kafka, and its certificate",
        ),
        "join": Lazy(
            "clients.cli.commands.join:unit_join",
            Impact.WRITES,
            "make a unit's home from an invitation, ask, and run",
        ),
        "check": Lazy(
            "clients.cli.commands.join:unit_check",
            Impact.WRITES,
            "send an echo through the exchange, and verify all of it",
        ),
    },
)

JOINING = "joining"
"""In a home that waits to be enrolled (runtime/process/homes.py)."""

FIELDS = (
    Column("unit", "unit"),
    Column("request", "request"),
    Column("fingerprint", "fingerprint"),
    Column("root_fingerprint", "root fingerprint"),
)


class _Degraded(CommandError):
    code = "E_DEGRADED"
    exit = Exit.PARTIAL


@command(
    unit,
    "init",
    impact=Impact.WRITES,
    short="make a unit's home and its enrolment request",
    examples=("contrada --home ./fr --kafka kafka:9092 --kafka-tls ./tls unit init fr --root root.cbor",),
)
@click.argument("name", metavar="UNIT", type=OneUnit())
@click.option(
    "--root",
    required=True,
    type=PathName(path_type=Path),
    metavar="FILE",
    help="root.cbor, from the centre.",
)
@click.option(
    "--contact",
    type=OneLine(),
    default="not given",
    metavar="TEXT",
    help="Whom the centre calls, in one line.",
)
@sealed_by_options
@click.option(
    "--http-port",
    type=Whole(0, 65535),
    default=default_ports.UNIT,
    show_default=True,
    help="Loopback port for health and metrics; 0: none.",
)
@click.option(
    "--ledger-policy",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="Which logs and witnesses to believe, from the centre; without it the ledger is not followed.",
)
@pass_invocation
def unit_init(
    invocation: Invocation,
    *,
    name: str,
    root: Path,
    contact: str,
    seals: SealedBy,
    http_port: int,
    ledger_policy: Path | None,
) -> None:
    """Make the home of a unit: its keys, the pinned root, its settings, its request to be enrolled.

    Private keys never leave the home. Without --secret, --passphrase or --token the credential of
    the service manager seals them (contrada-as brings it), and where there is none a new secret
    that is written beside the keys: move it to another place before the unit is used in earnest.
    """
    from clients.cli.unit_setup import make_home
    from runtime.cli.tokens.token_files import secret_or_token

    done = make_home(
        invocation,
        name,
        root=root,
        contact=contact,
        secret=secret_or_token(seals.secret, seals.token, file=chosen_home(invocation).path / "unit.secret"),
        passphrase=seals.passphrase,
        http_port=http_port,
        ledger_policy=ledger_policy,
    )
    write_details(done, FIELDS, as_json=invocation.json)
    say("hint: compare the root's fingerprint with the centre over the telephone")
    say(f"hint: bring the request to the centre: contrada centre enrol {done['request']}")
    say(f"hint: then start the daemon: contrada --home {done['home']} unit run")


@command(
    unit,
    "run",
    impact=Impact.WRITES,
    short="run the unit's daemon until it is told to stop",
    examples=(
        "contrada --home /var/lib/contrada/fr unit run",
        "contrada --home /var/lib/contrada/fr unit run --check-config",
    ),
)
@click.option("--check-config", is_flag=True, help="Check the settings and the keys, then leave.")
@pass_invocation
def unit_run(invocation: Invocation, *, check_config: bool) -> None:
    """Run the daemon: it sends, receives, opens and keeps, until SIGTERM or Ctrl-C."""
    from clients.daemon.app import check_daemon, run_daemon

    home, typed = unit_home(invocation).path, typed_way(invocation)
    if (home / JOINING).exists():
        from clients.cli.joining.asking import finish_joining, says_that_it_waits

        if check_config:
            say(says_that_it_waits(unit_home(invocation)))
            return
        finish_joining(unit_home(invocation))
    if check_config:
        say(check_daemon(home, typed=typed))
    else:
        run_daemon(home, typed=typed)


@command(
    unit,
    "status",
    impact=Impact.READS,
    short="the unit and its ledger at a glance",
    examples=(
        "contrada unit status",
        "contrada unit status --json | jq .ledger",
        "contrada unit status --evidence ./evidence",
    ),
)
@click.option(
    "--evidence",
    type=PathName(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write what was kept against the ledger.",
)
@pass_invocation
def unit_status(invocation: Invocation, *, evidence: Path | None) -> None:
    """Show whether the unit is well, and what it saw of the ledger. Ends in 3 if something is not well now.

    An alarm that nobody has acknowledged is not well; docs/runbooks/unit-alarms.md says what each means.
    """
    from clients.cli.unit_status import show_status, unit_is_well, write_evidence

    daemon = DaemonClient(unit_home(invocation))
    found = daemon.get("/v1/status")
    if evidence is not None:
        say(f"{write_evidence(daemon.get('/v1/evidence'), evidence)} pieces of evidence in {evidence}")
    if invocation.json:
        write_json(found)
    else:
        show_status(found)
    if not unit_is_well(found):
        raise _Degraded("not everything is well", hint="see above what is not, and the newest alarms")
