"""`contrada centre certificate`: a certificate for the way to Kafka."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.input_files import PathName
from runtime.cli.params import Whole
from runtime.cli.render import Column, moment, say, write_details

FIELDS = (Column("party", "party"), Column("directory", "directory"), Column("until", "until", moment))
REQUEST = (Column("party", "party"), Column("fingerprint", "fingerprint"))


@command(
    None,
    "certificate",
    impact=Impact.WRITES,
    short="give a party its certificate for Kafka, or the next one",
    examples=(
        "contrada centre certificate broker --authority ./ca --out ./kafka-1 --host kafka-1.example",
        "contrada centre certificate unit-fr --authority ./ca --out ./unit-fr-tls",
        "contrada centre certificate router --authority ./ca --out /etc/contrada/router-tls --days 7",
        "contrada centre certificate unit-fr --authority ./ca --request fr.request --out ./unit-fr-answer",
    ),
)
@click.argument("party", metavar="PARTY")
@click.option(
    "--authority", required=True, type=PathName(path_type=Path), metavar="DIR", help="Made by the first call."
)
@click.option(
    "--out", required=True, type=PathName(path_type=Path), metavar="DIR", help="The party's directory."
)
@click.option(
    "--request",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="Of a key that the party has made: sign that, and make none.",
)
@click.option("--yes", is_flag=True, help="Do not ask whether the fingerprint is the party's.")
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
    invocation: Invocation, /, *, party: str, request: Path | None, yes: bool, **how: Any
) -> None:
    """Make a key and a certificate for PARTY: broker, centre, router, ledger, auditor, security or unit-ID.

    For an exchange without an authority of its own. The same command again exchanges the files: whoever uses
    them takes the new ones for the next connection, without a restart. A broker needs one, for its listeners.

    With --request the party has made its key, which never leaves it ('contrada unit certificate request'):
    have it read the fingerprint to you. DIR gets ca.pem and certificate.pem, which are no secret.
    """
    from broker.centre.wire.giving import give_certificate, read_asked, sign_request

    if request is None:
        made = give_certificate(party, **how)
        write_details(made, FIELDS, as_json=invocation.json)
        say(f"hint: --kafka-tls {made['directory']}, or its files as kafka_ca, kafka_certificate, kafka_key")
        return
    asked = read_asked(party, request, hosts=how.pop("hosts"), authority=how["authority"])
    if not asked.is_known:
        if not invocation.json:
            write_details(asked.report(), REQUEST, as_json=False)
        confirm(f"does {party} read the same fingerprint to you", yes=yes)
    made = sign_request(asked, **how)
    write_details(made, FIELDS, as_json=invocation.json)
    say(f"hint: bring {made['directory']} to {party}: contrada unit certificate take DIR")
