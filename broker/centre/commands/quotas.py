"""`contrada centre quota`: how much of everybody's work a unit may ask for."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

import click

from broker.centre.commands.agree import say_if_waiting
from protocol.limits import MAX_RECIPIENTS, MAX_RECORD, MAX_UINT
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.params import OneUnit, Whole
from runtime.cli.render import Column, moment, say, write_json, write_table

COLUMNS = (
    Column("unit", "UNIT"),
    Column("messages", "MESSAGES/MIN"),
    Column("bytes", "BYTES/MIN"),
    Column("copies", "COPIES/MIN"),
    Column("refusals", "REFUSALS/H"),
    Column("since", "SINCE", moment, spare=1),
)

quota = group("quota", short="how much of the exchange a unit may use")


@command(
    quota,
    "ls",
    impact=Impact.READS,
    short="what every unit may use",
    examples=("contrada --home ./centre centre quota ls", "contrada centre quota ls --json"),
)
@pass_invocation
def quota_ls(invocation: Invocation) -> None:
    """List the quota of each unit. One without a date is the default: no registrar has stated another."""
    from broker.centre.quotas import list_quotas
    from runtime.cli.kafka_calls import run_quietly

    write_table(
        run_quietly(list_quotas(invocation)), COLUMNS, as_json=invocation.json, none="no unit is enrolled yet"
    )


@command(
    quota,
    "set",
    impact=Impact.WRITES,
    short="change what a unit may use",
    examples=(
        "contrada centre quota set fr --messages 12000",
        "contrada centre quota set xx --messages 60 --refusals 60 --yes",
    ),
)
@click.argument("unit", metavar="UNIT", type=OneUnit())
@click.option("--messages", type=Whole(1, MAX_UINT), help="Messages in a minute.")
@click.option("--bytes", "bytes_", type=Whole(MAX_RECORD, MAX_UINT), help="Their bytes in a minute.")
@click.option(
    "--copies",
    type=Whole(MAX_RECORD * MAX_RECIPIENTS, MAX_UINT),
    help="Their bytes in a minute, once for each addressee.",
)
@click.option(
    "--refusals", type=Whole(1, MAX_UINT), help="What is quarantined or over the quota, in an hour."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_invocation
def quota_set(
    invocation: Invocation,
    *,
    unit: str,
    messages: int | None,
    bytes_: int | None,
    copies: int | None,
    refusals: int | None,
    yes: bool,
) -> None:
    """Say how much a unit may use from now on; what is not named stays. Everybody can read it.

    What a unit sends beyond its messages and bytes is refused with E_QUOTA and the time to wait, and its
    daemon sends it again then. Beyond the refusals its outbox waits, unread, and nobody else does.
    """
    from broker.centre.quotas import change_quota
    from runtime.cli.kafka_calls import run_quietly

    named = {"messages": messages, "bytes": bytes_, "copies": copies, "refusals": refusals}
    changes = {name: amount for name, amount in named.items() if amount is not None}
    if not changes:
        raise click.UsageError("nothing is to be changed: name at least one limit")
    centre_home(invocation)
    confirm(f"change the quota of {unit}", yes=yes)
    done = run_quietly(change_quota(invocation, unit, changes))
    if invocation.json:
        write_json(done)
    if not say_if_waiting(done):
        say(f"{unit} may use {', '.join(f'{done[name]} {name}' for name in named)}")
