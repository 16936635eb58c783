"""`contrada send` and `contrada request`: hand a message to the unit's daemon.

Rule: the id goes to stdout as soon as the daemon has it, before any waiting: what was queued stays
queued, whatever happens to this process.
"""

from __future__ import annotations

import os
import shlex
import time
from typing import Any

import click

from clients.cli.draft_faults import in_options
from clients.cli.local_api import DaemonClient, segment
from clients.cli.outgoing import message_options, message_to_send, read_draft_file, thread_option, to_option
from clients.cli.received import show_caveats
from clients.cli.rules_of import reasons
from protocol.codes import UrgencyGround
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.errors import CommandError, DaemonProblem, DaemonUnreachable, NotInTime, RefusedByPolicy
from runtime.cli.home import unit_home
from runtime.cli.input_files import PathName
from runtime.cli.params import Codes, flatten
from runtime.cli.render import flush, say, write, write_json

_draft_argument = click.argument("file", metavar="FILE", type=PathName(allow_dash=True))


@command(
    None,
    "send",
    impact=Impact.WRITES,
    short="send information to units",
    examples=(
        "contrada send --to it,centre examples/vessel.json",
        "contrada send --to it --attach examples/passport.png examples/identity-document.json --wait",
        "contrada send --to it --json - < examples/vessel.json",
    ),
)
@_draft_argument
@to_option
@thread_option
@message_options
@pass_invocation
def send(invocation: Invocation, /, file: str, to: tuple[tuple[str, ...], ...], **options: Any) -> None:
    """Send information on own initiative (Directive (EU) 2023/977, Art. 7).

    FILE is a draft in JSON, or - for stdin. The daemon seals and signs it, keeps it, and sends it until
    the router's decision is in. The id of the message goes to stdout.
    """
    hand_over(invocation, "information", read_draft_file(file), to=flatten(to), options=options)


@command(
    None,
    "request",
    impact=Impact.WRITES,
    short="ask units for information",
    examples=(
        "contrada request --to fr examples/urgent-request.json",
        "contrada request --to fr,de --urgent life examples/urgent-request.json --wait",
    ),
)
@_draft_argument
@to_option
@click.option(
    "--urgent",
    "urgency",
    type=Codes(UrgencyGround),
    help="The ground of urgency (DIR 4(4)) that the draft must have, with its reasons.",
)
@thread_option
@message_options
@pass_invocation
def request(invocation: Invocation, /, file: str, to: tuple[tuple[str, ...], ...], **options: Any) -> None:
    """Ask units for information (Directive (EU) 2023/977, Art. 4).

    FILE is a draft in JSON, or - for stdin. An urgent request says its ground and its reasons: answers
    are then due in 8 hours or 3 days, else in 7 days (Art. 5(1)).
    """
    hand_over(invocation, "request", read_draft_file(file, "request"), to=flatten(to), options=options)


def hand_over(
    invocation: Invocation, kind: str, draft: dict[str, Any], *, to: list[str], options: dict[str, Any]
) -> None:
    """Hand over, print the id, and wait if that was asked for."""
    daemon = DaemonClient(unit_home(invocation))
    key = options["idempotency_key"] or os.urandom(16).hex()
    body, notes = message_to_send(kind, draft, to=to, options=options)
    try:
        queued = daemon.post("/v1/messages", body, once=key)
    except (DaemonUnreachable, NotInTime) as error:
        error.hint = f"{error.hint}; with --idempotency-key {shlex.quote(key)} it is taken in once"
        raise
    except DaemonProblem as problem:
        raise _refusal(problem, body) from None
    wait = options["wait"]
    if not invocation.json:
        write(queued["id"])
        flush()
    elif not wait:
        write_json(queued)
    show_caveats(queued, say)
    for note in notes:
        say(note)
    if not wait:
        say(f"queued in conversation {queued['thread']}")
        say(f"hint: 'contrada outbox show {queued['id']} --wait' tells what becomes of it")
        return
    decided = await_decision(daemon, queued["id"], timeout=options["timeout"])
    if invocation.json:
        write_json(decided)
    check_accepted(decided)
    say("accepted")


def _refusal(problem: DaemonProblem, body: dict[str, Any]) -> CommandError:
    if problem.reasons:
        return RefusedByPolicy("the router would refuse the message", reasons=reasons(problem.reasons))
    return in_options(problem, [file["name"] for file in body["attachments"]])


def await_decision(daemon: DaemonClient, message_id: str, *, timeout: float) -> dict[str, Any]:
    """The outbox row of a message, once the router has decided."""
    until = time.monotonic() + timeout
    pause = 0.02
    while True:
        row: dict[str, Any] = daemon.get(f"/v1/outbox/{segment(message_id)}")
        if row["state"] in ("accepted", "refused"):
            return row
        if time.monotonic() + pause > until:
            raise NotInTime(
                f"no decision in {timeout:.0f} s; the message is {row['state']} and stays in the outbox",
                hint=f"ask again with 'contrada outbox show {message_id} --wait'",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def check_accepted(row: dict[str, Any]) -> None:
    """Fail with every reason if the router refused."""
    if row["state"] == "refused":
        raise RefusedByPolicy("the router refused the message", reasons=reasons(row.get("reasons") or []))
