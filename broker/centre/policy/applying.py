"""Stating a policy of the exchange: what it would change is shown first, by what was decided lately.

    read      the directory, the policy in force, the newest decisions        nothing is written
    shown     what differs, and which decisions would have been others
    stated    the next version, by this registrar; others agree with 'contrada centre agree'

Rule: what is stated is what was shown. Where another version has come in between, nothing is stated.
"""

from __future__ import annotations

from typing import Any

from broker.centre.policy.recorded_trail import recorded_decisions
from broker.centre.registry import Registry, registrar_of
from keys.directory import Directory
from keys.statement_types import PolicyVersion
from keys.statements import encode_body, issue
from protocol.exchange.exchange_policy import ExchangePolicy
from protocol.identifiers import Millis, digest
from runtime.cli.command import Invocation
from runtime.errors import Conflict
from runtime.policy.policy_report import changes_report, try_policy, versions_report
from runtime.policy.recorded_decisions import RecordedSpan
from runtime.process.clock import now

Made = dict[str, Any]


async def plan_policy(
    invocation: Invocation, policy: ExchangePolicy, *, since: int | None, most: int
) -> Made:
    """What stating it would do: the version, what differs from the one in force, and what the trial found."""
    registry = await Registry.read(invocation)
    directory, moment = registry.directory, now()
    begins = Millis(moment if since is None else since)
    waiting = [row for row in versions_report(directory, moment) if row["state"] == "waits"]
    changes = changes_report(directory.policy_at(moment), policy)
    if not changes and not waiting:
        raise Conflict("this policy is in force already", hint="see 'contrada policy show'")
    held, judged = await recorded_decisions(registry.kafka, directory, RecordedSpan(most=most))
    return {
        "version": next_version_of(directory),
        "since": begins,
        "changes": changes,
        "replaces": [row["version"] for row in waiting if row["from"] >= begins],
        "trial": try_policy(policy, held, judged),
    }


async def state_policy_version(invocation: Invocation, policy: ExchangePolicy, plan: Made) -> Made:
    """State what was planned, as this home's registrar."""
    body = PolicyVersion(plan["version"], Millis(plan["since"]), policy)
    async with Registry.open(invocation) as registry:
        directory = registry.directory
        if next_version_of(directory) != body.version:
            raise Conflict(
                f"version {body.version} of the policy was stated by others meanwhile",
                hint="see 'contrada policy show', and apply yours again",
            )
        signer = registrar_of(registry.home, directory)
        await registry.state([issue(body, signer=signer, issued=now())])
        stated = {row["version"]: row["from"] for row in versions_report(directory, now())}
        return plan | {
            "digest": digest(encode_body(body)).hex(),
            "by": signer.name,
            "waits": registry.waits,
            "from": stated.get(body.version),
            "directory_size": directory.head.size,
        }


def next_version_of(directory: Directory) -> int:
    """The number that the next policy has."""
    known = directory.policies()
    return known[-1].body.version + 1 if known else 1
