"""What registrars state about units: facts, status and quota, and what of it stands. Pure.

    facts     each version one more than the last one stated        the last one counts
    status    not older than the one that counts                    the last one counts
    quota     has its place in any case, as a later type            the newest counts, by its time

Owns these rules, and what falls with a registrar's stolen key. All that was stated is kept, with the key
and the time. Rules:
- What a key stated from the time of its compromise on does not stand, once the root has said so. The time is
  the later one of what the statement claims and of what the log had seen before: a thief does not date back.
- A unit of which no facts stand is not known.
- The next version is one more than the last one stated, whether that stands or not: what has fallen keeps its
  place in the log, and its number.
- Where several must agree (agreement.py), what they gave falls with the first of them. What is left of it is
  as if one had stated it alone: it takes away from whatever stands, and never adds to it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import TypeVar, assert_never

from keys.appointments.line import Support, not_valid
from keys.statement_types import QuotaChange, Statement, StatusChange, UnitFacts
from keys.tables import Change, Drop, KeyRole, KnownKey, Put, StatedFact, Tables, UnitStatements, Vote
from protocol.envelope.quotas import DEFAULT_QUOTA, Quota
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.limits import DAY, EPOCH, STATEMENTS_COUNTED_FROM

BORNE_OUT_WITHIN = EPOCH + DAY
"""Units state a key each week: so where two of them work, an honest registrar's time always counts."""

_Keys = Mapping[KeyId, KnownKey]
_Value = TypeVar("_Value")


def state_about(
    body: UnitFacts | StatusChange | QuotaChange,
    statement: Statement,
    *,
    support: Support,
    tables: Tables,
) -> list[Change]:
    """What follows from such a statement, or `Rejected`."""
    match body:
        case UnitFacts():
            return _describe(body, support=support, tables=tables)
        case StatusChange():
            return _change_status(body, statement, support=support, tables=tables)
        case QuotaChange():
            return _change_quota(body, support=support, tables=tables)
        case _:
            assert_never(body)


def lowered(known: UnitFacts, facts: UnitFacts) -> UnitFacts:
    """Of both facts about a unit the less: whatever else differs stays as it was known."""
    return replace(
        known,
        version=facts.version,
        clearance=min(known.clearance, facts.clearance),
        purposes=known.purposes & facts.purposes,
        min_suite=max(known.min_suite, facts.min_suite),
    )


def lowered_quota(known: Quota, quota: Quota) -> Quota:
    """Of both the less, limit by limit."""
    return Quota(*map(min, astuple(known), astuple(quota)))


def next_version(unit: UnitId, tables: Tables) -> int:
    """One more than the last one stated, whether that stands or not."""
    known = tables.stated.get(unit, UnitStatements())
    return known.facts[-1].value.version + 1 if known.facts else 1


def counting_status(unit: UnitId, tables: Tables) -> StatedFact[StatusChange] | None:
    """The last statement of a unit's status that stands."""
    known = tables.stated.get(unit)
    return None if known is None else _last(known.statuses, tables.keys)


def _describe(facts: UnitFacts, *, support: Support, tables: Tables) -> list[Change]:
    known = tables.stated.get(facts.unit, UnitStatements())
    # Exactly one more: an old version cannot come back, and no version can be so high that none follows.
    if facts.version != next_version(facts.unit, tables):
        raise not_valid("the version of a unit's facts goes up by one")
    made = (*known.facts, StatedFact(facts, support.votes, support.lowers))
    return _with(facts.unit, replace(known, facts=made), tables)


def _change_status(
    change: StatusChange, statement: Statement, *, support: Support, tables: Tables
) -> list[Change]:
    if change.unit not in tables.units:
        raise not_valid("the status of a unit that the directory does not know")
    known, counts = tables.stated[change.unit], counting_status(change.unit, tables)
    # An old "resumed" that was held back has no effect after a newer "suspended".
    if counts is not None and statement.issued < counts.issued:
        raise not_valid("a newer statement about this unit's status is there")
    made = (*known.statuses, StatedFact(change, support.votes, support.lowers))
    return _with(change.unit, replace(known, statuses=made), tables)


def _change_quota(change: QuotaChange, *, support: Support, tables: Tables) -> list[Change]:
    # Refused by nothing, as it is of a later type.
    known = tables.stated.get(change.unit, UnitStatements())
    made = (*known.quotas, StatedFact(change, support.votes, support.lowers))
    return _with(change.unit, replace(known, quotas=made), tables)


def undo(kid: KeyId, fallen: KnownKey, tables: Tables) -> Iterator[Change]:
    """What this registrar's key stated from its compromise on does not stand any more."""
    keys = {**tables.keys, kid: fallen}
    for unit, known in tables.stated.items():
        if kid in known.by:
            yield from _counting(unit, known, tables, keys)


