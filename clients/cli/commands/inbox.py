"""`contrada inbox`: received messages: list, open, acknowledge, answer, refuse."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NoReturn

import click

from clients.cli.commands.send import hand_over
from clients.cli.draft_faults import in_options
from clients.cli.local_api import DaemonClient, segment
from clients.cli.message_lists import asked_of_list, list_options, say_older
from clients.cli.outgoing import message_options, read_draft_file
from clients.cli.received import FIELDS, save_attachments, show_content
from protocol.codes import AcknowledgementStage, RefusalGround
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.errors import DaemonProblem
from runtime.cli.home import unit_home
from runtime.cli.input_files import PathName
from runtime.cli.params import Codes, Duration, Identifier, OneUnit, SomeText
from runtime.cli.render import (
    Column,
    flush,
    moment,
    say,
    write_details,
    write_json,
    write_json_line,
    write_table,
)

inbox = group("inbox", short="what was received: list, open, acknowledge, answer, refuse")

COLUMNS = (
    Column("id", "ID", kind=Kind.ID),
    Column("state", "STATE", painted=True),
    Column("kind", "KIND", spare=1),
    Column("sender", "FROM"),
    Column("urgency", "URGENT", painted=True),
    Column("handling", "HANDLING", spare=2),
    Column("received", "RECEIVED", moment),
)
INBOX_STATES = ("new", "opened", "acknowledged")

_id = click.argument("message_id", metavar="ID", type=Identifier())
_sender = click.option("--sender", type=OneUnit(), help="Whose message, where two used one id.")


@command(
    inbox,
    "ls",
    impact=Impact.READS,
    short="list what was received",
    examples=(
        "contrada inbox ls",
        "contrada inbox ls --since today",
        "contrada inbox ls --state new --wait 30s",
        "contrada inbox ls --follow --json",
    ),
)
@list_options(INBOX_STATES)
@click.option("--wait", type=Duration(), help="If there is none, wait so long for one.")
@click.option("--follow", is_flag=True, help="Go on printing what arrives, until interrupted.")
@pass_invocation
def inbox_ls(
    invocation: Invocation, /, *, wait: int | None, follow: bool, limit: int | None, **chosen: Any
) -> None:
    """List the messages of this unit's inbox, the oldest first. Nothing is opened by it."""
    daemon, chosen = DaemonClient(unit_home(invocation)), asked_of_list(chosen)
    if follow:
        if any(each is not None for each in (limit, wait, chosen["before"], chosen["until"])):
            raise click.UsageError("--follow goes with --state, --thread, --since and --after alone")
        _follow(daemon, chosen, as_json=invocation.json)
    until = time.monotonic() + (wait or 0)
    while True:
        rows, older = daemon.pages("/v1/inbox", limit=limit, **chosen)
        if rows or time.monotonic() >= until:
            break
        time.sleep(0.2)
    write_table(rows, COLUMNS, as_json=invocation.json, none="nothing there")
    _say_what_is_odd(rows)
    say_older(older)


