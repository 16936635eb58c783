"""`contrada centre enrol`: a unit that was invited, or the requests that are in files."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from broker.centre.commands.agree import say_if_waiting
from broker.centre.commands.joining import enrol_by_voice, invited_name
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.input_files import PathName
from runtime.cli.params import Codes, OneLine, OneUnit, Whole
from runtime.cli.render import Column, say, write_details, write_json, write_table

REQUEST = (
    Column("unit", "unit"),
    Column("request", "request"),
    Column("contact", "contact"),
    Column("fingerprint", "fingerprint"),
)
REQUESTS = (
    Column("unit", "UNIT"),
    Column("request", "REQUEST", spare=1),
    Column("contact", "CONTACT", kind=Kind.TEXT),
    Column("fingerprint", "FINGERPRINT", kind=Kind.ID),
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@command(
    None,
    "enrol",
    impact=Impact.WRITES,
    short="take units in, or renew an identity",
    examples=(
        "contrada centre enrol pl --name 'Poland, national unit'",
        "contrada centre enrol pl --code 7KQ2-M9XP-4TRD --registrar-key /media/registrar-2",
        "contrada centre enrol enrolment-fr.cbor --name 'France, national unit'",
        "contrada centre enrol enrolment-fr-customs.cbor --kind competent-authority --national-unit fr",
        "contrada centre enrol enrolment-no.cbor --kind third-party --basis agreement --purpose operational",
        "contrada centre enrol requests/ --names names.csv --kind competent-authority --national-unit fr",
    ),
)
@click.argument("files", metavar="UNIT|FILE...", nargs=-1, required=True, type=PathName(path_type=Path))
@click.option("--code", metavar="CODE", help="Of an invited unit: the code that it reads to you.")
@click.option(
    "--registrar-key",
    "key",
    type=PathName(path_type=Path),
    metavar="PATH",
    help="Of an invited unit: the second registrar agrees at once, with this key.",
)
@click.option(
    "--registrar-secret",
    "secret",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="What opens it. [default: registrar.secret beside it, or the home's]",
)
@click.option("--name", type=OneLine(), metavar="TEXT", help="The unit's name for people.")
@click.option(
    "--names",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="Names of many units: CSV with the columns unit and name. [default: their ids]",
)
@click.option("--kind", type=Codes(UnitKind), help="What it is by law. [default: national-unit]")
@click.option("--clearance", type=Codes(Classification), help="Up to which marking. [default: bpl]")
@click.option("--basis", type=Codes(LegalBasis), help="Why personal data may go to it (ER 23 to 25).")
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    type=Codes(Purpose, without=[Purpose.UNDETERMINED]),
    help="What it may process for (ER 18(2)). [default: the four of every unit of the Union]",
)
@click.option("--national-unit", type=OneUnit(), metavar="UNIT", help="Who gets copies of what it sends.")
@click.option("--waives-copy", is_flag=True, help="A national unit that wants no copies (ER 7(5)).")
@click.option("--min-suite", type=click.Choice(["1", "2"]), help="The least suite it takes. [default: 1]")
@click.option("--outbox-partitions", type=Whole(1, 64), help="Chosen once. [default: 1]")
@click.option("--inbox-partitions", type=Whole(1, 64), help="Chosen once. [default: 1]")
@_yes
@pass_invocation
def centre_enrol(
    invocation: Invocation,
    /,
    files: tuple[Path, ...],
    *,
    names: Path | None,
    code: str | None,
    key: Path | None,
    secret: Path | None,
    yes: bool,
    **facts: Any,
) -> None:
    """Take in the unit that was invited, or the units whose requests are in FILE..., or renew an identity.

    Of an invited unit it shows the code: have the unit read its own to you, by a number that you had before,
    and go on only if the two are the same; or type what it reads with --code.

    A directory stands for the files *.cbor in it. Shows the fingerprints first: have each unit read theirs to
    you over another channel, and go on only if the two are the same. A renewal is vouched for by the identity
    of today and needs no such call. Of several requests those that are enrolled already are passed over: what
    was interrupted is gone on with by the same command. Options about the unit hold for all of them.
    """
    centre_home(invocation)  # before anybody compares fingerprints over the telephone
    unit = invited_name(files)
    if unit is not None:
        second = None if key is None else (key, secret)
        enrol_by_voice(invocation, unit, facts, code=code, second=second, yes=yes)
        return
    if code is not None or key is not None:
        raise click.UsageError("--code and --registrar-key are for a unit that was invited")
    _enrol_by_files(invocation, files, facts, names=names, yes=yes)


def _enrol_by_files(
    invocation: Invocation,
    files: tuple[Path, ...],
    facts: dict[str, Any],
    *,
    names: Path | None,
    yes: bool,
) -> None:
    from broker.centre.enrolments import enrol_units, read_names, read_requests
    from runtime.cli.kafka_calls import run_quietly
    from runtime.cli.progress import progress

    requests = read_requests(files)
    many = len(requests) > 1
    if facts["name"] and (many or names):
        raise click.UsageError("--name is the name of one unit; those of several are in a file: --names")
    named = {} if names is None else read_names(names)
    shown = [request.shown() for request in requests]
    if not invocation.json:
        if many:
            write_table(shown, REQUESTS, as_json=False, none="")
        else:
            write_details(shown[0], REQUEST, as_json=False)
    if not all(request.renewal for request in requests):
        ask = f"all {len(requests)} fingerprints agree, and are the units" if many else _ONE
        confirm(f"do {ask} to be taken in", yes=yes)
    with progress("enrolling", len(requests)) as done_by_now:
        work = enrol_units(invocation, requests, facts, names=named, done=done_by_now)
        done = run_quietly(work)
    if invocation.json:
        write_json({"requests": shown, **done} if many else shown[0] | done)
    whom = f"{len(requests)} units" if many else shown[0]["unit"]
    say(f"published {done['statements']} statements about {whom}")
    say_if_waiting(done)


_ONE = "the fingerprints agree, and is the unit"
