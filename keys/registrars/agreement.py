"""What takes several: registrars' dangerous statements, and the withdrawal of a registrar. Pure.

    appointing an identity, a router, a ledger                 several registrars
    describing a unit, or raising anything of it               several registrars
    lifting a suspension, raising a quota                      several registrars
    a policy of the exchange, whatever it says                 several registrars
    withdrawing a registrar                                    several root keys
    suspending, lowering, withdrawing other keys               one

How many is in the pinned root: `registrars` and `threshold`. With 1 nothing here changes anything. Rules:
- Each statement of the same has its place like any other. It takes effect at the place of the last one that
  is needed. The rules are checked at each of these places: what cannot take effect any more is refused.
- Counted are registrars, by their names: one person who has a renewed key beside the one before counts once.
  Of each registrar counts the newest statement.
- A statement counts for 30 days, by the log's time: the later one of what the log had seen and of what the
  last one claims. So none is dated back to one that nobody agreed with.
- One whose key was withdrawn in the meantime does not count any more, for whatever reason it was. Nor does
  one that is older than the status or the quota that counts: what was overtaken is not taken up again.
- What takes effect rests on all those who were counted, and what it gave falls with each of them
  (standing.py, rules.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from keys.appointments.line import Issuer, Support
from keys.registrars.policies import is_next_policy, least_default
from keys.registrars.standing import counting_status, lowered, lowered_quota
from keys.root_of_trust import RootOfTrust
from keys.rules import consequences, prove_keys
from keys.statement_types import (
    Appointment,
    Body,
    EpochPublication,
    PolicyVersion,
    QuotaChange,
    Revocation,
    Statement,
    StatementType,
    StatusChange,
    UnitFacts,
    Unread,
)
from keys.statements import encode_body
from keys.tables import Ballot, Change, Drop, KeyRole, Put, Tables, Vote
from protocol.errors import Rejected
from protocol.identifiers import Digest, Millis, digest
from protocol.limits import AGREED_WITHIN

_APPOINTED_TOGETHER = frozenset({StatementType.IDENTITY, StatementType.ROUTER, StatementType.LEDGER})


@dataclass(frozen=True, slots=True)
class OpenBallot:
    """What waits for others who agree."""

    name: Digest
    ballot: Ballot
    votes: Mapping[bytes | str, Vote]
    """Those that count."""

    needed: int

    @property
    def since(self) -> Millis:
        """When it was stated first."""
        return min(vote.issued for vote in self.votes.values())

    @property
    def until(self) -> Millis:
        """Until when the others may agree."""
        return Millis(self.since + AGREED_WITHIN)


def agreed_consequences(
    statement: Statement, *, issuer: Issuer, tables: Tables, root: RootOfTrust, clock: Millis, proved: bool
) -> list[Change]:
    """The changes that a statement brings at its place, or `Rejected`. Changes nothing itself.

    Of a statement that was `proved` before, its keys' own proofs are not computed again.
    """
    body = statement.body
    if not proved:
        prove_keys(body)
    own = Vote(issuer.kid, statement.issued, Millis(max(statement.issued, clock)))
    together = _together(issuer.role, root)
    if together == 1 or not _is_dangerous(body, issuer.role, tables):
        support = Support((own,), lowers=together > 1)
        return consequences(statement, issuer=issuer, support=support, tables=tables, root=root, clock=clock)
    name = _name(issuer.role, body)
    known = tables.ballots.get(name)
    ballot = _with(Ballot(body, issuer.role, {}) if known is None else known, own, issuer, tables)
    counting = tuple(_counting(ballot, tables, own.at).values())
    waits = len(counting) < together or own not in counting
    support = Support((own,) if waits else counting, waits=waits)
    changes = consequences(statement, issuer=issuer, support=support, tables=tables, root=root, clock=clock)
    return [Put(tables.ballots, name, ballot)] if waits else [*changes, Drop(tables.ballots, name)]


def waits(changes: list[Change], tables: Tables) -> bool:
    """Whether these changes are no more than that something waits for others who agree."""
    return any(isinstance(change, Put) and change.table is tables.ballots for change in changes)


def open_ballots(tables: Tables, root: RootOfTrust, clock: Millis, moment: Millis) -> tuple[OpenBallot, ...]:
    """What others may agree on now, in the order in which it was stated first."""
    at = Millis(max(clock, moment))
    found = []
    for name, ballot in tables.ballots.items():
        votes = _counting(ballot, tables, at)
        if votes and _may_take_effect(ballot, votes, tables, root, at):
            found.append(OpenBallot(name, ballot, votes, _together(ballot.role, root)))
    return tuple(found)


def _may_take_effect(
    ballot: Ballot, votes: Mapping[bytes | str, Vote], tables: Tables, root: RootOfTrust, at: Millis
) -> bool:
    if isinstance(ballot.body, PolicyVersion) and not is_next_policy(ballot.body, tables):
        return False
    first = next(iter(votes.values()))
    statement, support = Statement(at, first.by, ballot.body), Support((first,), waits=True)
    issuer = Issuer(ballot.role, None, first.by, root.keys[0])
    try:
        consequences(statement, issuer=issuer, support=support, tables=tables, root=root, clock=at)
    except Rejected:
        return False
    return _is_dangerous(ballot.body, ballot.role, tables)


def _together(role: KeyRole, root: RootOfTrust) -> int:
    """How many of these must agree on what is dangerous."""
    return {KeyRole.ROOT: root.threshold, KeyRole.REGISTRAR: root.registrars}.get(role, 1)


def _is_dangerous(body: Body, role: KeyRole, tables: Tables) -> bool:
    """Whether it gives anybody anything; or takes a registrar away, and what it stated."""
    match body:
        case Appointment():
            return body.stype in _APPOINTED_TOGETHER
        case UnitFacts():
            known = tables.facts.get(body.unit)
            return known is None or lowered(known, body) != body
        case StatusChange():
            return not body.suspended
        case QuotaChange():
            counts = tables.quotas.get(body.unit)
            quota = least_default(tables) if counts is None else counts.value.quota
            return lowered_quota(quota, body.quota) != body.quota
        case Revocation() | PolicyVersion():
            # The root withdraws registrars with several keys; registrars agree on a policy.
            return role is (KeyRole.ROOT if isinstance(body, Revocation) else KeyRole.REGISTRAR)
        case EpochPublication() | Unread():
            return False
        case _:
            assert_never(body)


def _name(role: KeyRole, body: Body) -> Digest:
    return digest(role.value.encode() + encode_body(body))


def _with(ballot: Ballot, own: Vote, issuer: Issuer, tables: Tables) -> Ballot:
    """The ballot with one more vote; an older one of the same registrar comes too late."""
    voter = issuer.kid if issuer.name is None else issuer.name
    before = ballot.votes.get(voter)
    if before is not None and not _is_withdrawn(before, tables) and before.issued > own.issued:
        return ballot
    return Ballot(ballot.body, ballot.role, {**ballot.votes, voter: own})


def _counting(ballot: Ballot, tables: Tables, at: Millis) -> dict[bytes | str, Vote]:
    """The votes that count at this time of the log."""
    earliest = max(at - AGREED_WITHIN, _overtaken(ballot.body, tables))
    return {
        voter: vote
        for voter, vote in ballot.votes.items()
        if vote.issued >= earliest and not _is_withdrawn(vote, tables)
    }


def _overtaken(body: Body, tables: Tables) -> int:
    """Until when what was stated of the same is overtaken by what counts of it now."""
    match body:
        case StatusChange():
            counts = counting_status(body.unit, tables)
            return 0 if counts is None else counts.issued
        case QuotaChange():
            quota = tables.quotas.get(body.unit)
            return 0 if quota is None else quota.issued
        case _:
            return 0


def _is_withdrawn(vote: Vote, tables: Tables) -> bool:
    known = tables.keys.get(vote.by)
    return known is not None and known.identity.revoked