def _say_what_is_odd(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row.get("odd"):
            say(f"note: {row['kind']} {row['id']} {row['odd']}")


def _follow(daemon: DaemonClient, chosen: dict[str, Any], *, as_json: bool) -> NoReturn:
    while True:
        page = daemon.get("/v1/inbox", wait=20, limit=100, timeout=40.0, **chosen)
        for row in page["items"]:
            if as_json:
                write_json_line(row)
            else:
                say("")
                write_details(row, COLUMNS, as_json=False)
                flush()
        chosen = chosen | {"after": page["cursor"]}


@command(
    inbox,
    "show",
    impact=Impact.WRITES,
    short="open a message; the opening is logged",
    examples=(
        "contrada inbox show 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada inbox show ID --json | jq .body",
        "contrada inbox show ID --save-to ./case-17",
    ),
)
@_id
@_sender
@click.option("--save-to", type=PathName(path_type=Path), metavar="DIR", help="Write the attachments there.")
@pass_invocation
def inbox_show(invocation: Invocation, *, message_id: str, sender: str | None, save_to: Path | None) -> None:
    """Open a message and show its content with the codes of every item.

    The daemon has verified it before it is shown. That it was opened is logged (EUDPR, Art. 88). It
    counts as opened when everything asked for was shown and saved.
    """
    daemon = DaemonClient(unit_home(invocation))
    found = daemon.get(f"/v1/inbox/{segment(message_id)}/content", sender=sender)
    if not found.get("erased") and found["state"] == "new":
        found["state"] = "opened"
    if save_to is not None:
        for path in save_attachments(found, save_to):
            say(f"wrote {path}")
    if invocation.json:
        write_json(found)
    else:
        write_details(found, FIELDS, as_json=False)
        show_content(found)
    if found.get("erased"):
        say("its content was erased: no more is left of it than what stands here")
    flush()
    if not found.get("erased"):
        # By its whole name: another one may have come meanwhile that begins with the same digits.
        daemon.post(f"/v1/inbox/{found['id']}/opened?sender={segment(found['sender'])}", {})


@command(
    inbox,
    "ack",
    impact=Impact.WRITES,
    short="acknowledge a message to its sender",
    examples=("contrada inbox ack ID", "contrada inbox ack ID --stage accepted"),
)
@_id
@_sender
@click.option("--case-ref", metavar="TEXT", help="With --stage accepted: the case that it is taken into.")
@click.option(
    "--stage",
    type=Codes(AcknowledgementStage, without=[AcknowledgementStage.DELIVERED, AcknowledgementStage.ERASED]),
    default="opened",
    show_default=True,
    help="How far it has come here.",
)
@pass_invocation
def inbox_ack(
    invocation: Invocation, *, message_id: str, sender: str | None, case_ref: str | None, stage: str
) -> None:
    """Tell the sender, signed, that the message was opened or taken into a case."""
    if case_ref is not None and stage != "accepted":
        raise click.UsageError("--case-ref is the case that it is taken into: say --stage accepted too")
    query = "" if sender is None else f"?sender={segment(sender)}"
    form = {"stage": stage, "case_ref": case_ref}
    daemon, path = DaemonClient(unit_home(invocation)), f"/v1/inbox/{segment(message_id)}/ack{query}"
    try:
        done = daemon.post(path, form, once=os.urandom(16).hex())
    except DaemonProblem as problem:
        raise in_options(problem) from None
    if invocation.json:
        write_json(done)
    else:
        say(f"acknowledged as {stage}")


@command(
    inbox,
    "answer",
    impact=Impact.WRITES,
    short="answer a request",
    examples=(
        "contrada inbox answer ID --file examples/answer.json",
        "contrada inbox answer ID --file - --wait < examples/answer.json",
    ),
)
@_id
@_sender
@click.option(
    "--file", required=True, metavar="FILE", type=PathName(allow_dash=True), help="The draft, or -."
)
@message_options
@pass_invocation
def inbox_answer(invocation: Invocation, /, message_id: str, file: str, **options: Any) -> None:
    """Answer a request, in whole or in part (Directive (EU) 2023/977, Art. 5)."""
    _reply(invocation, "answer", message_id, read_draft_file(file, "answer"), options)


@command(
    inbox,
    "refuse",
    impact=Impact.WRITES,
    short="refuse a request, with a ground of the closed list",
    examples=(
        "contrada inbox refuse ID --ground not-available --reasons 'no record of this vessel'",
        "contrada inbox refuse ID --ground not-available --reasons 'no record' --concerns 'the crew'",
        "contrada inbox refuse ID --file examples/refusal.json",
    ),
)
@_id
@_sender
@click.option("--ground", type=Codes(RefusalGround), help="The ground (DIR 6(1)); else the draft's first.")
@click.option("--reasons", type=SomeText(), metavar="TEXT", help="The reasons in this case (DIR 6(2)).")
@click.option(
    "--concerns",
    type=SomeText(),
    metavar="TEXT",
    help="With --reasons: the part that is refused; else all of it.",
)
@click.option("--file", metavar="FILE", type=PathName(allow_dash=True), help="A whole draft instead, or -.")
@message_options
@pass_invocation
def inbox_refuse(
    invocation: Invocation,
    /,
    message_id: str,
    *,
    reasons: str | None,
    concerns: str | None,
    file: str | None,
    **options: Any,
) -> None:
    """Refuse a request, for one of the grounds of Directive (EU) 2023/977, Art. 6(1), with reasons.

    What was answered in part already is refused in part: --concerns says what is not given.
    """
    if (reasons is None) == (file is None):
        raise click.UsageError("say either --reasons TEXT or --file FILE")
    if reasons is not None and options["ground"] is None:
        raise click.UsageError("--reasons needs the --ground that they are for")
    if concerns is not None and reasons is None:
        raise click.UsageError("--concerns goes with --reasons; a draft has a field for it")
    draft = read_draft_file(file, "refusal") if file is not None else None
    _reply(invocation, "refusal", message_id, draft, options | {"reasons": reasons, "concerns": concerns})


def _reply(
    invocation: Invocation, kind: str, message_id: str, draft: dict[str, Any] | None, options: dict[str, Any]
) -> None:
    # Opening it here is intended: an answer requires that the request was read, and the log shows it.
    daemon = DaemonClient(unit_home(invocation))
    received = daemon.get(f"/v1/inbox/{segment(message_id)}", sender=options.pop("sender"))
    if draft is None:
        draft = _refusal_draft(received, options)
    answered = {"reply_to": received["id"], "reply_to_sender": received["sender"]}
    options |= answered | {"thread": received["thread"]}
    hand_over(invocation, kind, draft, to=[received["sender"]], options=options)


def _refusal_draft(received: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    body, concerns = received.get("body") or {}, options["concerns"]
    return {
        "subject": str(body.get("subject") or "refusal"),
        "language": str(body.get("language") or "en"),
        **({"extent": "whole"} if concerns is None else {"extent": "part", "concerns": concerns}),
        "grounds": [{"ground": options["ground"], "reasons": options["reasons"]}],
    }
