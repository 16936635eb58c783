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
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

from keys.appointments.line import Issuer, not_valid
from keys.statement_types import QuotaChange, Statement, StatusChange, UnitFacts
from keys.tables import Change, Drop, KnownKey, Put, StatedFact, Tables, UnitStatements
from protocol.identifiers import KeyId, Millis, UnitId

_Keys = Mapping[KeyId, KnownKey]
_Value = TypeVar("_Value")


def state_about(
    body: UnitFacts | StatusChange | QuotaChange,
    statement: Statement,
    *,
    issuer: Issuer,
    tables: Tables,
    clock: Millis,
) -> list[Change]:
    """What follows from such a statement, or `Rejected`."""
    match body:
        case UnitFacts():
            return _describe(body, statement, issuer=issuer, tables=tables, clock=clock)
        case StatusChange():
            return _change_status(body, statement, issuer=issuer, tables=tables, clock=clock)
        case QuotaChange():
            return _change_quota(body, statement, issuer=issuer, tables=tables, clock=clock)
        case _:
            assert_never(body)


def _describe(
    facts: UnitFacts, statement: Statement, *, issuer: Issuer, tables: Tables, clock: Millis
) -> list[Change]:
    known = tables.stated.get(facts.unit, UnitStatements())
    # Exactly one more: an old version cannot come back, and no version can be so high that none follows.
    if facts.version != (known.facts[-1].value.version if known.facts else 0) + 1:
        raise not_valid("the version of a unit's facts goes up by one")
    made = (*known.facts, _stated(facts, statement, issuer=issuer, clock=clock))
    return _with(facts.unit, replace(known, facts=made), tables)


def _change_status(
    change: StatusChange, statement: Statement, *, issuer: Issuer, tables: Tables, clock: Millis
) -> list[Change]:
    if change.unit not in tables.units:
        raise not_valid("the status of a unit that the directory does not know")
    known = tables.stated[change.unit]
    counts = _last(known.statuses, tables.keys)
    # An old "resumed" that was held back has no effect after a newer "suspended".
    if counts is not None and statement.issued < counts.issued:
        raise not_valid("a newer statement about this unit's status is there")
    made = (*known.statuses, _stated(change, statement, issuer=issuer, clock=clock))
    return _with(change.unit, replace(known, statuses=made), tables)


def _change_quota(
    change: QuotaChange, statement: Statement, *, issuer: Issuer, tables: Tables, clock: Millis
) -> list[Change]:
    # Refused by nothing, as it is of a later type.
    known = tables.stated.get(change.unit, UnitStatements())
    made = (*known.quotas, _stated(change, statement, issuer=issuer, clock=clock))
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
    validity, and falls with what a stolen key stated.
    """

    _stated: dict[KeyId, array[int]] = field(default_factory=dict)
    """Of each key, in turn: when it was stated, at the earliest, and which time; each later than before."""

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
            if not _has_fallen(kid, own[at], keys)
        )
        return Millis(max(times, default=0))


def _stated(value: _Value, statement: Statement, *, issuer: Issuer, clock: Millis) -> StatedFact[_Value]:
    return StatedFact(value, issuer.kid, statement.issued, Millis(max(statement.issued, clock)))


def _with(unit: UnitId, known: UnitStatements, tables: Tables) -> list[Change]:
    return [Put(tables.stated, unit, known), *_counting(unit, known, tables, tables.keys)]


def _counting(unit: UnitId, known: UnitStatements, tables: Tables, keys: _Keys) -> Iterator[Change]:
    """What everybody goes by, of what stands of all this."""
    facts, status = _last(known.facts, keys), _last(known.statuses, keys)
    if facts is None:
        yield from (Drop(tables.facts, unit), Drop(tables.units, unit))
    else:
        suspended = status is not None and status.value.suspended
        yield Put(tables.facts, unit, facts.value)
        yield Put(tables.units, unit, facts.value.as_unit(suspended=suspended))
    quotas = [each for each in known.quotas if not _has_fallen(each.by, each.at, keys)]
    # Of two of one time the later one in the log.
    quota = max(reversed(quotas), key=lambda each: each.issued, default=None)
    yield Drop(tables.quotas, unit) if quota is None else Put(tables.quotas, unit, quota)


def _last(stated: tuple[StatedFact[_Value], ...], keys: _Keys) -> StatedFact[_Value] | None:
    return next((each for each in reversed(stated) if not _has_fallen(each.by, each.at, keys)), None)


def _has_fallen(by: KeyId, at: int, keys: _Keys) -> bool:
    """Whether this key stated it from its compromise on. A root key has no such time."""
    known = keys.get(by)
    since = None if known is None else known.identity.compromised_since
    return since is not None and at >= since
