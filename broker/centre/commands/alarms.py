"""`contrada centre alarms`: what is or was wrong with the exchange, who looks after it, what is closed."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

import click

from protocol.limits import MAX_UINT
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.confirm import acting_user
from runtime.cli.home import centre_home
from runtime.cli.params import OneLine, Whole, limit_option
from runtime.cli.render import Column, moment, say, write_json, write_table

alarms = group("alarms", short="what was wrong, who looks after it: list, acknowledge, close")

COLUMNS = (
    Column("id", "NUMBER"),
    Column("since", "SINCE", moment),
    Column("state", "STATE", painted=True),
    Column("code", "ALARM"),
    Column("about", "ABOUT", kind=Kind.TEXT),
    Column("detail", "DETAIL", kind=Kind.TEXT),
    Column("over", "OVER", moment, spare=1),
    Column("by", "BY", spare=2),
    Column("count", "TIMES", spare=5),
    Column("last", "LAST", moment, spare=6),
    Column("acknowledged", "ACKNOWLEDGED", moment, spare=4),
    Column("closed", "CLOSED", moment, spare=4),
    Column("note", "NOTE", kind=Kind.TEXT, spare=3),
)

_by_option = click.option(
    "--by", type=OneLine(), metavar="NAME", help="Who does it; else the user of this machine."
)
_note_option = click.option("--note", type=OneLine(), metavar="TEXT", help="What was found, and done.")


@command(
    alarms,
    "ls",
    impact=Impact.READS,
    short="list alarms, since when they are so, and who has them",
    examples=("contrada centre alarms ls --state open", "contrada centre alarms ls --limit 20 --json"),
)
@click.option("--state", type=click.Choice(["open", "acknowledged", "closed"]), help="Only these.")
@limit_option
@pass_invocation
def centre_alarms_ls(invocation: Invocation, *, state: str | None, limit: int | None) -> None:
    """List the centre's alarms, the oldest first. 'contrada centre watch' raises them.

    What has one cause is one alarm until somebody closes it. OVER says since when it is not so any more.
    Of each code the newest 200 are kept.
    """
    from broker.centre.seen.alarm_file import read_alarms
    from runtime.cli.newest import say_left_out

    book = read_alarms(centre_home(invocation))
    rows = [one.row() for one in book.alarms.values() if state in (None, one.state)]
    kept = rows if limit is None else rows[-limit:]
    write_table(kept, COLUMNS, as_json=invocation.json, none="no alarms")
    say_left_out(len(rows) - len(kept))


@command(
    alarms,
    "ack",
    impact=Impact.WRITES,
    short="acknowledge alarms: whoever does has them from then on",
    examples=(
        "contrada centre alarms ack 17 18 --note 'the router is started anew'",
        "contrada centre alarms ack 17 --by 'J. Martin'",
    ),
)
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True, type=Whole(1, MAX_UINT))
@_by_option
@_note_option
@pass_invocation
def centre_alarms_ack(
    invocation: Invocation, /, numbers: tuple[int, ...], *, by: str | None, note: str | None
) -> None:
    """Acknowledge alarms: they count as looked after, by whoever did so last, until they are closed."""
    _move(invocation, numbers, "acknowledged", by=by, note=note)


@command(
    alarms,
    "close",
    impact=Impact.WRITES,
    short="close alarms that are dealt with",
    examples=("contrada centre alarms close 17 --note 'the disk was full'",),
)
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True, type=Whole(1, MAX_UINT))
@_by_option
@_note_option
@pass_invocation
def centre_alarms_close(
    invocation: Invocation, /, numbers: tuple[int, ...], *, by: str | None, note: str | None
) -> None:
    """Close alarms. What is still so, or becomes so again, is another alarm at the next look.

    An alarm of the quarantine is closed with all records that were there when it was seen last.
    """
    _move(invocation, numbers, "closed", by=by, note=note)


def _move(
    invocation: Invocation, numbers: tuple[int, ...], to: str, *, by: str | None, note: str | None
) -> None:
    from broker.centre.seen.alarm_file import change_alarms
    from runtime.process.clock import now

    who, moment_ = by or acting_user(), now()
    wanted = tuple(dict.fromkeys(numbers))
    book = change_alarms(
        centre_home(invocation), lambda book: book.moved(wanted, to, by=who, note=note or "", now=moment_)
    )
    rows = [book.alarms[number].row() for number in wanted]
    if invocation.json:
        write_json(rows)
    else:
        say(f"{len(rows)} {to}")
