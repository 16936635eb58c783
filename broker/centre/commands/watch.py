"""`contrada centre status|audit|quarantine`: inspection. Nothing here changes anything."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from typing import Any

import click

from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, Lazy, command, group, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.params import (
    Identifier,
    OneUnit,
    Whole,
    limit_option,
    refuse_empty_span,
    since_option,
    until_option,
)
from runtime.cli.render import (
    Column,
    flush,
    line_of,
    moment,
    reasons_text,
    write,
    write_details,
    write_json,
    write_json_line,
    write_table,
)
from runtime.errors import NotVerified

MOST_DECISIONS = 100_000
"""So many are kept to be shown together, the newest; --jsonl and --follow keep none."""

DECISIONS = (
    Column("t", "TIME", moment),
    Column("decision", "DECISION", painted=True),
    Column("unit", "FROM"),
    Column("to", "TO", kind=Kind.TEXT),
    Column("kind", "KIND", spare=1),
    Column("id", "MESSAGE", kind=Kind.ID),
    Column("reasons", "REASONS", reasons_text, kind=Kind.TEXT),
)
QUARANTINE = (
    Column("number", "NUMBER"),
    Column("t", "TIME", moment),
    Column("unit", "OUTBOX OF"),
    Column("partition", "PARTITION", spare=3),
    Column("offset", "OFFSET", spare=2),
    Column("reason", "REASON"),
    Column("size", "BYTES", spare=1),
)
QUARANTINE_FIELDS = (
    *(column.line() for column in QUARANTINE),
    Column("held", "bytes held"),
    Column("submission", "sha-256"),
    Column("means", "means"),
    Column("hint", "what to do"),
)

quarantine = group(
    "quarantine",
    short="what could not be verified, and why",
    lazy={
        "release": Lazy(
            "broker.centre.commands.acts:quarantine_release",
            Impact.WRITES,
            "take a record out, into a file; two people",
        )
    },
)


class _Degraded(CommandError):
    code = "E_DEGRADED"
    exit = Exit.PARTIAL


class _Reason(click.ParamType[str]):
    """A reject code, as every list writes it."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code."""
        from difflib import get_close_matches

        from protocol.errors import Code

        code = str(value).upper()
        if code not in Code.__members__:
            near = get_close_matches(code, Code.__members__, n=1)
            meant = f"did you mean {near[0]}?" if near else "'contrada errors ls' has all"
            self.fail(f"{value!r} is no code; {meant}", param, ctx)
        return code


@command(
    None,
    "status",
    impact=Impact.READS,
    short="Kafka, topics, processes and progress at a glance",
    examples=(
        "contrada --home ./centre centre status",
        "contrada centre status --router http://127.0.0.1:9470 --json",
    ),
)
@click.option(
    "--router", "routers", multiple=True, metavar="URL", help="A router's health; else the settings'."
)
@click.option(
    "--ledger", "ledgers", multiple=True, metavar="URL", help="A ledger's health; else the settings'."
)
@pass_invocation
def centre_status(invocation: Invocation, *, routers: tuple[str, ...], ledgers: tuple[str, ...]) -> None:
    """Show whether the exchange is well. Ends in 3 if something is not, in 8 if Kafka is not reachable.

    Whoever seems to stand still is looked at for 20 seconds: routers by their decisions, the ledger and the
    units' daemons by how far they tell that they have read. Nothing of any message is read for it.
    """
    from broker.centre.commands.status_lines import show_status_of_all
    from broker.centre.status import exchange_is_well, read_status
    from runtime.cli.kafka_calls import run_quietly

    found = run_quietly(read_status(invocation, routers=routers, ledgers=ledgers))
    if invocation.json:
        write_json(found)
    else:
        show_status_of_all(found)
    if not exchange_is_well(found):
        still = ", ".join(dict.fromkeys(one["name"] for one in found["standing"]))
        raise _Degraded(
            "not everything is well" + (f"; {still} stand still" if still else ""),
            hint="see what is missing, not ready, ending or standing still above",
        )


