"""`contrada ledger ...`: make a ledger, keep it, look at it. Joined to the command line by an entry point.

Rule: nothing heavy is imported here; a command imports its work when it runs.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtime import default_ports
from runtime.cli.command import Impact, Invocation, Lazy, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.params import OneLine, Whole
from runtime.cli.render import fields_of, write_details
from runtime.errors import Misconfigured, NotFound
from runtime.process.homes import CentreHome

if TYPE_CHECKING:
    from broker.ledger.settings import LedgerSettings

_FILE = PathName(path_type=Path)
ledger_config_option = click.option(
    "--config", type=_FILE, metavar="FILE", help="The ledger's TOML file; else the home's."
)


ledger = group(
    "ledger",
    short="keep the audit log and the directory's log",
    text="Keep the logs of the exchange: what was decided and done, so that nobody can rewrite it.",
    lazy={
        "gap": Lazy(
            "broker.ledger.stating_commands:ledger_gap",
            Impact.WRITES,
            "state that records were deleted before they were sequenced; two people",
        ),
        "put-back": Lazy(
            "broker.ledger.stating_commands:ledger_put_back",
            Impact.WRITES,
            "state that Kafka was put back to an older copy; two people",
        ),
    },
)


@command(
    ledger,
    "init",
    impact=Impact.WRITES,
    short="make the centre's ledger: keys, policy, two empty logs",
    examples=(
        "contrada --home centre ledger init --origin contrada.example",
        "contrada --home centre ledger init --origin contrada.example --witness fr.policy --quorum 1",
    ),
)
@click.option(
    "--origin",
    required=True,
    metavar="NAME",
    help="What the names of all logs begin with: a host name of yours.",
)
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="A witness's public file; again for each.",
)
@click.option(
    "--quorum", type=Whole(0), default=0, show_default=True, help="So many of them make a checkpoint trusted."
)
@click.option(
    "--http-port",
    type=Whole(0, 65535),
    default=default_ports.LEDGER,
    show_default=True,
    help="Loopback port for tiles and health.",
)
@pass_invocation
def ledger_init(
    invocation: Invocation,
    origin: str,
    witnesses: tuple[Path, ...],
    quorum: int,
    http_port: int,
) -> None:
    """Make the ledger of a centre, in the centre's home.

    The logs' keys and the witnesses stand in its policy file, which every unit and auditor needs:
    hand it to them by a way that nobody else can change. In an exchange that was founded before there were
    ledgers, the registrar appoints this one first.
    """
    from broker.ledger.admin.appointing import make_sure_of_appointment
    from broker.ledger.admin.ledger_founding import LedgerPlan, found_ledger, witnesses_in
    from runtime.cli.home import bootstrap, centre_home
    from runtime.process.clock import now

    entries = tuple(entry for file in witnesses for entry in witnesses_in(file))
    make_sure_of_appointment(invocation, ledger_home(invocation))
    made = found_ledger(
        LedgerPlan(
            home=ledger_home(invocation),
            origin=origin,
            kafka=bootstrap(invocation, centre_home(invocation)),
            http_port=http_port,
            witnesses=entries,
            quorum=quorum,
        ),
        now=now(),
    )
    _tell(invocation, made)


@command(
    ledger,
    "run",
    impact=Impact.WRITES,
    short="keep the ledger until it is told to stop",
    json_help="Print errors as JSON on stderr. The log is JSON in any case.",
    examples=(
        "contrada --home centre ledger run",
        "contrada ledger run --config /etc/contrada/ledger.toml",
        "contrada ledger run --config ledger.toml --check-config",
    ),
)
@ledger_config_option
@click.option("--check-config", is_flag=True, help="Check the settings and the keys, then leave.")
@pass_invocation
def ledger_run(invocation: Invocation, config: Path | None, *, check_config: bool) -> None:
    """Keep the ledger: sequence, sign, publish, until SIGTERM or Ctrl-C.

    Settings that the file does not give are taken from CONTRADA_LEDGER_*.
    """
    from broker.ledger.__main__ import start

    start(_config(invocation, config), check_only=check_config)


@command(
    ledger,
    "check",
    impact=Impact.READS,
    short="what a start would check, without starting",
    examples=("contrada --home centre ledger check", "contrada --home centre ledger check --json"),
)
@ledger_config_option
@pass_invocation
def ledger_check(invocation: Invocation, config: Path | None) -> None:
    """Check that records, tiles, checkpoints and Kafka agree. Ends with 7 where they do not.

    The whole tree is recomputed by 'contrada audit fsck DIR'.
    """
    from broker.ledger.admin.inspection import check_start

    _tell(invocation, check_start(ledger_settings(invocation, config)))


@command(
    ledger,
    "record",
    impact=Impact.READS,
    short="the record behind a leaf",
    examples=(
        "contrada --home centre ledger record 4711",
        "contrada --home centre ledger record 17 --log contrada.example/audit/2026h2",
    ),
)
@click.argument("index", type=Whole(min=0))
@click.option("--log", "origin", metavar="ORIGIN", help="The log; else the open audit log.")
@ledger_config_option
@pass_invocation
def ledger_record(invocation: Invocation, index: int, origin: str | None, config: Path | None) -> None:
    """Show the record that opens a leaf, with its salt: what proves that it belongs there."""
    from broker.ledger.admin.inspection import opened_record

    _tell(invocation, opened_record(ledger_settings(invocation, config), origin, index))


@command(
    ledger,
    "erase",
    impact=Impact.WRITES,
    short="order that records be deleted; their leaves stay",
    examples=(
        "contrada --home centre ledger erase 4711 4712 --ground 'retention: case closed, order 17/2026'",
    ),
)
@click.argument("indexes", type=Whole(min=0), nargs=-1, required=True)
@click.option("--ground", required=True, type=OneLine(), help="Why; it stands in the log for ever.")
@click.option("--log", "origin", metavar="ORIGIN", help="The log; else the open audit log.")
@ledger_config_option
@pass_invocation
def ledger_erase(
    invocation: Invocation,
    indexes: tuple[int, ...],
    ground: str,
    origin: str | None,
    config: Path | None,
) -> None:
    """State a deletion, signed by the registrar. The ledger carries it out when it has sequenced it."""
    from broker.ledger.admin.inspection import order_deletion

    settings, home = ledger_settings(invocation, config), ledger_home(invocation)
    _tell(invocation, order_deletion(settings, home, origin, indexes, ground))


@command(
    ledger,
    "policy",
    impact=Impact.WRITES,
    short="write the next policy file: coming half-years, other witnesses",
    examples=(
        "contrada --home centre ledger policy --out policy-2027",
        "contrada --home centre ledger policy --witness nl.policy --quorum 3 --out policy-2027",
    ),
)
@click.option("--witness", "joining", type=_FILE, multiple=True, metavar="FILE", help="One that joins.")
@click.option("--without", "leaving", multiple=True, metavar="NAME", help="A witness that leaves.")
@click.option("--quorum", type=Whole(min=0), help="So many of them it takes; else as many as now.")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="A new file.")
@ledger_config_option
@pass_invocation
def ledger_policy_command(
    invocation: Invocation,
    joining: tuple[Path, ...],
    leaving: tuple[str, ...],
    quorum: int | None,
    out: Path,
    config: Path | None,
) -> None:
    """Write a policy that names every log there is, the half-years to come, and the witnesses.

    Nothing is installed: hand the file to units, witnesses and auditors, put it in the place of the
    ledger's own, start the ledger again, and state it with 'contrada centre act policy-change'.
    """
    from broker.ledger.admin.policy_renewal import PolicyChanges, renew_policy
    from runtime.process.clock import now

    wanted = PolicyChanges(joining=joining, leaving=leaving, quorum=quorum)
    _tell(invocation, renew_policy(ledger_settings(invocation, config), wanted, out, now=now()))


@command(
    ledger,
    "export",
    impact=Impact.WRITES,
    short="copy the records to one SQLite file, for an auditor",
    examples=("contrada --home centre ledger export ledger-copy/records.sqlite",),
)
@click.argument("out", type=_FILE, metavar="FILE")
@ledger_config_option
@pass_invocation
def ledger_export(invocation: Invocation, out: Path, config: Path | None) -> None:
    """Copy the store of records to a new SQLite file, from PostgreSQL for example.

    'contrada audit' reads it as DIR/records.sqlite, beside the tiles that 'contrada audit mirror' copied.
    """
    from broker.ledger.admin.exporting import export_records

    _tell(invocation, export_records(ledger_settings(invocation, config), out))


def ledger_home(invocation: Invocation) -> Path:
    """The centre's home that the command line names."""
    if invocation.home is None:
        raise Misconfigured("no home given", hint="say --home DIR, or set CONTRADA_HOME")
    return invocation.home.absolute()


def _config(invocation: Invocation, given: Path | None) -> Path | None:
    if given is not None or invocation.home is None:
        return given
    home = CentreHome(invocation.home.absolute())
    if home.ledger_settings.exists():
        return home.ledger_settings
    from broker.ledger.settings import LedgerSettings

    if any(name.startswith(LedgerSettings.model_config["env_prefix"]) for name in os.environ):
        return None
    raise NotFound(
        f"there is no ledger in {home.path}: it has no ledger.toml",
        hint=f"make it with 'contrada --home {home.path} ledger init', or name its settings with --config",
    )


def ledger_settings(invocation: Invocation, config: Path | None) -> LedgerSettings:
    """The settings in the file that is named, or in the home's."""
    from broker.ledger.settings import LedgerSettings

    return LedgerSettings.load(_config(invocation, config))


def _tell(invocation: Invocation, values: dict[str, Any]) -> None:
    write_details(values, fields_of(values), as_json=invocation.json)
