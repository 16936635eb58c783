"""`contrada centre keys|renew|appoint`: which keys end when, and the next ones."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from broker.centre.commands.agree import say_if_waiting
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.input_files import PathName
from runtime.cli.params import OneUnit
from runtime.cli.render import Column, fields_of, moment, say, write_details, write_json, write_table

KEYS = (
    Column("kind", "KIND"),
    Column("name", "NAME"),
    Column("state", "STATE", painted=True),
    Column("until", "UNTIL", moment),
    Column("days_left", "DAYS LEFT"),
    Column("kid", "KEY ID", spare=1),
)
APPOINTED = (
    Column("kind", "kind"),
    Column("name", "name"),
    Column("kid", "key id"),
    Column("fingerprint", "fingerprint"),
    Column("until", "valid until", moment),
)
ASKED = APPOINTED[:4]


@command(
    None,
    "keys",
    impact=Impact.READS,
    short="every party's key, and when it ends",
    examples=("contrada --home ./centre centre keys", "contrada centre keys --json"),
)
@pass_invocation
def centre_keys(invocation: Invocation) -> None:
    """List the keys of root, registrar, routers, ledger and units with their ends, and that of the policy.

    Of each party the one that lasts longest. Routers, ledgers and units name their next keys by themselves
    when two thirds of a key's life are over ('due'); one that is 'ending' has 60 days left: see to it.
    """
    from broker.centre.key_renewal import list_keys
    from runtime.cli.kafka_calls import run_quietly

    write_table(run_quietly(list_keys(invocation)), KEYS, as_json=invocation.json, none="no keys")


@command(
    None,
    "renew",
    impact=Impact.WRITES,
    short="the next key of root, registrar, or a router or ledger of this home",
    examples=(
        "contrada --home ./centre centre renew router",
        "contrada centre renew registrar --root-key /media/root/identity.key",
        "contrada centre renew root --out root-2030.cbor",
    ),
)
@click.argument("name", metavar="NAME", type=OneUnit())
@click.option(
    "--root-key",
    "roots",
    type=PathName(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Of the registrar: the root's key file, or its directory; again for each. [default: keys/root]",
)
@click.option(
    "--root-secret",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="What opens it. [default: the home's]",
)
@click.option("--out", type=PathName(path_type=Path), metavar="FILE", help="Of the root: the file to pin.")
@pass_invocation
def centre_renew(
    invocation: Invocation, *, name: str, roots: tuple[Path, ...], root_secret: Path | None, out: Path | None
) -> None:
    """Make the next key of NAME and appoint it. The key of today lasts to its end.

    NAME is a registrar, whom the root appoints, or a router or ledger, whose keys are in this home. Its
    process signs with the next key a day later, or at once where the present one has ended; no restart.
    Of the root, only a file is made, which everybody pins by hand before its key is used.
    """
    from broker.centre.key_renewal import REGISTRAR, renew_process, renew_registrar
    from broker.centre.root_renewal import renew_root
    from runtime.cli.kafka_calls import run_quietly

    if (name == "root") is (out is None):
        raise click.UsageError("--out FILE is for the root, and for nobody else")
    if out is not None:
        following = run_quietly(renew_root(invocation, out, roots, root_secret=root_secret))
        write_details(following, fields_of(following), as_json=invocation.json)
        say("hint: hand it out, and read its fingerprint over the telephone: docs/runbooks/renew-keys.md")
        return
    if name == REGISTRAR or name.startswith(f"{REGISTRAR}-"):
        done = run_quietly(renew_registrar(invocation, roots, root_secret=root_secret, name=name))
    elif roots or root_secret:
        raise click.UsageError("--root-key and --root-secret are for the registrar, whom the root appoints")
    else:
        done = run_quietly(renew_process(invocation, name))
    write_details(done, APPOINTED, as_json=invocation.json)
    say_if_waiting(done)


@command(
    None,
    "appoint",
    impact=Impact.WRITES,
    short="appoint a router's or ledger's key from its request",
    examples=("contrada --home ./centre centre appoint appointment.cbor",),
)
@click.argument("file", metavar="FILE", type=PathName(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_invocation
def centre_appoint(invocation: Invocation, *, file: Path, yes: bool) -> None:
    """Appoint the key in FILE: of a further router, or the next one of a router or ledger.

    Shows its fingerprint first: have the machine's operator read theirs to you over another channel.
    """
    from broker.centre.key_renewal import appoint_process, shown_request
    from keys.appointments.request import parse_appointment_request
    from protocol.limits import MAX_STATEMENT
    from runtime.cli.file_kinds import FileKind, parse_kind
    from runtime.cli.kafka_calls import run_quietly

    centre_home(invocation)  # before anybody compares fingerprints over the telephone
    made = parse_kind(file, MAX_STATEMENT, FileKind.APPOINTMENT, parse_appointment_request)
    if not invocation.json:
        write_details(shown_request(made), ASKED, as_json=False)
    confirm(f"the fingerprints agree, and is {made.name} to be appointed", yes=yes)
    done = run_quietly(appoint_process(invocation, made))
    if invocation.json:
        write_json(done)
    if not say_if_waiting(done):
        say(f"appointed {made.name} until {moment(made.not_after)}")
