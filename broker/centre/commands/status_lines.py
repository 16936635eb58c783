"""`centre status`: a status of the exchange, as lines for a person."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from typing import Any

from runtime.cli.columns import Kind
from runtime.cli.render import Column, moment, plain, write, write_table

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

TROUBLES = (
    Column("severity", "HOW BAD", painted=True),
    Column("since", "SINCE", moment, spare=1),
    Column("for", "FOR"),
    Column("code", "WHAT"),
    Column("about", "ABOUT", kind=Kind.TEXT),
    Column("detail", "DETAIL", kind=Kind.TEXT),
    Column("by", "WHO HAS IT", spare=2),
    Column("page", "PAGE", spare=3),
)


def show_status_of_all(found: dict[str, Any]) -> None:
    """Print it: what there is, what is wrong since when, and what waits."""
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
        show_process("router", router)
        if units := accused(router):
            write(f"           saw another ledger: {', '.join(units)} (ledger_gossip in its log)")
    if not found["routers"]:
        write("router     none named; say --router URL")
    for ledger in found["ledgers"]:
        show_process("ledger", ledger)
    _show_ends(found)
    by_lag = sorted(found["standing"], key=lambda one: int(one["lag"]))
    for name, one in {each["name"]: each for each in by_lag}.items():
        write(f"STANDS     {name}: {one['why']}")
    _show_sight(found)
    _show_waiting(found["backlog"], BACKLOG, of="outboxes", none="no unit is enrolled yet")
    _show_waiting(found["readers"], READERS, of="other places", none="nobody reads yet")


def _show_sight(found: dict[str, Any]) -> None:
    """Quarantine, alarms, and everything that is wrong, the worst first."""
    from broker.centre.seen.troubles import age_words

    if held := found.get("quarantine"):
        least = "at least " if held["more"] else ""
        write(f"quarantine {least}{held['depth']} records, {held['unseen']} that nobody has looked at")
    if alarms := found.get("alarms"):
        still_open = sum(one["state"] == "open" for one in alarms)
        write(f"alarms     {still_open} open, {len(alarms) - still_open} acknowledged: see centre alarms ls")
    if rows := found.get("troubles"):
        write("")
        told = [row | {"for": age_words(row["since"], found["moment"])} for row in rows]
        write_table(told, TROUBLES, as_json=False, none="")


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


def show_process(kind: str, process: dict[str, Any]) -> None:
    """A router or a ledger, and what is to be done about it."""
    from broker.centre.status import advice_of

    state = "ready" if process["ready"] else process.get("error", "not ready")
    failing = [name for name, check in process["checks"].items() if not check.get("ok")]
    detail = f" ({', '.join(failing)})" if failing else ""
    write(f"{kind:<9}  {process['url']} {state}{detail}")
    for hint in advice_of(process):
        write(f"           {plain(hint)}")
    if hint := process["checks"].get("kafka", {}).get("hint"):
        write(f"           {plain(hint)}")
