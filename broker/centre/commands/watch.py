"""`contrada centre status|audit|quarantine`: inspection. Nothing here changes anything."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from typing import Any

import click

from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, Lazy, command, group, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.params import OneUnit, Whole, limit_option, refuse_empty_span, since_option, until_option
from runtime.cli.render import (
    Column,
    flush,
    line_of,
    moment,
    plain,
    reasons_text,
    write,
    write_details,
    write_json,
    write_json_line,
    write_table,
)
from runtime.errors import NotVerified

BACKLOG = (
    Column("unit", "OUTBOX OF"),
    Column("partition", "PARTITION"),
    Column("end", "END"),
    Column("position", "DECIDED TO"),
    Column("lag", "LAG"),
)


READERS = (
    Column("name", "READER"),
    Column("topic", "TOPIC"),
    Column("partition", "PARTITION", spare=2),
    Column("end", "END", spare=1),
    Column("position", "READ TO"),
    Column("lag", "LAG"),
    Column("heard", "HEARD", moment),
)


ALL_OF = 60
"""So many outboxes are shown one by one, whether or not anything waits in them."""

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
    from broker.centre.status import exchange_is_well, read_status
    from runtime.cli.kafka_calls import run_quietly

    found = run_quietly(read_status(invocation, routers=routers, ledgers=ledgers))
    if invocation.json:
        write_json(found)
    else:
        _show_status(found)
    if not exchange_is_well(found):
        still = ", ".join(dict.fromkeys(one["name"] for one in found["standing"]))
        raise _Degraded(
            "not everything is well" + (f"; {still} stand still" if still else ""),
            hint="see what is missing, not ready, ending or standing still above",
        )


def _show_status(found: dict[str, Any]) -> None:
    from broker.centre.status import accused

    write(f"kafka      reachable at {found['kafka']['bootstrap']}")
    missing = found["topics"]["missing"]
    write(f"topics     {found['topics']['declared']} declared, missing: {plain(missing) or 'none'}")
    if (why := found["topics"]["hanging_error"]) is not None:
        write(f"HANGING    not told whether a transaction hangs: {plain(why)}")
    for row in found["topics"]["hanging"] or ():
        write(
            f"HANGS      {row['topic']} {row['partition']} from {row['offset']} on: see centre topics hanging"
        )
    write(f"directory  {found['directory']['size']} statements")
    if waiting := found["directory"]["waiting"]:
        write(f"WAITS      {waiting} for another registrar or root key: see centre agree ls")
    for router in found["routers"]:
        _show_process("router", router)
        if units := accused(router):
            write(f"           saw another ledger: {', '.join(units)} (ledger_gossip in its log)")
    if not found["routers"]:
        write("router     none named; say --router URL")
    for ledger in found["ledgers"]:
        _show_process("ledger", ledger)
    _show_ends(found)
    by_lag = sorted(found["standing"], key=lambda one: int(one["lag"]))
    for name, one in {each["name"]: each for each in by_lag}.items():
        write(f"STANDS     {name}: {one['why']}")
    _show_waiting(found["backlog"], BACKLOG, of="outboxes", none="no unit is enrolled yet")
    _show_waiting(found["readers"], READERS, of="other places", none="nobody reads yet")


def _show_ends(found: dict[str, Any]) -> None:
    for row in found["keys"]:
        when = "ended" if row["state"] == "ended" else f"in {row['days_left']} days"
        write(f"ENDS       {row['kind']} {row['name']}: {when} ({moment(row['until'])})")
    for row in found["certificates"]:
        where = f" ({plain(row['place'])})" if row["place"] else ""
        write(f"ENDS       certificate of {row['party']}{where}: {row['when']} ({moment(row['until'])})")


def _show_waiting(rows: list[dict[str, Any]], columns: tuple[Column, ...], *, of: str, none: str) -> None:
    """All of a few; of thousands those in which something waits."""
    write("")
    shown = rows if len(rows) <= ALL_OF else [row for row in rows if row["lag"] != 0]
    if len(shown) < len(rows):
        write(f"{len(rows)} {of}; in {len(shown) or 'none'} of them something waits")
    if shown or not rows:
        write_table(shown, columns, as_json=False, none=none)


def _show_process(kind: str, process: dict[str, Any]) -> None:
    from broker.centre.status import advice_of

    state = "ready" if process["ready"] else process.get("error", "not ready")
    failing = [name for name, check in process["checks"].items() if not check.get("ok")]
    detail = f" ({', '.join(failing)})" if failing else ""
    write(f"{kind:<9}  {process['url']} {state}{detail}")
    for hint in advice_of(process):
        write(f"           {plain(hint)}")
    if hint := process["checks"].get("kafka", {}).get("hint"):
        write(f"           {plain(hint)}")


@command(
    None,
    "audit",
    impact=Impact.READS,
    short="the router's decisions, each verified",
    examples=(
        "contrada --home ./centre centre audit",
        "contrada centre audit --unit fr --decision rejected --since 2026-11-01",
        "contrada centre audit --follow --jsonl",
    ),
)
@click.option("--unit", type=OneUnit(), help="Only what this unit sent or was to receive.")
@click.option("--decision", type=click.Choice(["accepted", "rejected", "duplicate"]), help="Only these.")
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
    rows: Newest[dict[str, Any]] = Newest(limit)
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
