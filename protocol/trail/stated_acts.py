"""Stated acts: which role may state which act, and one signature over the leaves that they make.

    root    = RFC 6962 root over the entries (protocol/trail/records.py) of the acts, in their order
    stated  = signed structure of suite 2, context "contrada/actions/1", over [ 1, actor, t, count, root ]
    acts    = [ 1, "acts", [ [act, salt], ... ], stated ]         to the audit topic; `actions` of the CDDL

    act                  by
    directory statement  ledger
    policy change        registrar
    deletion             registrar
    break-glass          registrar
    auditor access       registrar, ledger
    quarantine release   registrar
    software start       router, registrar, ledger
    unverified           the ledger, in its log: nobody states it
    audit gap            registrar; alone, and the ledger writes it to the topic of publications too
    audit rewound        the ledger, in its log: nobody states it
    Kafka put back       registrar; alone, and to the topic of publications too

Rules: an act is stated under the name and within the validity of the key that signs it, for the time at
which it is signed. Both signatures, because these are few and are read decades later. What is signed names
no record and no salt, as with a router's decisions (protocol/trail/batches.py): it is kept for auditors, and
stays when a record is deleted. Entries show type and time, so both are judged without records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Entropy, KeyId, Millis, UnitId
from protocol.item_forms import uint
from protocol.merkle import leaf_hash, root_of
from protocol.parties import IdentityKey, OperatorKey, OperatorRole, Parties
from protocol.signatures import ACTS, Signer, Suite, parse_signed, sign, verify
from protocol.trail.acts import Act, act_leaf, encode_act, parse_act
from protocol.trail.batches import Leaf
from protocol.trail.records import RECORD_SALT, VERSION, RecordType

MAX_ACTS = 1_000

_ACTS: Final = "acts"
_NOTICE: Final = b"\x84\x01\x64acts"
_LEDGER, _REGISTRAR, _ROUTER = OperatorRole.LEDGER, OperatorRole.REGISTRAR, OperatorRole.ROUTER

MAY_STATE: dict[RecordType, frozenset[OperatorRole]] = {
    RecordType.DIRECTORY_STATEMENT: frozenset({_LEDGER}),
    RecordType.POLICY_CHANGE: frozenset({_REGISTRAR}),
    RecordType.DELETION: frozenset({_REGISTRAR}),
    RecordType.BREAK_GLASS: frozenset({_REGISTRAR}),
    RecordType.AUDITOR_ACCESS: frozenset({_REGISTRAR, _LEDGER}),
    RecordType.QUARANTINE_RELEASE: frozenset({_REGISTRAR}),
    RecordType.SOFTWARE_START: frozenset(OperatorRole),
    RecordType.UNVERIFIED: frozenset(),
    RecordType.AUDIT_GAP: frozenset({_REGISTRAR}),
    RecordType.AUDIT_REWOUND: frozenset(),
    RecordType.KAFKA_PUT_BACK: frozenset({_REGISTRAR}),
}

_ROLES: Final = {int(kind): roles for kind, roles in MAY_STATE.items()}


@dataclass(frozen=True, slots=True)
class Stated:
    """Who stated acts together, and when."""

    role: OperatorRole
    actor: UnitId
    t: Millis
    kid: KeyId


@dataclass(frozen=True, slots=True)
class StatedActs:
    """Acts that one operator stated together, verified, with the leaves that they make."""

    by: Stated
    acts: tuple[Act, ...]
    leaves: tuple[Leaf, ...]
    signed: bytes
    """What `check_stated` takes."""


def sign_acts(acts: Sequence[Act], *, actor: UnitId, now: Millis, signer: Signer, entropy: Entropy) -> bytes:
    """What an operator puts into the audit topic: the acts, each with a salt, signed together."""
    if not 0 < len(acts) <= MAX_ACTS or any(a.actor != actor or a.t != now for a in acts):
        raise MisuseError("acts are stated together by one actor, for one time")
    for act in acts:
        parse_act(encode_act(act))
    leaves = [act_leaf(act, entropy(RECORD_SALT)) for act in acts]
    root = root_of([leaf.hash for leaf in leaves])
    payload = encode([VERSION, actor, now, len(leaves), root])
    stated = sign(payload, suite=Suite.HYBRID, signer=signer, context=ACTS)
    return encode([VERSION, _ACTS, [[leaf.record, leaf.salt] for leaf in leaves], stated])


def is_acts(data: bytes) -> bool:
    """Whether a record of the audit topic holds acts; otherwise it holds decisions.

    By its first byte: acts are an array of four, decisions are an array of three.
    """
    return data[:1] == b"\x84"


def is_notice(data: bytes) -> bool:
    """Whether a record of the topic `ledger` holds acts for everybody to see, and is no publication.

    By its beginning: [ 1, "acts", ... ]. No log has that name.
    """
    return data.startswith(_NOTICE)


def acts_again(rows: Sequence[tuple[bytes, bytes]], signed: bytes) -> bytes:
    """What an operator had put into the audit topic, from the records and salts of its leaves."""
    return encode([VERSION, _ACTS, [[record, salt] for record, salt in rows], signed])


def verify_acts(data: bytes, *, parties: Parties) -> StatedActs:
    """Acts signed by an operator who may state them, or `Rejected`."""
    match decode(data, limit=limits.MAX_RECORD, items=limits.MAX_ROW_ITEMS):
        case [version, "acts", [*rows], bytes(signed)] if 0 < len(rows) <= MAX_ACTS:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            leaves = tuple(map(_leaf, rows))
        case _:
            raise Rejected(Code.E_SCHEMA, "not a list of acts of version 1")
    stated = check_stated(signed, [leaf.entry for leaf in leaves], parties=parties)
    acts = tuple(parse_act(leaf.record) for leaf in leaves)
    if any(act.actor != stated.actor for act in acts):
        raise Rejected(Code.E_ISSUER, "an act in the name of somebody else")
    return StatedActs(stated, acts, leaves, signed)


def check_stated(data: bytes, entries: Sequence[bytes], *, parties: Parties) -> Stated:
    """The operator who stated the acts with exactly these entries, if entitled, or `Rejected`.

    That each act is in that operator's name is in its record: a reader with the records compares it.
    """
    signed = parse_signed(data)
    if signed.suite is not Suite.HYBRID:
        raise Rejected(Code.E_SUITE_BELOW_MIN, "acts without both signatures", hint="sign with suite 2")
    match decode(signed.payload, limit=256):
        case [version, actor, time, number, bytes(root)] if len(root) == 32:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            t, count = Millis(uint(time)), uint(number)
            by = _operator(parties.operator_key(signed.kid), actor, t)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a root of acts of version 1")
    verify(signed, by.identity.public, context=ACTS)
    if not entries or count != len(entries) or root_of([leaf_hash(entry) for entry in entries]) != root:
        raise Rejected(Code.E_RECEIPT, "the acts are not those that were signed", hint="do not rely on them")
    for entry in entries:
        _check_entry(entry, by, t)
    return Stated(by.role, by.identity.unit, t, signed.kid)


def _operator(by: OperatorKey | None, actor: Item, t: Millis) -> OperatorKey:
    if by is None:
        raise Rejected(Code.E_ISSUER, "signed by a key that no operator has")
    if by.identity.unit != actor:
        raise Rejected(Code.E_ISSUER, "signed with the key of another operator")
    if not _was_good(by.identity, t):
        raise Rejected(Code.E_ISSUER, "the operator's key was not valid then")
    return by


def _was_good(key: IdentityKey, t: Millis) -> bool:
    compromised = key.revoked and (key.compromised_since is None or key.compromised_since <= t)
    return not compromised and key.not_before <= t <= key.not_after


def _check_entry(entry: bytes, by: OperatorKey, t: Millis) -> None:
    match decode(entry, limit=64):
        case [_, kind, time, _]:
            if time != t:
                raise Rejected(Code.E_ISSUER, "an act of another time than it was stated at")
            if by.role not in _ROLES.get(uint(kind), frozenset()):
                raise Rejected(Code.E_ISSUER, f"a {by.role.value} does not state what has type {kind}")
        case _:
            raise Rejected(Code.E_SCHEMA, "not an entry of an audit log")


def _leaf(row: Item) -> Leaf:
    match row:
        case [bytes(raw), bytes(salt)] if len(salt) == RECORD_SALT:
            return act_leaf(parse_act(raw), salt)
        case _:
            raise Rejected(Code.E_SCHEMA, "a row of acts is not [act, salt]")
