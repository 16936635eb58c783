"""The rules of the directory: who may issue which statement, and its consequences. Pure.

    statement     by                              effect
    registrar     root keys, `threshold` of them  appoints a registrar
    unit          a registrar                     facts about a unit; the version goes up by one
    identity      a registrar                     appoints a signing key of a known unit
    router        a registrar                     appoints a signing key of a router
    ledger        a registrar                     appoints a signing key of a ledger
    succession    the party's own key             appoints its next one: see appointments/line.py
    epoch         the unit's own identity         the unit's encryption key for one epoch
    status        a registrar                     suspends or resumes a unit
    revocation    see `_check_may_revoke`         withdraws a key, and what a compromised key signed for
    quota         a root key or a registrar       how much a unit may ask for; the newest one counts
    policy        a registrar                     by what the rules of exchange judge: registrars/policies.py
    a later type  a root key or a registrar       none here: it has its place, and is read by later programs

The law of later types (docs/adr/0031): whether one has its place depends on its issuer, its time and its
signatures alone, never on its body; and no statement of types 1 to 9 is judged by what a later type says. So
programs that read different types have the same directory. What must be understood by all is no later type:
it is a statement of another version, which every program refuses.

Where the root asks for several registrars, or several root keys, what is dangerous takes effect once as many
have stated the same: registrars/agreement.py.

An issuer is judged at its place in the log: a key revoked earlier in the log issues nothing, whatever
time it claims. Its validity is judged by the claimed time, and by the latest time that a registrar has
stated before (`clock`), so that a stolen expired key cannot date itself back. Never by the present time:
every replica must come to the same result, whenever it reads.

A key names one successor, once. The keys that follow one another so end two years after the one that a
registrar appointed at the latest: whoever has stolen one cannot renew it for ever. With a compromised key
all fall that it has named (docs/adr/0028-keys-that-renew-themselves.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import assert_never

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from keys.appointments.line import Issuer, Support, appoint_key, name_successor, not_valid
from keys.possession import check_possession
from keys.registrars.policies import state_policy, undo_policies
from keys.registrars.standing import state_about, undo
from keys.root_of_trust import RootOfTrust
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
    body_type,
)
from keys.tables import Change, KeyRole, KnownEpoch, KnownKey, Put, Tables
from protocol.epochs import bounds, to_publish
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, KeyId, Millis, UnitId
from protocol.parties import EpochKey, IdentityKey
from protocol.public_keys import EpochPublic

MAY_STATE: dict[int, frozenset[KeyRole]] = {
    StatementType.REGISTRAR: frozenset({KeyRole.ROOT}),
    StatementType.UNIT: frozenset({KeyRole.REGISTRAR}),
    StatementType.IDENTITY: frozenset({KeyRole.REGISTRAR}),
    StatementType.ROUTER: frozenset({KeyRole.REGISTRAR}),
    StatementType.LEDGER: frozenset({KeyRole.REGISTRAR}),
    StatementType.SUCCESSION: frozenset({KeyRole.UNIT, KeyRole.ROUTER, KeyRole.LEDGER}),
    StatementType.EPOCH: frozenset({KeyRole.UNIT}),
    StatementType.STATUS: frozenset({KeyRole.REGISTRAR}),
    StatementType.REVOCATION: frozenset({KeyRole.ROOT, KeyRole.REGISTRAR, KeyRole.UNIT}),
}

MAY_STATE_LATER: frozenset[KeyRole] = frozenset({KeyRole.ROOT, KeyRole.REGISTRAR})
"""Those who fill the directory already with what nobody can refuse them; no unit, and no process."""

_ANY_SCALAR = X25519PrivateKey.from_private_bytes(bytes(range(32)))
_ML_KEM_768_PUBLIC = 1184


def find_issuer(
    statement: Statement, name: Digest, *, tables: Tables, root: RootOfTrust, clock: Millis
) -> Issuer:
    """The issuer, entitled to make this kind of statement at this place in the log, or `Rejected`.

    `name` is the statement's SHA-256.
    """
    kid = statement.issuer
    pinned = root.signer_of(kid, name)
    if pinned is not None:
        issuer = Issuer(KeyRole.ROOT, None, kid, pinned)
    else:
        known = tables.keys.get(kid)
        if known is None:
            raise Rejected(Code.E_ISSUER, "the directory does not know this issuer")
        _check_was_valid(known.identity, issued=statement.issued, clock=clock)
        issuer = Issuer(known.role, known.identity.unit, kid, known.identity.public)
    stype = body_type(statement.body)
    if issuer.role not in MAY_STATE.get(stype, MAY_STATE_LATER):
        raise Rejected(Code.E_ISSUER, f"a {issuer.role.value} makes no statement of type {stype}")
    return issuer


def consequences(
    statement: Statement,
    *,
    issuer: Issuer,
    support: Support,
    tables: Tables,
    root: RootOfTrust,
    clock: Millis,
) -> list[Change]:
    """The changes that a statement by this issuer brings, with this support, or `Rejected`.

    Changes nothing itself. Whether the support is enough is judged in registrars/agreement.py.
    """
    match statement.body:
        case Appointment() as made:
            follows = made.stype is StatementType.SUCCESSION
            name = (
                partial(name_successor, issuer=issuer) if follows else partial(appoint_key, support=support)
            )
            return name(made, statement, tables=tables, root=root, clock=clock)
        case UnitFacts() | StatusChange() | QuotaChange() as about:
            return state_about(about, statement, support=support, tables=tables)
        case PolicyVersion() as policy:
            return state_policy(policy, issuer=issuer, support=support, tables=tables)
        case EpochPublication() as publication:
            return _publish(publication, statement, issuer=issuer, tables=tables)
        case Revocation() as revocation:
            return _revoke(revocation, statement.issued, issuer=issuer, tables=tables)
        case Unread():
            return []
        case _:
            assert_never(statement.body)


def prove_keys(body: Body) -> None:
    """What a statement proves of its keys; it does not depend on what else is in the directory."""
    match body:
        case Appointment():
            check_possession(body)
        case EpochPublication():
            check_epoch(body.public)
        case _:
            pass


def _check_was_valid(key: IdentityKey, *, issued: Millis, clock: Millis) -> None:
    if key.revoked:
        raise Rejected(Code.E_ISSUER, "the issuer's key is revoked")
    if issued < key.not_before:
        raise Rejected(Code.E_ISSUER, "the issuer's key was not valid yet")
    if max(issued, clock) > key.not_after:
        raise Rejected(Code.E_ISSUER, "the issuer's key was not valid any more")


def _publish(made: EpochPublication, statement: Statement, *, issuer: Issuer, tables: Tables) -> list[Change]:
    if issuer.name != made.unit:
        raise Rejected(Code.E_ISSUER, "a unit publishes its own epoch keys only")
    if made.epoch not in to_publish(statement.issued):
        raise not_valid("an epoch key is published for the running epoch or one of the next two")
    if tables.live_epochs.get((made.unit, made.epoch)) is not None:
        raise not_valid("the unit has a key for this epoch; it is revoked before another is published")
    kid = made.public.kid
    if kid in tables.epochs:
        raise not_valid("this epoch key was published before")
    key = EpochKey(made.unit, made.epoch, made.public, revoked=False)
    return [
        Put(tables.epochs, kid, KnownEpoch(key, issuer.kid)),
        Put(tables.live_epochs, (made.unit, made.epoch), key),
    ]


def _revoke(made: Revocation, issued: Millis, *, issuer: Issuer, tables: Tables) -> list[Change]:
    since = made.compromised_since
    if since is not None and since > issued:
        raise not_valid("a compromise that lies ahead")
    epoch = tables.epochs.get(made.kid)
    if epoch is not None:
        _check_may_revoke(issuer, KeyRole.UNIT, owner=epoch.key.unit, named=made.unit)
        if epoch.key.revoked:
            raise not_valid("this key is revoked already")
        return list(_withdraw_epoch(made.kid, epoch, tables))
    known = tables.keys.get(made.kid)
    if known is None:
        raise not_valid("the directory does not know this key")
    _check_may_revoke(issuer, known.role, owner=known.identity.unit, named=made.unit)
    if not _is_stricter(since, known.identity):
        raise not_valid("this key is revoked already, and this would not make it stricter")
    return list(_withdraw(made.kid, known, since, tables))


def _check_may_revoke(issuer: Issuer, role: KeyRole, *, owner: UnitId, named: UnitId) -> None:
    """The root revokes a registrar; a registrar or the unit a unit's key; a registrar all others."""
    if owner != named:
        raise not_valid("the key is another's than the revocation says")
    by = {KeyRole.REGISTRAR: {KeyRole.ROOT}, KeyRole.UNIT: {KeyRole.REGISTRAR, KeyRole.UNIT}}
    if issuer.role not in by.get(role, {KeyRole.REGISTRAR}):
        raise Rejected(Code.E_ISSUER, f"a {issuer.role.value} does not revoke the key of a {role.value}")
    if issuer.role is KeyRole.UNIT and issuer.name != owner:
        raise Rejected(Code.E_ISSUER, "a unit revokes its own keys only")


