"""The options that lists of messages share, and what is said where a list is not all there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from protocol.limits import MAX_UINT
from runtime.cli.params import Identifier, Whole, limit_option, refuse_empty_span, since_option, until_option
from runtime.cli.render import say

_CURSOR = Whole(0, MAX_UINT)
Function = TypeVar("Function", bound=Callable[..., object])


def list_options(states: Sequence[str]) -> Callable[[Function], Function]:
    """What of a list is wanted: chosen by the daemon, before the list is cut."""
    options = (
        click.option("--state", type=click.Choice(list(states)), help="Only these."),
        click.option("--thread", metavar="ID", type=Identifier(), help="Only this conversation."),
        since_option,
        until_option,
        limit_option,
        click.option("--after", type=_CURSOR, metavar="CURSOR", help="Only what came later."),
        click.option(
            "--before",
            type=_CURSOR,
            metavar="CURSOR",
            help="Only what came earlier, as a list says.",
        ),
    )

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def asked_of_list(chosen: dict[str, Any]) -> dict[str, Any]:
    """The options as the daemon's pages take them, which count a bound's last millisecond in."""
    since, until = chosen["since"], chosen["until"]
    refuse_empty_span(since, until)
    return chosen | {"until": None if until is None else until - 1}


def say_older(cursor: str | None) -> None:
    """Say that a list was cut, and how to see the rest."""
    if cursor is not None:
        say(f"hint: there are older ones: say --before {cursor}, or no --limit")
