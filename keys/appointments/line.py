"""The rules of appointments: who becomes the holder of which key, and until when. Pure.

    registrar, unit, router, ledger   by those above them: a key of their own line begins
    succession                        by the party's own key: the line goes on

Owns what an appointment must satisfy, and the line: the key that a registrar (or the root) appointed, and
those that follow it by successions. Rules:
- A key names one successor, once, of its own party and role. So a second holder of it, a thief, cannot name
  another one unseen: either the thief's is refused, or the party's own.
- Where the root asks for a cooling-off time, a unit's key that registrars appoint counts that much after it
  has taken effect, by the log's time, whatever it says itself; a successor that the unit names does not wait.
- A line ends `SELF_RENEWED` after the end of its first key at the latest. Then a registrar appoints the next.
Who may state an appointment is judged in keys/rules.py; docs/adr/0028-keys-that-renew-themselves.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keys.root_of_trust import RootOfTrust
from keys.statement_types import Appointment, Statement, StatementType
from keys.statements import appointment_item
from keys.tables import Change, KeyRole, KnownKey, Put, Tables, Vote
from protocol.canonical import encode
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.limits import DAY
from protocol.parties import IdentityKey
from protocol.public_keys import IdentityPublic

MAX_KEY_LIFETIME = 3 * 366 * DAY
SELF_RENEWED = 2 * 366 * DAY
"""So long after the end of a key that a registrar appointed may those end that follow it by themselves."""

_ROLE_APPOINTED = {
    StatementType.REGISTRAR: KeyRole.REGISTRAR,
    StatementType.IDENTITY: KeyRole.UNIT,
    StatementType.ROUTER: KeyRole.ROUTER,
    StatementType.LEDGER: KeyRole.LEDGER,
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who made a statement."""

    role: KeyRole
    name: UnitId | None
    kid: KeyId
    public: IdentityPublic


@dataclass(frozen=True, slots=True)
class Support:
    """Who stands behind a statement at its place: its issuer, and those who stated the same before."""

    votes: tuple[Vote, ...]
    lowers: bool = False
    """One is enough for it where several must agree on more."""

    waits: bool = False
    """It takes more of them, and has no effect yet."""


def appoint_key(
    made: Appointment,
    statement: Statement,
    *,
    support: Support,
    tables: Tables,
    root: RootOfTrust,
    clock: Millis,
) -> list[Change]:
    """What follows from an appointment by somebody above: a registrar's only once enough root keys agree."""
    _check_new(made, tables, root)
    if made.stype is StatementType.IDENTITY and made.name not in tables.units and not support.waits:
        # One that waits may be of a unit that waits: who enrols it states both at once.
        raise not_valid("an identity of a unit that the directory does not know")
    if made.stype is StatementType.REGISTRAR:
        ballot = encode(appointment_item(made))
        votes = {**tables.votes.get(ballot, {}), statement.issuer: statement.issued}
        if len(votes) < root.threshold:
            return [Put(tables.votes, ballot, votes)]
    at = Millis(max(statement.issued, clock))
    agreed = support.votes if len(support.votes) > 1 else ()
    role = _ROLE_APPOINTED[made.stype]
    key = _rested(_key(made), root.cooling_off, at) if role is KeyRole.UNIT else _key(made)
    known = KnownKey(role, key, statement.issuer, at, made.not_after, agreed=agreed)
    return _known(known, tables)


def name_successor(
    made: Appointment,
    statement: Statement,
    *,
    issuer: Issuer,
    tables: Tables,
    root: RootOfTrust,
    clock: Millis,
) -> list[Change]:
    """One successor, of the same party and role, and no further than the line of these keys reaches."""
    _check_new(made, tables, root)
    if issuer.name != made.name:
        raise Rejected(Code.E_ISSUER, "a key names the next one of its own party only")
    present = tables.keys[issuer.kid]
    if present.successor is not None:
        raise not_valid("this key has named its successor; another one is for a registrar to appoint")
    if made.not_after > present.line_ends + SELF_RENEWED:
        raise not_valid("keys follow by themselves for two years; then a registrar appoints the next")
    if issuer.role is KeyRole.UNIT and not _takes_part(made.name, tables):
        raise not_valid("a suspended unit names no successor, and one that is not known")
    at = Millis(max(statement.issued, clock))
    first = issuer.kid if present.line is None else present.line
    following = KnownKey(issuer.role, _key(made), issuer.kid, at, present.line_ends, line=first)
    named = replace(present, successor=made.public.kid)
    return [Put(tables.keys, issuer.kid, named), *_known(following, tables)]


def _check_new(made: Appointment, tables: Tables, root: RootOfTrust) -> None:
    if not 0 < made.not_after - made.not_before <= MAX_KEY_LIFETIME:
        raise not_valid("a signing key is valid for some time, and for three years at most")
    if any(name in tables.key_names or name in root.names for name in (made.public.kid, made.public.pq_kid)):
        raise not_valid("this key was appointed before; rotate with a fresh one")


def _takes_part(name: UnitId, tables: Tables) -> bool:
    unit = tables.units.get(name)
    return unit is not None and not unit.suspended


def _key(made: Appointment) -> IdentityKey:
    return IdentityKey(
        made.name, made.public, made.not_before, made.not_after, revoked=False, compromised_since=None
    )


def _rested(key: IdentityKey, cooling_off: int, at: Millis) -> IdentityKey:
    """The key, as it counts: not before everybody has had the time to see that it was appointed."""
    if not cooling_off:
        return key
    begins = Millis(max(key.not_before, at + cooling_off))
    if begins >= key.not_after:
        raise not_valid("this key would end before its cooling-off time is over")
    return replace(key, not_before=begins)


def _known(known: KnownKey, tables: Tables) -> list[Change]:
    public, name = known.identity.public, known.identity.unit
    return [
        Put(tables.keys, public.kid, known),
        Put(tables.key_names, public.kid, name),
        Put(tables.key_names, public.pq_kid, name),
    ]


def not_valid(message: str) -> Rejected:
    """The refusal of a statement that does not fit what is in the directory."""
    return Rejected(Code.E_STATEMENT, message)
