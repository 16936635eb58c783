"""`contrada unit alarms`: what an officer must look at, and what an officer has looked at."""

from __future__ import annotations

from typing import Any

import click

from clients.cli.local_api import DaemonClient
from clients.cli.message_lists import say_older
from protocol.limits import MAX_UINT
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.confirm import acting_user
from runtime.cli.home import unit_home
from runtime.cli.params import OneLine, Whole, limit_option
from runtime.cli.render import Column, moment, say, write_json, write_table

alarms = group("alarms", short="what an officer must look at: list, acknowledge")

AT_ONCE = 500

COLUMNS = (
    Column("id", "NUMBER"),
    Column("raised", "RAISED", moment),
    Column("state", "STATE", painted=True),
    Column("code", "ALARM"),
    Column("detail", "DETAIL", kind=Kind.TEXT),
    Column("count", "TIMES"),
    Column("last", "LAST", moment, spare=4),
    Column("by", "BY", spare=1),
    Column("acknowledged", "ACKNOWLEDGED", moment, spare=2),
    Column("note", "NOTE", kind=Kind.TEXT, spare=3),
)


@command(
    alarms,
    "ls",
    impact=Impact.READS,
    short="list alarms, and who acknowledged them",
    examples=("contrada unit alarms ls --state open", "contrada unit alarms ls --limit 20 --json"),
)
@click.option("--state", type=click.Choice(["open", "acknowledged"]), help="Only these.")
@limit_option
@click.option("--after", metavar="CURSOR", help="Only what came later.")
@click.option("--before", metavar="CURSOR", help="Only what came earlier, as an earlier list says.")
@pass_invocation
def alarms_ls(invocation: Invocation, /, *, limit: int | None, **chosen: str | None) -> None:
    """List this unit's alarms, the oldest first, and who has acknowledged which, when and with what note.

    What has one cause is one alarm until it is acknowledged, with how often it came, the first time and the
    last. Of each code the newest 200 are kept. What each means: docs/runbooks/unit-alarms.md.
    """
    rows, older = DaemonClient(unit_home(invocation)).pages("/v1/alarms", limit=limit, **chosen)
    write_table(rows, COLUMNS, as_json=invocation.json, none="no alarms")
    say_older(older)


@command(
    alarms,
    "ack",
    impact=Impact.WRITES,
    short="acknowledge alarms that somebody has looked at",
    examples=(
        "contrada unit alarms ack 17 18 --note 'clock set, see the log book'",
        "contrada unit alarms ack --all --by 'J. Martin'",
    ),
)
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1, type=Whole(1, MAX_UINT))
@click.option("--all", "every", is_flag=True, help="All that are open now.")
@click.option(
    "--by", type=OneLine(), metavar="NAME", help="Who has looked at them; else the user of this machine."
)
@click.option("--note", type=OneLine(), metavar="TEXT", help="What was found, and done.")
@pass_invocation
def alarms_ack(
    invocation: Invocation, /, numbers: tuple[int, ...], *, every: bool, by: str | None, note: str | None
) -> None:
    """Acknowledge alarms: they stay in the list, and do not count as open any more.

    What occurs of the same thing from then on is a new alarm, and open.
    """
    if bool(numbers) == every:
        raise click.UsageError("say either the numbers of alarms or --all")
    daemon = DaemonClient(unit_home(invocation))
    if every:
        # By their numbers: what is raised from now on was looked at by nobody.
        rows, _ = daemon.pages("/v1/alarms", state="open")
        numbers = tuple(row["id"] for row in rows)
    done = _acknowledge(daemon, numbers, by=by or acting_user(), note=note)
    if invocation.json:
        write_json(done)
        return
    count, before = len(done["acknowledged"]), len(done["items"]) - len(done["acknowledged"])
    say(f"{count} acknowledged" + (f", {before} had been before" if before else ""))


def _acknowledge(
    daemon: DaemonClient, numbers: tuple[int, ...], *, by: str, note: str | None
) -> dict[str, list[Any]]:
    done: dict[str, list[Any]] = {"items": [], "acknowledged": []}
    for start in range(0, len(numbers), AT_ONCE):
        form = {"alarms": numbers[start : start + AT_ONCE], "by": by, "note": note}
        answer = daemon.post("/v1/alarms/ack", form)
        for name in done:
            done[name] += answer[name]
    return done
