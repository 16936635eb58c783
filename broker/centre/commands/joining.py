"""`contrada centre invite|invited`, and `centre enrol UNIT`: units that join over Kafka."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from broker.centre.commands.agree import say_if_waiting
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.input_files import PathName
from runtime.cli.params import OneUnit, Whole, authority_option
from runtime.cli.render import Column, moment, say, write_details, write_json, write_table

INVITATION = (
    Column("unit", "unit"),
    Column("invitation", "invitation"),
    Column("until", "until", moment),
    Column("kafka", "kafka"),
    Column("root_fingerprint", "root fingerprint"),
)
INVITED = (Column("unit", "UNIT"), Column("state", "STATE"), Column("until", "UNTIL", moment))
ASKED = (
    Column("unit", "unit"),
    Column("contact", "contact"),
    Column("fingerprint", "fingerprint"),
    Column("code", "code"),
)


@command(
    None,
    "invite",
    impact=Impact.WRITES,
    short="make one file with which a unit asks to be enrolled",
    examples=(
        "contrada --home ./centre centre invite pl",
        "contrada centre invite pl --out /media/stick/pl.invitation --days 3",
        "contrada centre invite pl --address kafka-1.example:9092,kafka-2.example:9092",
    ),
)
@click.argument("unit", metavar="UNIT", type=OneUnit())
@click.option("--out", type=PathName(path_type=Path), metavar="FILE", help="[default: UNIT.invitation]")
@click.option("--days", type=Whole(1, 14), default=7, show_default=True, help="How long it may be used.")
@click.option("--address", metavar="HOST:PORT,...", help="Kafka, as units reach it. [default: as the centre]")
@click.option(
    "--policy",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="Which logs and witnesses to believe. [default: that of this home's ledger]",
)
@authority_option
@click.option("--again", is_flag=True, help="In the place of an invitation before, which counts no more.")
@pass_invocation
def centre_invite(
    invocation: Invocation,
    *,
    unit: str,
    out: Path | None,
    days: int,
    address: str | None,
    policy: Path | None,
    authority: Path | None,
    again: bool,
) -> None:
    """Make one file for a unit: root, policy, Kafka's address, and a certificate with which it may ask.

    Whoever has the file can ask to be enrolled as this unit, and gets nothing by that: enrolled is whose code
    is compared by voice ('contrada centre enrol UNIT'). It is for one request, and ends by itself.
    """
    from broker.centre.joining.inviting import InvitationPlan, invite_unit
    from protocol.identifiers import UnitId
    from runtime.cli.kafka_calls import run_quietly
    from runtime.kafka.addresses import SERVERS_WORDS, servers_fault

    centre_home(invocation)
    if address is not None and (fault := servers_fault(address)) is not None:
        raise click.UsageError(f"--address: {fault}; expected {SERVERS_WORDS}")
    plan = InvitationPlan(
        unit=UnitId(unit),
        out=(out or Path(f"{unit}.invitation")).absolute(),
        days=days,
        again=again,
        servers=address,
        policy=policy,
        authority=authority,
    )
    _tell_invited(invocation, run_quietly(invite_unit(invocation, plan)))


def _tell_invited(invocation: Invocation, done: dict[str, Any]) -> None:
    unit = done["unit"]
    write_details(done, INVITATION, as_json=invocation.json)
    if not done["policy"]:
        say("hint: no policy is in it, so the unit follows no ledger: say --policy")
    if done["enrolled"]:
        say(f"hint: {unit} is enrolled already; with this invitation it gets new keys")
    say(f"hint: bring the file to the unit, where somebody runs: contrada unit join {unit}.invitation")
    say(f"hint: then, with that person on the telephone: contrada centre enrol {unit}")


@command(
    None,
    "uninvite",
    impact=Impact.WRITES,
    short="let an invitation count no more",
    examples=("contrada --home ./centre centre uninvite pl",),
)
@click.argument("unit", metavar="UNIT", type=OneUnit())
@pass_invocation
def centre_uninvite(invocation: Invocation, *, unit: str) -> None:
    """Let the invitation of a unit count no more, at once: Kafka denies whoever holds it."""
    from broker.centre.joining.inviting import withdraw_invitation
    from protocol.identifiers import UnitId
    from runtime.cli.kafka_calls import run_quietly

    gone = run_quietly(withdraw_invitation(invocation, UnitId(unit)))
    if invocation.json:
        write_json(gone)
    say(f"the invitation of {unit} counts no more")


@command(
    None,
    "invited",
    impact=Impact.READS,
    short="who is invited, and how far each has come",
    examples=("contrada --home ./centre centre invited", "contrada centre invited --json"),
)
@pass_invocation
def centre_invited(invocation: Invocation) -> None:
    """List the units that may ask to be enrolled: invited, compared by voice, or answered."""
    from broker.centre.joining.inviting import list_invited

    rows = list_invited(centre_home(invocation))
    write_table(rows, INVITED, as_json=invocation.json, none="nobody is invited")


def invited_name(files: tuple[Path, ...]) -> str | None:
    """The unit that is meant where one is named; None where files are."""
    from broker.centre.joining.invited import is_unit_id

    name = str(files[0])
    if len(files) != 1 or files[0].exists() or not is_unit_id(name):
        return None
    return name


def enrol_by_voice(
    invocation: Invocation,
    unit: str,
    facts: dict[str, Any],
    *,
    code: str | None,
    second: tuple[Path, Path | None] | None,
    yes: bool,
) -> None:
    """Enrol a unit that was invited: its code is shown, or was typed."""
    from broker.centre.joining.enrolling import SecondRegistrar, enrol_invited_unit, look_up
    from runtime.cli.kafka_calls import run_quietly

    if yes and code is None:
        raise click.UsageError("--yes compares nothing: type the code that the unit reads with --code")
    chosen = run_quietly(look_up(invocation, unit, code))
    asked = chosen.asked.enrolment
    shown = {
        "unit": unit,
        "contact": asked.contact,
        "fingerprint": asked.fingerprint,
        "code": chosen.code,
    }
    if not invocation.json:
        write_details(shown, ASKED, as_json=False)
    if code is None:
        say("hint: call the unit by a number that you had before; let it read its code to you first")
        confirm(f"does {unit} read the code {chosen.code}, and is it to be taken in", yes=False)
    by = None if second is None else SecondRegistrar(*second)
    done = run_quietly(enrol_invited_unit(invocation, chosen, facts, second=by))
    if invocation.json:
        write_json(shown | done)
    _tell_enrolled(unit, done)


def _tell_enrolled(unit: str, done: dict[str, Any]) -> None:
    if done["waits"]:
        say_if_waiting(done)
        return
    if done["answered"]:
        say(f"{unit} is enrolled, and has its answer: its daemon starts by itself")
    else:
        say(f"{unit} is enrolled, and waits for its answer")
    if done["active_from"] is not None:
        say(f"it sends and receives from {moment(done['active_from'])} on, as the root asks")