@command(
    None,
    "audit",
    impact=Impact.READS,
    short="the router's decisions, each verified",
    examples=(
        "contrada --home ./centre centre audit",
        "contrada centre audit --unit fr --decision rejected --since 2026-11-01",
        "contrada centre audit --reason E_DATA_BASIS --since -7d --json",
        "contrada centre audit --follow --jsonl",
    ),
)
@click.option("--unit", type=OneUnit(), help="Only what this unit sent or was to receive.")
@click.option("--decision", type=click.Choice(["accepted", "rejected", "duplicate"]), help="Only these.")
@click.option("--reason", type=_Reason(), help="Only what was refused for this, such as E_DATA_BASIS.")
@click.option(
    "--message", type=Identifier(), help="Only of this message; the first digits of its id will do."
)
@since_option
@until_option
@limit_option
@click.option("--follow", is_flag=True, help="Go on printing decisions as they are made.")
@pass_invocation
def centre_audit(
    invocation: Invocation,
    /,
    *,
    since: int | None,
    until: int | None,
    limit: int | None,
    follow: bool,
    **chosen: str | None,
) -> None:
    """Print the decisions of the audit trail, the oldest first. Each batch is verified by its signature.

    Ids, codes and times only: there is no content in the trail. Ends in 7 if a batch does not verify.
    """
    from broker.centre.audit_trail import RowFilter, read_trail
    from runtime.cli.kafka_calls import run_quietly
    from runtime.cli.newest import Newest, say_left_out

    refuse_empty_span(since, until)
    if follow and (limit is not None or until is not None):
        raise click.UsageError("--follow goes on: neither --limit nor --until goes with it")
    rows: Newest[dict[str, Any]] = Newest(MOST_DECISIONS if limit is None else limit)
    at_once = follow or (invocation.jsonl and limit is None)
    show = rows.append if not at_once else write_json_line if invocation.json else _show_line
    wanted = RowFilter(since=since, until=until, **chosen)
    wrong = None
    try:
        run_quietly(read_trail(invocation, wanted, show, go_on=follow))
    except NotVerified as error:
        wrong = error
    if not at_once:
        # What did verify is shown all the same.
        write_table(rows, DECISIONS, as_json=invocation.json, none="no decisions")
        say_left_out(rows.left_out)
    if wrong is not None:
        raise wrong


def _show_line(row: dict[str, Any]) -> None:
    write("  ".join(line_of(row, DECISIONS)))
    flush()


@command(
    quarantine,
    "ls",
    impact=Impact.READS,
    short="list coordinates and reasons",
    examples=("contrada --home ./centre centre quarantine ls", "contrada centre quarantine ls --json"),
)
@limit_option
@pass_invocation
def quarantine_ls(invocation: Invocation, limit: int | None) -> None:
    """List what the router could not parse or verify, the oldest first. Content is never shown."""
    from broker.centre.quarantine import read_quarantine
    from runtime.cli.kafka_calls import run_quietly
    from runtime.cli.newest import say_left_out

    rows = run_quietly(read_quarantine(invocation))
    kept = rows if limit is None else rows[-limit:]
    write_table(kept, QUARANTINE, as_json=invocation.json, none="nothing is in quarantine")
    say_left_out(len(rows) - len(kept))


@command(
    quarantine,
    "show",
    impact=Impact.READS,
    short="one record's coordinates, reason and what to do",
    examples=("contrada --home ./centre centre quarantine show 3",),
)
@click.argument("number", type=Whole(0))
@pass_invocation
def quarantine_show(invocation: Invocation, number: int) -> None:
    """Show one record of the quarantine: where it stood, why it is there, what to do. Never its content."""
    from broker.centre.quarantine import one_of_quarantine
    from runtime.cli.kafka_calls import run_quietly

    found = run_quietly(one_of_quarantine(invocation, number))
    write_details(found, QUARANTINE_FIELDS, as_json=invocation.json)
