"""The policies of the exchange that registrars state: which is in force when, and what of them stands. Pure.

    version 1   since        agreed + notice
    -----------|------------|==================|          waits, then is in force
                             version 2         |======    until a later version is

Owns these rules. What a policy may say is in protocol/exchange/exchange_policy.py; how many registrars it
takes, in agreement.py. Rules:
- Each version is one more than the last that has taken effect, whether that stands or not. Another number has
  its place, as every later type, and no effect: so one that was held back, or is stated again, or is beside
  another of its number, counts for nothing. The first that enough have agreed on is the one.
- It is in force from the time that it names on, and no sooner than `POLICY_NOTICE` after the last of those
  who agreed: a router whose directory is older than ten minutes decides nothing, so that by then every router
  that decides has it.
- Of those whose time has come the highest version is in force. So a later one with an earlier time takes the
  place of one that still waits.
- It falls with each of those who agreed, from the theft of a key on (docs/adr/0035): then the one before it
  is in force.
- By the root alone none takes effect: a policy is what registrars agree on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace

from keys.appointments.line import Issuer, Support
from keys.registrars.standing import has_fallen, lowered_quota
from keys.statement_types import PolicyVersion
from keys.tables import Change, KeyRole, KnownKey, KnownPolicy, Put, Tables
from protocol.envelope.quotas import DEFAULT_QUOTA, Quota
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, ExchangePolicy
from protocol.identifiers import KeyId, Millis
from protocol.limits import POLICY_NOTICE


def state_policy(body: PolicyVersion, *, issuer: Issuer, support: Support, tables: Tables) -> list[Change]:
    """What follows from a policy that enough have stated."""
    if issuer.role is not KeyRole.REGISTRAR or not is_next_policy(body, tables):
        return []
    agreed = max(vote.at for vote in support.votes)
    holds_from = Millis(max(body.since, agreed + POLICY_NOTICE))
    return [Put(tables.policies, body.version, KnownPolicy(body, support.votes, holds_from))]


def is_next_policy(body: PolicyVersion, tables: Tables) -> bool:
    """Whether it has the number of the next one."""
    return body.version == next_policy_version(tables)


def next_policy_version(tables: Tables) -> int:
    """One more than the last version, whether that stands or not."""
    return 1 + max(tables.policies, default=0)


def policy_in_force(tables: Tables, moment: Millis) -> ExchangePolicy:
    """What the rules judge by then."""
    known = known_policy_in_force(tables, moment)
    return PROTOCOL_POLICY if known is None else known.body.policy


def known_policy_in_force(tables: Tables, moment: Millis) -> KnownPolicy | None:
    """The version that is in force then; None where it is the protocol's own policy."""
    stated = (each for each in reversed(tables.policies.values()) if each.stands)
    return next((each for each in stated if each.holds_from <= moment), None)


def undo_policies(kid: KeyId, fallen: KnownKey, tables: Tables) -> Iterator[Change]:
    """What was agreed with this key from its compromise on does not stand any more."""
    keys = {**tables.keys, kid: fallen}
    for version, known in tables.policies.items():
        if known.stands and any(has_fallen(vote.by, vote.at, keys) for vote in known.votes):
            yield Put(tables.policies, version, replace(known, stands=False))


def least_default(tables: Tables) -> Quota:
    """The least that a unit without a quota of its own may ever ask for, under any policy that was stated.

    What one registrar may state alone is no more: it would give a unit more than it may have some day.
    """
    least = DEFAULT_QUOTA
    for known in tables.policies.values():
        least = lowered_quota(least, Quota(*known.body.policy.quota))
    return least


def quota_in_force(stated: Quota | None, tables: Tables, moment: Millis) -> Quota:
    """What a unit may ask for then: as a registrar stated, or else as the policy says."""
    return Quota(*policy_in_force(tables, moment).quota) if stated is None else stated


def quota_amounts(quota: Quota) -> tuple[int, int, int, int]:
    """As a policy holds it."""
    messages, bytes_, copies, refusals = astuple(quota)
    return messages, bytes_, copies, refusals
