"""How many statements a party's own keys may make: so many in a week, and what is over it is refused. Pure.

A unit states its epoch keys, successors and withdrawals, and each has its place at everybody for ever. Owns
how they are counted; why so, and why this many, is in docs/adr/0043. Rules:

- Counted is what has its place, and nothing else. So a replica that replays a snapshot counts the same as one
  that read the topic, and what was refused is as if nobody had written it.
- Counted is by the line: the key that a registrar appointed, and those that follow it. A thief who names
  successors has no more than one key has; and with the next key that a registrar appoints, the owner has all.
- Counted is by the week that the statement claims, and that week is held between two times of the log: not
  earlier than what registrars have stated, nor later than what others have claimed, but for two weeks each.
  A thief uses up no week that is further ahead; and others' times, however false, take no week from anybody.
- What withdraws a key that counts is not counted: there is one for each key that has its place, and it is
  what helps against a thief. Nor is anything that a registrar or the root states.
"""

from __future__ import annotations

from keys.appointments.line import Issuer, not_valid
from keys.statement_types import Body, Revocation, Statement
from keys.tables import Change, Drop, KeyRole, Put, Tables
from protocol.epochs import epoch_of
from protocol.identifiers import Millis
from protocol.limits import STATEMENTS_A_WEEK, STATEMENTS_COUNTED_FROM

_WEEKS_ABOUT = 2
_ABOVE = frozenset({KeyRole.ROOT, KeyRole.REGISTRAR})
_HEARD = 2


def counted(statement: Statement, *, issuer: Issuer, tables: Tables, clock: Millis) -> list[Change]:
    """What is counted of this statement if it has its place; `Rejected` where there is no room for it.

    Asked before its signatures are verified: a flood of what has no room costs no verification.
    """
    party = f"{issuer.role.value} {issuer.name or issuer.kid.hex()}"
    changes = _hear(party, statement.issued, tables)
    if issuer.role in _ABOVE or max(statement.issued, clock) < STATEMENTS_COUNTED_FROM:
        return changes
    if _is_withdrawal(statement.body, tables):
        return changes
    line = tables.keys[issuer.kid].line
    place = (issuer.kid if line is None else line, _week(statement.issued, party, tables, clock))
    made = tables.counts.get(place, 0)
    if made >= STATEMENTS_A_WEEK:
        raise not_valid(f"a party's own keys make {STATEMENTS_A_WEEK} statements in a week")
    return [*changes, Put(tables.counts, place, made + 1)]


def _week(issued: Millis, party: str, tables: Tables, clock: Millis) -> int:
    others = max((t for who, t in tables.heard.items() if who != party), default=Millis(0))
    earliest, latest = epoch_of(clock) - _WEEKS_ABOUT, epoch_of(others) + _WEEKS_ABOUT
    return min(max(epoch_of(issued), earliest), latest)


def _is_withdrawal(body: Body, tables: Tables) -> bool:
    """Whether it withdraws a key that counts; once more, with an earlier theft, it is counted."""
    if not isinstance(body, Revocation):
        return False
    known = tables.keys.get(body.kid)
    return known is None or not known.identity.revoked


def _hear(party: str, issued: Millis, tables: Tables) -> list[Change]:
    heard = {**tables.heard, party: Millis(max(issued, tables.heard.get(party, 0)))}
    latest = sorted(heard, key=lambda who: heard[who])[-_HEARD:]
    gone = [Drop(tables.heard, who) for who in tables.heard if who not in latest]
    return [*gone, *(Put(tables.heard, who, heard[who]) for who in latest)]
