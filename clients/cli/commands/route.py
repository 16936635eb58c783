"""`contrada route`: the rules' decision about a message, with reasons. Works without daemon and Kafka."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clients.cli.received import show_caveats
from protocol import limits
from protocol.codes import (
    Classification,
    CopyExemption,
    DataClass,
    LegalBasis,
    MessageKind,
    Purpose,
    RefusalGround,
    UrgencyGround,
)
from protocol.errors import ContradaError
from protocol.times import Bound
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.errors import RefusedByPolicy
from runtime.cli.home import chosen_home, read_settings
from runtime.cli.input_files import PathName, read_input
from runtime.cli.params import Codes, HandlingCodes, Moment, OneUnit, Units, flatten
from runtime.cli.render import moment, say, write, write_json
from runtime.errors import NotVerified
from runtime.process.homes import CentreHome, Home, UnitHome

if TYPE_CHECKING:
    from keys.unlock import Secret

route = group("route", short="what the rules say to a message, and why")


@command(
    route,
    "explain",
    impact=Impact.READS,
    short="each rule: holds or not, its article, why",
    examples=(
        "contrada route explain submission.cbor",
        "contrada route explain examples/vessel.json --to it,centre --handling H1",
        """echo '{"from": "fr", "to": ["no"], "data_class": "personal"}' | contrada route explain - --json""",
    ),
)
@click.argument("file", metavar="FILE", type=PathName(allow_dash=True))
@click.option("--kind", type=Codes(MessageKind), help="What the draft is. [default: information]")
@click.option("--from", "sender", type=OneUnit(), help="The sender; else the unit of this home.")
@click.option("--to", type=Units(), multiple=True, metavar="UNIT,...", help="The units addressed.")
@click.option("--copy", type=Units(), multiple=True, metavar="UNIT,...", help="Units that receive a copy.")
@click.option("--handling", type=HandlingCodes(), metavar="CODES", help="H0, or H1, H2, H3 joined by +.")
@click.option(
    "--h3-only", type=Units(), multiple=True, metavar="UNIT,...", help="Nobody else may receive it."
)
@click.option("--h3-delete-by", type=Moment(Bound.TERM), help="To be deleted by then.")
@click.option("--classification", type=Codes(Classification), help="The marking.")
@click.option("--data-class", type=Codes(DataClass), help="The strictest data inside.")
@click.option("--purpose", "purposes", type=Codes(Purpose), multiple=True, help="What for.")
@click.option("--urgency", type=Codes(UrgencyGround), help="The ground of urgency of a request.")
@click.option("--ground", type=Codes(RefusalGround), help="The ground of a refusal.")
@click.option("--basis", type=Codes(LegalBasis), help="The ground of a transfer outside the Union.")
@click.option("--copy-exemption", type=Codes(CopyExemption), help="Why the national unit gets no copy.")
@click.option("--suite", type=click.Choice(["1", "2"]), help="The suite.")
@click.option("--at", type=Moment(Bound.LOWER), help="As if it were decided then. [default: now]")
@pass_invocation
def route_explain(
    invocation: Invocation, /, file: str, sender: str | None, at: int | None, **options: Any
) -> None:
    """Say what the router would decide about a message, rule by rule. Sends nothing.

    FILE is a sealed submission, a header as a JSON object with "from" and "to", or a draft with the
    options of 'contrada send'; - is stdin. The rules are the router's own; units and keys are as this
    home's replica of the directory has them. Ends in 6 if a rule does not hold, in 7 if a sealed message
    does not verify.
    """
    from clients.cli.explanation import explain_file
    from protocol.identifiers import Millis, UnitId
    from runtime.process.clock import now
    from runtime.process.directory_file import local_directory

    home = chosen_home(invocation)
    known = sender or _unit_of(home)
    found = explain_file(
        read_input(file, limits.MAX_RECORD, what="a message"),
        directory=local_directory(home, secret=_secret_of(home)),
        sender=None if known is None else UnitId(known),
        options=_header_options(options) | ({} if sender is None else {"from": sender}),
        now=now() if at is None else Millis(at),
    )
    if invocation.json:
        write_json(found.shown)
    else:
        _show(found.shown)
    if not found.verified:
        raise NotVerified("the message does not verify", hint="the router would put it into quarantine")
    if not found.accepted:
        raise RefusedByPolicy("the router would refuse the message")


def _show(found: dict[str, Any]) -> None:
    message = found["message"]
    addressees = ", ".join(
        entry["unit"] + (" (copy)" if entry["role"] == "copy" else "") for entry in message["to"]
    )
    write(f"{message['kind']} from {message['sender']} to {addressees}, {message['handling']}")
    write(f"as of {moment(found['at'])}, directory of {found['directory']['size']} statements")
    write("")
    for rule in found["rules"]:
        mark = "holds" if rule["holds"] else "DOES NOT HOLD"
        write(f"{mark:<14} {rule['rule']}: {rule['text']} [{rule['article']}]")
        for reason in rule["reasons"]:
            write(f"{'':<14}   {reason['found']} ({reason['code']})")
            write(f"{'':<14}   hint: {reason['hint']}")
    write("")
    write("would be accepted" if found["accepted"] else "would not be accepted")
    show_caveats(found, say)
    for assumed in found["assumed"]:
        say(f"assumed: {assumed}")


def _header_options(options: dict[str, Any]) -> dict[str, Any]:
    only, delete_by = sorted(flatten(options.pop("h3_only"))), options.pop("h3_delete_by")
    limited = {"only": only, "delete_by": delete_by} if only or delete_by is not None else None
    lists = {name: flatten(options.pop(name)) for name in ("to", "copy")}
    return options | lists | {"h3": limited, "purposes": list(options["purposes"])}


def _secret_of(home: Home) -> Secret | None:
    """What opens the home's keys, where that spares anything; who may not read it verifies all signatures."""
    if not home.verified.exists():
        return None
    from clients.daemon.settings import UnitSettings, unit_secret
    from runtime.cli.unlocking import existing_secret

    try:
        if home.is_centre:
            return existing_secret(CentreHome(home.path))
        unit = UnitHome(home.path)
        return unit_secret(UnitSettings.load(unit.settings), unit)
    except ContradaError:
        return None


def _unit_of(home: Home) -> str | None:
    found = read_settings(UnitHome(home.path).settings).get("unit") if home.is_unit else None
    return found if isinstance(found, str) else None