def _withdraw(kid: KeyId, known: KnownKey, since: Millis | None, tables: Tables) -> Iterator[Change]:
    fallen = replace(known.identity, revoked=True, compromised_since=since)
    withdrawn = replace(known, identity=fallen)
    yield Put(tables.keys, kid, withdrawn)
    if since is None:
        return
    dated = known.role is KeyRole.REGISTRAR
    if dated:
        yield from undo(kid, withdrawn, tables)
        yield from undo_policies(kid, withdrawn, tables)
    # What a thief may have signed for is revoked with the key. For epoch keys the claimed time does not help,
    # since a thief may date back within a week: all that could still be sealed to from then on are revoked.
    for epoch_kid, epoch in tables.epochs.items():
        if epoch.vouched_by == kid and not epoch.key.revoked and bounds(epoch.key.epoch)[1] > since:
            yield from _withdraw_epoch(epoch_kid, epoch, tables)
    # Nor for a successor, as long as no registrar states anything: the log's time moves with those alone.
    for other_kid, other in tables.keys.items():
        if not _rests_on(other, kid, since if dated else 0):
            continue
        if _is_stricter(since, other.identity):
            yield from _withdraw(other_kid, other, since, tables)


def _rests_on(key: KnownKey, kid: KeyId, since: int) -> bool:
    """Whether this key was appointed by the other one from then on, or by several, and it was one of them."""
    by = [(vote.by, vote.at) for vote in key.agreed] or [(key.appointed_by, key.appointed_at)]
    return any(one == kid and at >= since for one, at in by)


