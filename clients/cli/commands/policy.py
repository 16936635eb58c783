"""`contrada policy`: by what the rules of the exchange judge, and what another policy would change.

`show`, `diff` and `test` change nothing. `apply` is the centre's, and joins by an entry point.
"""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from protocol.times import Bound
from runtime.cli.command import CONTEXT_SETTINGS, Group, Impact, Invocation, command, pass_invocation
from runtime.cli.home import chosen_home
from runtime.cli.input_files import PathName
from runtime.cli.joined import added, load_added
from runtime.cli.params import Moment, Whole, refuse_empty_span, since_option, until_option
from runtime.cli.render import say, write, write_json, write_table

if TYPE_CHECKING:
    from keys.directory import Directory
    from protocol.identifiers import Millis

ADDED = "contrada.policy"
"""Entry points of commands that join this group."""

MOST = 20_000
"""Decisions that are tried, unless somebody asks for others: the newest."""


class _PolicyGroup(Group):
    """Its own commands, and those of the centre where they are installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its own first."""
        return [*super().list_commands(ctx), *sorted(added(ADDED))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Its own first: no command that joins takes the name of one of them."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name not in added(ADDED):
            return found
        joined: click.Command = load_added(ADDED, cmd_name)
        return joined


policy = _PolicyGroup(
    "policy",
    short_help="the policy that the rules judge by; try another",
    help="the policy that the rules judge by; try another",
    context_settings=CONTEXT_SETTINGS,
)


@command(
    policy,
    "show",
    impact=Impact.READS,
    short="what is in force, what waits, and what was",
    examples=(
        "contrada policy show",
        "contrada policy show --at 2027-01-01 --json",
        "contrada policy show --version 2 --file > policy.toml",
    ),
)
@click.option("--at", type=Moment(Bound.LOWER), help="As it is then. [default: now]")
@click.option("--version", type=Whole(0, 2**31), help="This version; 0 is the protocol's own.")
@click.option("--file", "as_file", is_flag=True, help="As a file, to be changed and tried.")
@pass_invocation
def policy_show(invocation: Invocation, *, at: int | None, version: int | None, as_file: bool) -> None:
    """Show the policy of the exchange: each row in force, and the versions that registrars have agreed on.

    By this home's replica of the directory. A version waits until its time, and is replaced by any later one.
    """
    from protocol.exchange.policy_words import policy_file_lines
    from runtime.policy.policy_report import ROWS, VERSIONS, policy_named, rows_report, versions_report

    directory, then = _here(invocation, at)
    shown = policy_named("now" if version is None else str(version), directory, then)
    if as_file:
        for line in policy_file_lines(shown):
            write(line)
        return
    rows, versions = rows_report(shown), versions_report(directory, then)
    if invocation.json:
        size, root = directory.head.size, directory.head.root.hex()
        head = {"at": then, "directory": {"size": size, "root": root}, "version": version}
        write_json(head | {"rows": rows, "versions": versions})
        return
    write_table(rows, ROWS, as_json=False, none="")
    write("")
    write_table(
        versions, VERSIONS, as_json=False, none="no registrar has stated a policy: it is the protocol's"
    )


@command(
    policy,
    "diff",
    impact=Impact.READS,
    short="row by row, what differs between two policies",
    examples=(
        "contrada policy diff now policy.toml",
        "contrada policy diff 1 2 --json",
        "contrada policy diff 0 now",
    ),
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--at", type=Moment(Bound.LOWER), help="When 'now' is. [default: now]")
@pass_invocation
def policy_diff(invocation: Invocation, *, old: str, new: str, at: int | None) -> None:
    """Show the rows in which two policies differ.

    OLD and NEW are each a version's number, 0 for the protocol's own, now for the one in force, or a file.
    """
    from runtime.policy.policy_report import changes_report, policy_named, show_changes

    directory, then = _here(invocation, at)
    before, after = (policy_named(name, directory, then) for name in (old, new))
    show_changes(changes_report(before, after), as_json=invocation.json)


@command(
    policy,
    "test",
    impact=Impact.READS,
    short="which recorded decisions would have been others",
    examples=(
        "contrada policy test policy.toml --ledger ./ledger-copy",
        "contrada policy test policy.toml --ledger ./ledger-copy --since 2026-11-01 --json",
        "contrada --home ./centre policy test policy.toml --limit 1000",
    ),
)
@click.argument("file", metavar="FILE", type=PathName(allow_dash=True))
@click.option(
    "--ledger",
    type=PathName(file_okay=False, path_type=Path),
    metavar="DIR",
    help="A copy of the ledger, as 'audit mirror' makes it. [default: the audit topic]",
)
@click.option(
    "--ledger-policy",
    type=PathName(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The keys of the ledger and its witnesses. [default: DIR/policy]",
)
@click.option(
    "--root",
    type=PathName(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The pinned root of the key directory. [default: DIR/root.cbor]",
)
@since_option
@until_option
@click.option(
    "--limit", type=Whole(1, 1_000_000), default=MOST, show_default=True, help="The newest so many."
)
@pass_invocation
def policy_test(
    invocation: Invocation,
    *,
    file: str,
    ledger: Path | None,
    ledger_policy: Path | None,
    root: Path | None,
    since: int | None,
    until: int | None,
    limit: int,
) -> None:
    """Try the policy in FILE against recorded headers, each by the directory of its time. Changes nothing.

    With --ledger it needs no exchange: records are verified against their leaves. Otherwise the centre's
    audit topic is read. FILE may be - for stdin. Quotas, suites and keys are not on record: what would need a
    stronger suite is told apart, and the rest is not tried. Ends in 7 if something was accepted against the
    policy that was in force then.
    """
    from runtime.policy.policy_report import (
        read_policy_of_file,
        refuse_against,
        show_trial,
        try_policy,
    )
    from runtime.policy.recorded_decisions import RECORDED, RecordedSpan

    refuse_empty_span(since, until)
    tried = read_policy_of_file(file)
    span = RecordedSpan(
        most=limit, since=since, until=until, ledger=ledger, ledger_policy=ledger_policy, root=root
    )
    held, judged = load_added(RECORDED, "topic" if ledger is None else "copy")(invocation, span)
    found = try_policy(tried, held, judged)
    if invocation.json:
        write_json(found)
    else:
        show_trial(found)
        if not found["decisions"]:
            say("nothing is on record there")
    refuse_against(found)


def _here(invocation: Invocation, at: int | None) -> tuple[Directory, Millis]:
    """This home's replica, and the moment that is meant."""
    from protocol.identifiers import Millis
    from runtime.process.clock import now
    from runtime.process.directory_file import local_directory

    return local_directory(chosen_home(invocation)), now() if at is None else Millis(at)
