"""`contrada outbox`: sent messages and their states."""

from __future__ import annotations

import time
from typing import Any

import click

from clients.cli.commands.send import await_decision, check_accepted
from clients.cli.local_api import DaemonClient, segment
from clients.cli.message_lists import asked_of_list, list_options, say_older
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.home import unit_home
from runtime.cli.params import Duration, Identifier
from runtime.cli.render import Column, moment, reasons_text, say, write_details, write_json_line, write_table

outbox = group("outbox", short="what was sent, and what became of it")


def _deliveries(found: list[dict[str, Any]]) -> str:
    return ", ".join(f"{row['unit']}: {row['stage'] or 'not acknowledged yet'}" for row in found)


COLUMNS = (
    Column("id", "ID", kind=Kind.ID),
    Column("state", "STATE", painted=True),
    Column("kind", "KIND", spare=1),
    Column("to", "TO", kind=Kind.TEXT),
    Column("handling", "HANDLING", spare=2),
    Column("created", "CREATED", moment),
    Column("unacknowledged", "NOT ACKNOWLEDGED BY", kind=Kind.TEXT, spare=3),
)

FIELDS = (
    *(column.line() for column in COLUMNS),
    Column("copy", "copy"),
    Column("thread", "thread"),
    Column("reply_to", "reply to"),
    Column("decided", "decided", moment),
    Column("reasons", "reasons", reasons_text),
    Column("deliveries", "deliveries", _deliveries),
)


@command(
    outbox,
    "ls",
    impact=Impact.READS,
    short="list what was sent",
    examples=(
        "contrada outbox ls",
        "contrada outbox ls --state refused --since yesterday --json",
        "contrada outbox ls --state unacknowledged",
    ),
)
@list_options(("queued", "sealed", "sent", "accepted", "refused", "unacknowledged"))
@pass_invocation
def outbox_ls(invocation: Invocation, /, *, limit: int | None, **chosen: Any) -> None:
    """List the messages of this unit's outbox, the oldest first.

    The last column names who has not acknowledged an accepted message within an hour; 'unacknowledged'
    lists these.
    """
    asked = asked_of_list(chosen)
    rows, older = DaemonClient(unit_home(invocation)).pages("/v1/outbox", limit=limit, **asked)
    write_table(rows, COLUMNS, as_json=invocation.json, none="nothing was sent")
    say_older(older)


@command(
    outbox,
    "show",
    impact=Impact.READS,
    short="one message: its state, decision and deliveries",
    examples=(
        "contrada outbox show 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada outbox show ID --wait --timeout 10s",
        "contrada outbox show ID --follow --json",
    ),
)
@click.argument("message_id", metavar="ID", type=Identifier())
@click.option("--wait", is_flag=True, help="Wait for the router's decision; 6 if it refuses.")
@click.option("--follow", is_flag=True, help="Print each change, until every addressee has acknowledged.")
@click.option(
    "--timeout", type=Duration(), default="60s", show_default=True, help="How long to wait or follow."
)
@pass_invocation
def outbox_show(invocation: Invocation, message_id: str, *, wait: bool, follow: bool, timeout: int) -> None:
    """Show one message of the outbox. The content is not shown: only this unit's store has it."""
    daemon = DaemonClient(unit_home(invocation))
    row = daemon.get(f"/v1/outbox/{segment(message_id)}")
    if follow:
        _follow(daemon, row["id"], timeout=timeout, as_json=invocation.json)
        return
    if wait:
        row = await_decision(daemon, row["id"], timeout=timeout)
    write_details(row, FIELDS, as_json=invocation.json)
    if wait:
        check_accepted(row)


@command(
    outbox,
    "again",
    impact=Impact.WRITES,
    short="send an accepted message again that was not acknowledged",
    examples=("contrada outbox again 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",),
)
@click.argument("message_id", metavar="ID", type=Identifier())
@pass_invocation
def outbox_again(invocation: Invocation, message_id: str) -> None:
    """Send a message again, under its id: who has it takes it once, and acknowledges it again.

    For an accepted message that an addressee has not acknowledged: docs/runbooks/unacknowledged.md.
    """
    row = DaemonClient(unit_home(invocation)).post(f"/v1/outbox/{segment(message_id)}/again", {})
    write_details(row, FIELDS, as_json=invocation.json)


def _follow(daemon: DaemonClient, message_id: str, *, timeout: float, as_json: bool) -> None:
    until, before = time.monotonic() + timeout, None
    while True:
        row = daemon.get(f"/v1/outbox/{segment(message_id)}")
        if row != before:
            if as_json:
                write_json_line(row)
            else:
                write_details(row, FIELDS, as_json=False)
            before = row
        deliveries = row.get("deliveries") or []
        if row["state"] == "refused" or (
            row["state"] == "accepted" and deliveries and all(entry.get("stage") for entry in deliveries)
        ):
            check_accepted(row)
            return
        if time.monotonic() > until:
            say("followed as long as --timeout says")
            return
        time.sleep(0.2)
