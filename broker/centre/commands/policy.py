"""`contrada policy apply`: registrars state a policy. Joins `contrada policy` by an entry point."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

import click

from broker.centre.commands.agree import say_if_waiting
from protocol.times import Bound
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.home import centre_home
from runtime.cli.input_files import PathName
from runtime.cli.params import Moment, Whole
from runtime.cli.render import moment, say, write, write_json

MOST = 20_000
"""Decisions that it is tried on first: the newest of the audit topic."""


@command(
    None,
    "apply",
    impact=Impact.WRITES,
    short="state a policy, tried first; as many registrars as the root says",
    examples=(
        "contrada --home ./centre policy apply policy.toml",
        "contrada --home ./centre policy apply policy.toml --from 2027-01-01",
        "contrada --home ./centre policy apply policy.toml --yes --json",
    ),
)
@click.argument("file", metavar="FILE", type=PathName(allow_dash=True))
@click.option("--from", "since", type=Moment(Bound.LOWER), help="In force from then on. [default: soon]")
@click.option("--limit", type=Whole(1, 1_000_000), default=MOST, show_default=True, help="Try it on so many.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_invocation
def policy_apply(invocation: Invocation, *, file: str, since: int | None, limit: int, yes: bool) -> None:
    """State the policy in FILE as the next version. Everybody can read it, and all routers decide by it.

    Shows what differs from the policy in force, and which of the newest decisions would have been others, and
    asks. It is in force 15 minutes after the last registrar has agreed, or from the time that is named. Until
    then a further version takes its place; what is in force ends with the next one alone.
    """
    from broker.centre.policy.applying import plan_policy, state_policy_version
    from runtime.cli.kafka_calls import run_quietly
    from runtime.policy.policy_report import read_policy_of_file, show_changes, show_trial

    centre_home(invocation)
    policy = read_policy_of_file(file)
    plan = run_quietly(plan_policy(invocation, policy, since=since, most=limit))
    if not invocation.json:
        write(f"version {plan['version']} of the policy, from {moment(plan['since'])}")
        write("")
        show_changes(plan["changes"])
        write("")
        show_trial(plan["trial"])
    for version in plan["replaces"]:
        say(f"note: version {version}, which waits, never comes into force")
    confirm(f"state version {plan['version']} of the policy", yes=yes)
    done = run_quietly(state_policy_version(invocation, policy, plan))
    if invocation.json:
        write_json(done)
    if not say_if_waiting(done):
        say(f"version {done['version']} of the policy is in force from {moment(done['from'])}")
