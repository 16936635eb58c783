"""`contrada outbox`: sent messages and their states."""

from __future__ import annotations

import time
from typing import Any

import click

from clients.cli.commands.send import await_decision, check_accepted
from clients.cli.local_api import DaemonClient, segment
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.home import unit_home
from runtime.cli.params import Duration, Identifier
from runtime.cli.render import Column, moment, reasons_text, say, write_details, write_json_line, write_table

outbox = group("outbox", short="what was sent, and what became of it")


def _deliveries(found: list[dict[str, Any]]) -> str:
    return ", ".join(f"{row['unit']}: {row['stage'] or 'not acknowledged yet'}" for row in found)


COLUMNS = (
    Column("id", "ID"),
    Column("state", "STATE"),
    Column("kind", "KIND"),
    Column("to", "TO"),
    Column("handling", "HANDLING"),
    Column("created", "CREATED", moment),
)

FIELDS = (
    *(Column(column.key, column.title.lower(), column.show) for column in COLUMNS),
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
        "contrada outbox ls --state refused --json",
    ),
)
@click.option(
    "--state", type=click.Choice(["queued", "sealed", "sent", "accepted", "refused"]), help="Only these."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many; without it, all.")
@click.option("--after", metavar="CURSOR", help="Go on where an earlier list ended.")
@pass_invocation
def outbox_ls(invocation: Invocation, state: str | None, limit: int | None, after: str | None) -> None:
    """List the messages of this unit's outbox, newest first."""
    rows, more = DaemonClient(unit_home(invocation)).pages("/v1/outbox", limit=limit, after=after)
    chosen = [row for row in rows if state in (None, row["state"])]
    write_table(chosen, COLUMNS, as_json=invocation.json, none="nothing was sent")
    if more is not None:
        say(f"there are more: --after {more}")


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
