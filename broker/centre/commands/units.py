"""`contrada centre units|suspend|resume|revoke|lost-keys`: who takes part, and with which keys."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from broker.centre.commands.agree import say_if_waiting
from protocol.identifiers import IdPrefix
from protocol.times import Bound
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.input_files import PathName
from runtime.cli.params import KeyName, Moment, OneLine, OneUnit
from runtime.cli.render import Column, moment, say, write_json, write_table

COLUMNS = (
    Column("unit", "UNIT"),
    Column("kind", "KIND", spare=2),
    Column("name", "NAME", kind=Kind.TEXT),
    Column("suspended", "SUSPENDED"),
    Column("identity", "IDENTITY", painted=True),
    Column("identity_until", "UNTIL", moment, spare=1),
    Column("epochs", "EPOCHS", kind=Kind.TEXT),
    Column("waits", "WAITS", kind=Kind.TEXT, spare=3),
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_unit = click.argument("unit", metavar="UNIT", type=OneUnit())
_reason = click.option(
    "--reason", required=True, type=OneLine(), metavar="TEXT", help="Why; everybody can read it."
)


@command(
    None,
    "units",
    impact=Impact.READS,
    short="all units with the states of their keys",
    examples=("contrada --home ./centre centre units", "contrada centre units --json"),
)
@pass_invocation
def centre_units(invocation: Invocation) -> None:
    """List the units of the directory, as its topic has them now, verified from the pinned root.

    WAITS names what of a unit waits for another registrar: 'contrada centre agree ls' shows what it says.
    """
    from broker.centre.membership import list_units
    from runtime.cli.kafka_calls import run_quietly

    write_table(
        run_quietly(list_units(invocation)), COLUMNS, as_json=invocation.json, none="no unit is enrolled yet"
    )


@command(
    None,
    "suspend",
    impact=Impact.WRITES,
    short="stop a unit from sending and receiving",
    examples=("contrada centre suspend fr-customs --reason 'key under investigation'",),
)
@_unit
@_reason
@_yes
@pass_invocation
def centre_suspend(invocation: Invocation, *, unit: str, reason: str, yes: bool) -> None:
    """Suspend a unit: the router refuses what it sends and what is sent to it, until it is resumed."""
    _change_status(invocation, unit, suspended=True, reason=reason, yes=yes)


@command(
    None,
    "resume",
    impact=Impact.WRITES,
    short="let a suspended unit take part again",
    examples=("contrada centre resume fr-customs --reason 'cleared'",),
)
@_unit
@_reason
@_yes
@pass_invocation
def centre_resume(invocation: Invocation, *, unit: str, reason: str, yes: bool) -> None:
    """Resume a suspended unit."""
    _change_status(invocation, unit, suspended=False, reason=reason, yes=yes)


def _change_status(invocation: Invocation, unit: str, *, suspended: bool, reason: str, yes: bool) -> None:
    from broker.centre.membership import change_status
    from runtime.cli.kafka_calls import run_quietly

    centre_home(invocation)
    confirm(f"{'suspend' if suspended else 'resume'} {unit}", yes=yes)
    done = run_quietly(change_status(invocation, unit, suspended=suspended, reason=reason))
    if invocation.json:
        write_json(done)
    if not say_if_waiting(done):
        say(f"{unit} is {'suspended' if suspended else 'resumed'}")


@command(
    None,
    "revoke",
    impact=Impact.WRITES,
    short="withdraw a key for good",
    examples=(
        "contrada centre revoke fr 0f3a9c1e5b7d --reason 'rotated'",
        "contrada centre revoke fr 0f3a9c1e5b7d --reason 'stolen laptop' --compromised-since 2026-11-20",
    ),
)
@_unit
@click.argument("wanted", metavar="KEY", type=KeyName())
@_reason
@click.option(
    "--compromised-since",
    type=Moment(Bound.LOWER),
    help="Nothing is to be trusted that it signed from then on; "
    "without this, nothing at all that a router's key has signed.",
)
@click.option(
    "--root-key",
    "roots",
    type=PathName(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Of a registrar's key, which the root withdraws: the root's key file, or its directory; "
    "again for each.",
)
@click.option(
    "--root-secret",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="What opens it. [default: the home's]",
)
@_yes
@pass_invocation
def centre_revoke(
    invocation: Invocation,
    *,
    unit: str,
    wanted: bytes | IdPrefix,
    reason: str,
    compromised_since: int | None,
    roots: tuple[Path, ...],
    root_secret: Path | None,
    yes: bool,
) -> None:
    """Withdraw a key of a unit, a router, the ledger or a registrar. This cannot be undone."""
    from broker.centre.membership import named_key, revoke_key
    from runtime.cli.kafka_calls import run_quietly

    kid = run_quietly(named_key(invocation, unit, wanted))
    confirm(f"revoke {kid.hex()} of {unit}, for good", yes=yes)
    work = revoke_key(
        invocation, unit, kid, reason=reason, since=compromised_since, roots=roots, root_secret=root_secret
    )
    done = run_quietly(work)
    if invocation.json:
        write_json(done)
    if done["waits"]:
        say("hint: it waits for another root key: the same command within 30 days, with that key")
        return
    say(f"revoked {kid.hex()} of {unit}")
    if done["changed_units"]:
        say(f"what this key stated has fallen; other facts count now of: {', '.join(done['changed_units'])}")


@command(
    None,
    "lost-keys",
    impact=Impact.WRITES,
    short="withdraw all keys of a unit that has lost them",
    examples=(
        "contrada centre lost-keys pl --reason 'disk gone'",
        "contrada centre lost-keys pl --reason 'laptop stolen' --since 2026-11-20T06:00:00Z",
    ),
)
@_unit
@_reason
@click.option("--since", type=Moment(Bound.LOWER), help="Since when they may be with others. [default: now]")
@_yes
@pass_invocation
def centre_lost_keys(invocation: Invocation, *, unit: str, reason: str, since: int | None, yes: bool) -> None:
    """Withdraw every identity of a unit, and the keys that others would seal to. It takes one registrar.

    Then it is enrolled again, with other keys: 'contrada centre invite UNIT'.
    """
    from broker.centre.membership import revoke_all_keys
    from runtime.cli.kafka_calls import run_quietly

    centre_home(invocation)
    confirm(f"revoke all keys of {unit}, for good", yes=yes)
    done = run_quietly(revoke_all_keys(invocation, unit, reason=reason, since=since))
    if invocation.json:
        write_json(done)
    say(f"revoked {len(done['kids'])} identities of {unit}, and the keys that these had signed for")
    say(f"hint: it is enrolled again with other keys: contrada centre invite {unit} --again")