def _is_stricter(since: Millis | None, key: IdentityKey) -> bool:
    if not key.revoked:
        return True
    return since is not None and (key.compromised_since is None or since < key.compromised_since)


def _withdraw_epoch(kid: KeyId, epoch: KnownEpoch, tables: Tables) -> Iterator[Change]:
    fallen = replace(epoch.key, revoked=True)
    yield Put(tables.epochs, kid, replace(epoch, key=fallen))
    live = tables.live_epochs.get((fallen.unit, fallen.epoch))
    if live is not None and live.public == fallen.public:
        yield Put(tables.live_epochs, (fallen.unit, fallen.epoch), None)


def check_epoch(public: EpochPublic) -> None:
    """Refuse an epoch key that parses and cannot be sealed to.

    With an X25519 point of small order the shared secret is zero, and the library refuses to seal to it: a
    unit that published one would make every sender fail that addresses it. (Ed25519 keys of small order need
    no check here: nothing verifies under them, and so no proof of possession either.)
    """
    public.hpke_key()
    try:
        # Any scalar will do: the library refuses an all-zero result, which small order alone can give.
        _ANY_SCALAR.exchange(X25519PublicKey.from_public_bytes(public.x_wing[_ML_KEM_768_PUBLIC:]))
    except ValueError:
        raise Rejected(Code.E_STATEMENT, "an X25519 key of small order") from None
