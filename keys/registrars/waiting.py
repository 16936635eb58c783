"""What of a unit waits for another registrar's agreement, in one word each. Pure.

Owns the words of the kinds: `identity`, `facts`, `status`, `quota`, `withdrawal`. What was stated, and by
whom, is for those who may agree: `contrada centre agree ls`.
"""

from __future__ import annotations

from collections.abc import Iterable

from keys.registrars.agreement import OpenBallot
from keys.statement_types import Appointment, Body, QuotaChange, Revocation, StatusChange, UnitFacts
from protocol.identifiers import UnitId


def waiting_of(unit: UnitId, ballots: Iterable[OpenBallot]) -> list[str]:
    """The kinds of what waits about this unit, in the order in which they were stated; each once."""
    found = (_kind(each.ballot.body) for each in ballots)
    return list(dict.fromkeys(kind for whose, kind in found if whose == unit))


def about_whom(ballots: Iterable[OpenBallot]) -> set[str]:
    """Everybody about whom something waits; a policy of the exchange is about nobody."""
    return {whose for whose, _ in (_kind(each.ballot.body) for each in ballots)} - {""}


def _kind(body: Body) -> tuple[str, str]:
    match body:
        case Appointment():
            return body.name, "identity"
        case UnitFacts():
            return body.unit, "facts"
        case StatusChange():
            return body.unit, "status"
        case QuotaChange():
            return body.unit, "quota"
        case Revocation():
            return body.unit, "withdrawal"
        case _:
            return "", ""  # a policy; or of a later release: it has no unit that this program could name
