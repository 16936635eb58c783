"""`contrada centre certificate`: a certificate for the way to Kafka."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.params import Whole
from runtime.cli.render import Column, moment, say, write_details


@command(
    None,
    "certificate",
    impact=Impact.WRITES,
    short="give a party its certificate for Kafka, or the next one",
    examples=(
        "contrada centre certificate broker --authority ./ca --out ./kafka-1 --host kafka-1.example",
        "contrada centre certificate unit-fr --authority ./ca --out ./unit-fr-tls",
        "contrada centre certificate router --authority ./ca --out /etc/contrada/router-tls --days 7",
    ),
)
@click.argument("party", metavar="PARTY")
@click.option(
    "--authority", required=True, type=PathName(path_type=Path), metavar="DIR", help="Made by the first call."
)
@click.option(
    "--out", required=True, type=PathName(path_type=Path), metavar="DIR", help="The party's directory."
)
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="A name or address of the broker.")
@click.option("--days", type=Whole(1, 90), default=14, show_default=True, help="How long it counts, in days.")
@click.option(
    "--secret",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="32 bytes that seal the authority's key. [default: ca.secret beside it]",
)
@pass_invocation
def centre_certificate(
    invocation: Invocation,
    *,
    party: str,
    authority: Path,
    out: Path,
    hosts: tuple[str, ...],
    days: int,
    secret: Path | None,
) -> None:
    """Make a key and a certificate for PARTY: broker, centre, router, ledger, auditor, security or unit-ID.

    For an exchange without an authority of its own. The same command again exchanges the files: whoever uses
    them takes the new ones for the next connection, without a restart. A broker needs one, for its listeners.
    """
    from broker.centre.wire_certificates import give_certificate

    made = give_certificate(party, authority=authority, secret=secret, out=out, hosts=hosts, days=days)
    fields = (Column("party", "party"), Column("directory", "directory"), Column("until", "until", moment))
    write_details(made, fields, as_json=invocation.json)
    say(
        f"hint: --kafka-tls {made['directory']}, or kafka_ca, kafka_certificate and kafka_key in the settings"
    )