@dataclass(slots=True)
class RegistrarTimes:
    """The times that registrars stated: the log's own time is the latest one that stands.

    Not of units, which could set it ahead and so expire all keys. A registrar's is bounded by its own
    validity and by what others claim (`borne_out`), and falls with what a stolen key stated.
    """

    _stated: dict[KeyId, array[int]] = field(default_factory=dict)
    """Of each key, in turn: when it was stated, at the earliest, and which time; each later than before."""

    def after(self, statement: Statement, role: KeyRole, *, clock: Millis, keys: _Keys) -> Millis:
        """The log's time behind this statement, whose changes are made."""
        if role is KeyRole.REGISTRAR:
            return self.note(statement.issuer, statement.issued, clock=clock)
        # By the root: with a registrar's key that was stolen the times have fallen that the thief stated.
        return self.latest(keys) if role is KeyRole.ROOT else clock

    def note(self, kid: KeyId, issued: Millis, *, clock: Millis) -> Millis:
        """A registrar stated something at this time of the log: the log's time with it."""
        own, at = self._stated.setdefault(kid, array("q")), max(issued, clock)
        if not own or issued > own[-1]:
            own.extend((at, issued))
        return at

    def latest(self, keys: _Keys) -> Millis:
        """The log's time, of all that stands."""
        times = (
            own[at + 1]
            for kid, own in self._stated.items()
            for at in range(0, len(own), 2)
            if not has_fallen(kid, own[at], keys)
        )
        return Millis(max(times, default=0))


def borne_out(clock: Millis, tables: Tables) -> Millis:
    """The log's time, as far as a second party bears it out: what it is judged by.

    Not later than eight days after the second latest time that anybody claimed: a registrar's date far ahead
    ends no key but those that end in these. Of what is older than this rule the log keeps its judgement.
    """
    second = min(tables.heard.values()) if len(tables.heard) > 1 else 0
    return clock if second < STATEMENTS_COUNTED_FROM else Millis(min(clock, second + BORNE_OUT_WITHIN))


def _with(unit: UnitId, known: UnitStatements, tables: Tables) -> list[Change]:
    return [Put(tables.stated, unit, known), *_counting(unit, known, tables, tables.keys)]


def _counting(unit: UnitId, known: UnitStatements, tables: Tables, keys: _Keys) -> Iterator[Change]:
    """What everybody goes by, of what stands of all this."""
    facts, status = _facts(known.facts, keys), _last(known.statuses, keys)
    if facts is None:
        yield from (Drop(tables.facts, unit), Drop(tables.units, unit))
    else:
        suspended = status is not None and status.value.suspended
        yield Put(tables.facts, unit, facts)
        yield Put(tables.units, unit, facts.as_unit(suspended=suspended))
    quota = _quota(known.quotas, keys)
    yield Drop(tables.quotas, unit) if quota is None else Put(tables.quotas, unit, quota)


def _facts(stated: tuple[StatedFact[UnitFacts], ...], keys: _Keys) -> UnitFacts | None:
    counts: UnitFacts | None = None
    for each in stated:
        if not (left := _left(each, keys)):
            continue
        if left == each.votes and not each.lowers:
            counts = each.value
        elif counts is not None:
            counts = lowered(counts, each.value)
    return counts


def _quota(stated: tuple[StatedFact[QuotaChange], ...], keys: _Keys) -> StatedFact[QuotaChange] | None:
    counts: StatedFact[QuotaChange] | None = None
    for each in stated:
        # The newest by its time; of two of one time the later one in the log.
        left = _left(each, keys)
        if not left or (counts is not None and each.issued < counts.issued):
            continue
        known, quota = DEFAULT_QUOTA if counts is None else counts.value.quota, each.value.quota
        if each.lowers or left != each.votes:
            quota = lowered_quota(known, quota)
        counts = replace(each, value=replace(each.value, quota=quota))
    return counts


def _last(stated: tuple[StatedFact[_Value], ...], keys: _Keys) -> StatedFact[_Value] | None:
    return next((each for each in reversed(stated) if _left(each, keys) == each.votes), None)


def _left(stated: StatedFact[_Value], keys: _Keys) -> tuple[Vote, ...]:
    """Who still stands behind it."""
    return tuple(vote for vote in stated.votes if not has_fallen(vote.by, vote.at, keys))


def has_fallen(by: KeyId, at: int, keys: _Keys) -> bool:
    """Whether this key stated it from its compromise on. A root key has no such time."""
    known = keys.get(by)
    since = None if known is None else known.identity.compromised_since
    return since is not None and at >= since
