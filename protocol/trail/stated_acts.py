"""Stated acts: which role may state which act, and one signature over the leaves that they make.

    root    = RFC 6962 root over the entries (protocol/trail/records.py) of the acts, in their order
    stated  = signed structure of suite 2, context "contrada/actions/1", over [ 1, actor, t, count, root ]
    acts    = [ 1, "acts", [ [act, salt], ... ], signed ]         to the audit topic; `actions` of the CDDL
    signed  = stated; or of one act that takes two registrars, what both have signed (two_signatures.py)

    act                  by
    directory statement  ledger
    policy change        registrar
    deletion             registrar
    break-glass          registrar
    auditor access       registrar, ledger
    quarantine release   registrar; two where the root asks for more than one
    software start       router, registrar, ledger
    unverified           the ledger, in its log: nobody states it
    audit gap            as a release; alone, and the ledger writes it to the topic of publications too
    audit rewound        the ledger, in its log: nobody states it
    Kafka put back       as a release; alone, and to the topic of publications too

Rules: an act is stated under the name and within the validity of the key that signs it, for the time at
which it is signed. Both signatures, because these are few and are read decades later. What is signed names
no record and no salt, as with a router's decisions (protocol/trail/batches.py): it is kept for auditors, and
stays when a record is deleted. Entries show type and time, so both are judged without records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Entropy, KeyId, Millis, UnitId
from protocol.item_forms import uint
from protocol.merkle import leaf_hash, root_of
from protocol.parties import OperatorKey, OperatorRole, Parties
from protocol.signatures import ACTS, Signer, Suite, parse_signed, sign, verify
from protocol.trail.acts import Act, act_leaf, encode_act, parse_act
from protocol.trail.batches import Leaf
from protocol.trail.operators import operator_at
from protocol.trail.records import RECORD_SALT, VERSION, RecordType
from protocol.trail.two_signatures import (
    Agreed,
    HalfSigner,
    check_agreement,
    sign_agreement,
    split_signed,
    takes_two,
)

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
    agreed: Agreed | None = None
    """The second registrar, where it takes two."""

    @property
    def last(self) -> tuple[UnitId, Millis]:
        """Who signed last, and when: from then on it counts."""
        return (self.actor, self.t) if self.agreed is None else (self.agreed.actor, self.agreed.t)

    @property
    def names(self) -> str:
        """Who signed, in words."""
        return f"{self.actor} alone" if self.agreed is None else f"{self.actor} and {self.agreed.actor}"


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


def acts_in(data: bytes) -> tuple[Act, ...]:
    """The acts of such a record. Only its form is checked: nobody may have signed it."""
    leaves, _ = _opened(data)
    return tuple(parse_act(leaf.record) for leaf in leaves)


def agree_to_half(half: bytes, *, actor: UnitId, now: Millis, signer: Signer) -> bytes:
    """The record that counts, from one that another registrar alone has signed. Verify it before."""
    leaves, stated = _opened(half)
    both = sign_agreement(stated, actor=actor, now=now, signer=signer)
    return acts_again([(leaf.record, leaf.salt) for leaf in leaves], both)


def verify_acts(data: bytes, *, parties: Parties) -> StatedActs:
    """Acts signed by an operator who may state them, and by two where it takes two; or `Rejected`."""
    leaves, signed = _opened(data)
    return _own(leaves, signed, check_stated(signed, [leaf.entry for leaf in leaves], parties=parties))


def verify_half(data: bytes, *, parties: Parties) -> StatedActs:
    """One act that takes two registrars and that one has signed, or `Rejected`. It counts for nothing yet."""
    leaves, signed = _opened(data)
    entries = [leaf.entry for leaf in leaves]
    if len(entries) != 1 or not takes_two(entries, parties):
        raise Rejected(Code.E_AGREEMENT, "not one act that takes two registrars")
    return _own(leaves, signed, _check_half(signed, entries, parties))


def check_stated(data: bytes, entries: Sequence[bytes], *, parties: Parties) -> Stated:
    """The operators who stated the acts with exactly these entries, if entitled, or `Rejected`.

    That each act is in the first one's name is in its record: a reader with the records compares it.
    """
    stated, agreed = split_signed(data)
    by = _check_half(stated, entries, parties)
    if not takes_two(entries, parties):
        if agreed is not None:
            raise Rejected(Code.E_AGREEMENT, "signed by two, and one states this here")
        return by
    first = HalfSigner(by.actor, by.t, by.kid)
    second = check_agreement(agreed, stated=stated, by=first, parties=parties)
    if len(entries) != 1:
        # What the second one is shown is one act.
        raise Rejected(Code.E_AGREEMENT, "what takes two registrars is stated alone")
    return replace(by, agreed=second)


def _opened(data: bytes) -> tuple[tuple[Leaf, ...], bytes]:
    """The leaves of a record of acts, and what was signed of them. Only its form is checked."""
    match decode(data, limit=limits.MAX_RECORD, items=limits.MAX_ROW_ITEMS):
        case [version, "acts", [*rows], bytes(signed)] if 0 < len(rows) <= MAX_ACTS:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            return tuple(map(_leaf, rows)), signed
        case _:
            raise Rejected(Code.E_SCHEMA, "not a list of acts of version 1")


def _own(leaves: tuple[Leaf, ...], signed: bytes, stated: Stated) -> StatedActs:
    acts = tuple(parse_act(leaf.record) for leaf in leaves)
    if any(act.actor != stated.actor for act in acts):
        raise Rejected(Code.E_ISSUER, "an act in the name of somebody else")
    return StatedActs(stated, acts, leaves, signed)


def _check_half(data: bytes, entries: Sequence[bytes], parties: Parties) -> Stated:
    """Who stated the acts with exactly these entries, whether or not it takes another one."""
    signed = parse_signed(data)
    if signed.suite is not Suite.HYBRID:
        raise Rejected(Code.E_SUITE_BELOW_MIN, "acts without both signatures", hint="sign with suite 2")
    match decode(signed.payload, limit=256):
        case [version, actor, time, number, bytes(root)] if len(root) == 32:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            t, count = Millis(uint(time)), uint(number)
            by = operator_at(parties, signed.kid, actor, t)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a root of acts of version 1")
    verify(signed, by.identity.public, context=ACTS)
    if not entries or count != len(entries) or root_of([leaf_hash(entry) for entry in entries]) != root:
        raise Rejected(Code.E_RECEIPT, "the acts are not those that were signed", hint="do not rely on them")
    for entry in entries:
        _check_entry(entry, by, t)
    return Stated(by.role, by.identity.unit, t, signed.kid)


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
