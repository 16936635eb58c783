"""A policy tried against what was decided: which decisions would have been others, and why. Pure.

Owns the comparison. Where the records come from, and the directory that each was decided by, is the caller's.

Rules:
- A decision is judged twice by the same rules, by the policy that was in force and by the one that is tried,
  at its own time and by its own directory. What differs is taken from, or added to, the reasons on record:
  whatever no policy changes stays as it was decided.
- A record has no suite, no keys and no H3 limits. For the suite the weakest is taken that was enough, and
  what asks for more is counted by itself: a daemon seals with the suite that the policy asks for.
- What was accepted against the policy of its time is told: a router has not judged by it, or by another
  directory than it says.
- What came twice stays what it is, and so does what could not be read or verified.
- Quotas are not tried: a record does not say how large a message was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from protocol.envelope.core import Core
from protocol.errors import Code
from protocol.exchange.exchange_policy import ExchangePolicy
from protocol.exchange_rules import RULES, ExchangeCase
from protocol.parties import Parties
from protocol.signatures import Suite
from protocol.trail.records import Reason, Record, RecordType
from protocol.trail.summary import core_of_summary

_BY_RECORD: Final = frozenset({"time", "clearance", "data basis", "kind"})
"""The rules that a policy has a part in, and a record has all that they look at."""

MOST_NAMED: Final = 1_000
"""So many changed decisions are kept one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class ChangedDecision:
    """A decision that would be another one."""

    record: Record
    reasons: tuple[Reason, ...]
    """Those that it would have; none where it would be accepted."""

    @property
    def accepted(self) -> bool:
        """Whether it would be accepted."""
        return not self.reasons


@dataclass(slots=True)
class PolicyTrial:
    """One policy, and what it would have changed so far."""

    policy: ExchangePolicy
    decisions: int = 0
    untried: int = 0
    """Of these: what has no header on record, or came twice."""

    stronger: int = 0
    """What would have to be sealed with a stronger suite, unless it was."""

    against: list[Record] = field(default_factory=list)
    """What was accepted, and the policy of its time refuses; as many of them are kept as of what changes."""

    refused: int = 0
    accepted: int = 0
    by_reason: Counter[Code] = field(default_factory=Counter)
    """By the reasons that would be new; of what would be accepted, by those that it was refused for."""

    changed: list[ChangedDecision] = field(default_factory=list)

    def take(self, record: Record, parties: Parties) -> None:
        """One decision more, with the directory by which it was made."""
        self.decisions += 1
        if record.header is None or record.type is RecordType.DUPLICATE:
            self.untried += 1
            return
        core = core_of_summary(record.header)
        case = ExchangeCase(core=core, parties=parties, now=record.t)
        before, after = _reasons(case), _reasons(replace(case, trial=self.policy))
        if record.type is RecordType.ACCEPTED:
            self.stronger += self._asks_for_more(core, case)
            # By another directory than it names nothing can be held against it: a copy may lag behind.
            is_judged = before and parties.head.size == record.directory_size
            if is_judged and len(self.against) < MOST_NAMED:
                self.against.append(record)
        # Whatever was recorded: what the two policies differ in is all that changes.
        would = tuple(reason for reason in record.reasons if reason in after or reason not in before)
        would += tuple(reason for reason in after if reason not in before and reason not in would)
        if bool(would) == bool(record.reasons):
            return
        self._count(record, would)

    def _asks_for_more(self, core: Core, case: ExchangeCase) -> bool:
        asked = [unit.min_suite for unit in case.everyone()]
        weakest = max([*asked, case.policy.least_suite(core.classification)], default=Suite.CLASSICAL)
        return self.policy.least_suite(core.classification) > weakest

    def _count(self, record: Record, would: tuple[Reason, ...]) -> None:
        if would:
            self.refused += 1
        else:
            self.accepted += 1
        self.by_reason.update({reason.code for reason in (would or record.reasons)})
        if len(self.changed) < MOST_NAMED:
            self.changed.append(ChangedDecision(record, would))


def _reasons(case: ExchangeCase) -> tuple[Reason, ...]:
    return tuple(reason for rule in RULES if rule.name in _BY_RECORD for reason in rule.check(case))
