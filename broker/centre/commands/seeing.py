"""`contrada centre check|watch|top`: one answer for monitoring, looks without end, a live view."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from runtime import default_ports
from runtime.cli.columns import Kind
from runtime.cli.command import Function, Impact, Invocation, command, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.params import Duration, Whole
from runtime.cli.render import Column, moment, write_as_is, write_json, write_table

ASKED = (
    "kafka",
    "routers",
    "lag",
    "units",
    "checkpoint",
    "witnesses",
    "keys",
    "clock",
    "quarantine",
    "alarms",
    "disk",
)
"""What can be asked, as broker/centre/seen/checking.py has it."""

FORMS = ("text", "nagios", "prometheus")

ANSWERS = (
    Column("what", "WHAT"),
    Column("verdict", "VERDICT", painted=True),
    Column("sentence", "FOUND", kind=Kind.TEXT),
    Column("worst", "WHICH", kind=Kind.TEXT, spare=1),
)


class _Whats(click.ParamType[tuple[str, ...]]):
    """Questions, joined by commas."""

    name = "what"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Each of them once, in the order in which they were asked."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip().lower() for name in str(value).split(",")))
        for name in names:
            if name not in ASKED:
                self.fail(f"{name!r} cannot be checked; expected some of {', '.join(ASKED)}", param, ctx)
        return names


class _NotWell(CommandError):
    code = "E_DEGRADED"
    exit = Exit.PARTIAL


class _Levels(click.ParamType[tuple[int, int]]):
    """From where on it is a warning, and from where on it is critical."""

    name = "warning,critical"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,9}),([0-9]{1,9})", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is not two whole numbers, such as 100,1000", param, ctx)
        return int(found[1]), int(found[2])


def _levels(name: str, text: str, default: str) -> Callable[[Function], Function]:
    return click.option(f"--{name}", type=_Levels(), default=default, show_default=True, help=text)


@command(
    None,
    "check",
    impact=Impact.READS,
    short="one answer for a monitoring system",
    examples=(
        "contrada centre check",
        "contrada centre check lag,units --form nagios --lag 500,5000",
        "contrada centre check --form prometheus",
    ),
)
@click.argument("what", metavar="[WHAT,...]", type=_Whats(), default=ASKED, required=False)
@click.option(
    "--form",
    type=click.Choice(FORMS),
    default="text",
    show_default=True,
    help="For people; as a plugin says it, which ends in 0 to 3; or as a page of metrics.",
)
@_levels("lag", "Records that wait at one unit.", "1000,10000")
@_levels("silent", "Seconds for which a unit was not heard.", "120,900")
@_levels("days", "Days until a key ends, or fewer.", "60,7")
@_levels("clock", "Seconds between this clock and Kafka's.", "60,120")
@_levels("unseen", "Records in quarantine that nobody has looked at.", "1,100")
@_levels("free", "Percent of the disk that are free, or fewer.", "10,5")
@pass_invocation
def centre_check(
    invocation: Invocation, /, *, what: tuple[str, ...], form: str, **bounds: tuple[int, int]
) -> None:
    """Answer what is asked, all of it without WHAT.

    WHAT is some of kafka, routers, lag, units, checkpoint, witnesses, keys, clock, quarantine, alarms, disk.
    Ends in 3 if something is not well; with --form nagios in 0, 1, 2 or 3, as plugins do: ok, warning,
    critical, unknown. There, whatever keeps it from an answer is unknown. Levels are WARNING,CRITICAL.
    """
    from broker.centre.seen.check_forms import check_rows, metric_lines, plugin_lines
    from broker.centre.seen.checking import CheckVerdict, answers, thresholds_of, worst_of
    from broker.centre.seen.watching import look_once
    from runtime.cli.kafka_calls import run_quietly

    try:
        found = answers(run_quietly(look_once(invocation)), what, thresholds_of(bounds))
    except Exception as error:
        # Any other exit code would be read as a verdict, 1 as a warning.
        if form != "nagios":
            raise
        said = [str(error.code)] if hasattr(error, "code") else []
        write_as_is(f"CONTRADA UNKNOWN - {': '.join([*said, type(error).__name__])}")
        click.get_current_context().exit(CheckVerdict.UNKNOWN)
    verdict = worst_of(found)
    match form:
        case "nagios":
            for line in plugin_lines(found):
                write_as_is(line)
            click.get_current_context().exit(verdict)
        case "prometheus":
            for line in metric_lines(found):
                write_as_is(line)
            return
        case _:
            write_table(check_rows(found), ANSWERS, as_json=invocation.json, none="nothing was asked")
    if verdict is not CheckVerdict.OK:
        wrong = ", ".join(one.what for one in found if one.verdict is not CheckVerdict.OK)
        raise _NotWell(f"not everything is well: {wrong}", hint="see 'contrada centre status'")


@command(
    None,
    "watch",
    impact=Impact.WRITES,
    short="look again and again: alarms, and metrics for Prometheus",
    examples=("contrada --home ./centre centre watch", "contrada centre watch --once --json"),
)
@click.option(
    "--port", type=Whole(0, 65535),
    help=f"Loopback port for metrics; 0: none. Else watch_port of centre.toml, or {default_ports.WATCH}.",
)  # fmt: skip
@click.option("--every", type=Duration(), default="60s", show_default=True, help="From one look to the next.")
@click.option("--once", is_flag=True, help="Look once, note it in the alarm book, and print what is wrong.")
@pass_invocation
def centre_watch(invocation: Invocation, *, port: int | None, every: int, once: bool) -> None:
    """Look at the exchange until SIGTERM or Ctrl-C: raise alarms, and serve what the centre alone can see.

    It states nothing and needs no key. 'contrada centre alarms' shows what it raised.
    """
    import asyncio

    from broker.centre.commands.status_lines import TROUBLES
    from broker.centre.seen.troubles import age_words
    from broker.centre.seen.watching import look_once, note_look, run_watch, watch_port
    from runtime.cli.home import centre_home
    from runtime.cli.kafka_calls import run_quietly

    home = centre_home(invocation)
    if not once:
        chosen = watch_port(home) if port is None else port
        asyncio.run(run_watch(invocation, port=chosen, every=float(max(1, every))))
        return
    status = run_quietly(look_once(invocation))
    note_look(home, status)
    if invocation.json:
        write_json(status["troubles"])
    else:
        told = [row | {"for": age_words(row["since"], status["moment"])} for row in status["troubles"]]
        write_table(told, TROUBLES, as_json=False, none="nothing is wrong")


TOP = (
    Column("unit", "UNIT"),
    Column("outbox_lag", "TO DECIDE"),
    Column("inbox_lag", "TO READ"),
    Column("rate", "DECIDED"),
    Column("refused", "REFUSED"),
    Column("heard", "HEARD", moment),
    Column("open", "OPEN"),
    Column("deadline", "DEADLINE", moment),
)


@command(
    None,
    "top",
    impact=Impact.READS,
    short="units live: what waits, rates, refusals, deadlines",
    examples=(
        "contrada centre top",
        "contrada centre top --sort lag --once",
        "contrada centre top --once --json",
    ),
)
@click.option(
    "--sort",
    type=click.Choice(["unit", "lag", "rate", "refused", "deadline", "heard"]),
    default="lag",
    show_default=True,
    help="The worst of it first.",
)
@click.option("--every", type=Duration(), default="2s", show_default=True, help="From one look to the next.")
@click.option("--once", is_flag=True, help="Look once and print it; so it is where stdout is no terminal.")
@click.option("--most", type=Whole(1, 10_000), default=1_000, show_default=True, help="So many units.")
@pass_invocation
def centre_top(invocation: Invocation, *, sort: str, every: int, once: bool, most: int) -> None:
    """Show what each unit does now: records to decide and to read, decisions and refusals of the last minute.

    DEADLINE is that of the oldest request without a reply, as far as the end of the audit trail tells; a
    reply in part counts. Ctrl-C ends it.
    """
    import sys
    from contextlib import suppress
    from shutil import get_terminal_size

    from broker.centre.seen.top_view import TopView, show_live
    from runtime.cli.kafka_calls import run_quietly

    def room() -> int:
        return min(most, max(1, get_terminal_size().lines - 6))

    live = not once and not invocation.json and sys.stdout.isatty()

    async def show() -> list[dict[str, Any]]:
        async with TopView.of(invocation) as view:
            if live:
                await show_live(view, by=sort, every=float(max(1, every)), most=room)
            return await view.rows(by=sort, most=most)

    if live:
        with suppress(KeyboardInterrupt):
            run_quietly(show())
        return
    write_table(run_quietly(show()), TOP, as_json=invocation.json, none="no unit is enrolled yet")
