"""Two signatures under one act: one registrar states it, another one agrees.

    stated  = signed structure of suite 2, context "contrada/actions/1"    as of every act (stated_acts.py)
    agreed  = signed structure of suite 2, context "contrada/agreement/1", over [ 1, actor, t, half ]
    half    = SHA-256 of `stated`, its signatures included
    both    = [ stated, agreed ]                            where an act of one signature has `stated` alone

Owns which acts take two, the form of the second signature, and when it counts (docs/adr/0042). Rules:
- Two are asked for where the pinned root asks for more than one registrar; then `both` is the only form.
  Otherwise `stated` is.
- Two registrars are two by their names: one person who has a renewed key beside the one before is one.
- The second signs what the first has signed, and no other act: the digest is of the first's signatures.
- It counts for 30 days, and the keys of both must be good when the second one signs. So a half that a thief
  dated back to before the theft is worth nothing once the key is withdrawn.
- The context is another one: whoever has agreed has stated nothing, and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from protocol import limits
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.item_forms import uint
from protocol.parties import OperatorRole, Parties
from protocol.signatures import AGREEMENT, Signer, Suite, parse_signed, sign, verify
from protocol.trail.operators import operator_at
from protocol.trail.records import VERSION, RecordType

TAKES_TWO: Final = frozenset({RecordType.QUARANTINE_RELEASE, RecordType.AUDIT_GAP, RecordType.KAFKA_PUT_BACK})
"""What lets something out, or has the log go on over what is missing, or decided twice."""

_TYPES: Final = frozenset(map(int, TAKES_TWO))
_PAIR: Final = b"\x82"
_MAX_BOTH: Final = 2 * limits.MAX_HEADER + 16


@dataclass(frozen=True, slots=True)
class HalfSigner:
    """Who signed the first half: the registrar, when, and with which key."""

    actor: UnitId
    t: Millis
    kid: KeyId


@dataclass(frozen=True, slots=True)
class Agreed:
    """The second registrar, and when."""

    actor: UnitId
    t: Millis
    kid: KeyId


def takes_two(entries: Sequence[bytes], parties: Parties) -> bool:
    """Whether acts with these entries take two registrars in this exchange."""
    return parties.agreeing > 1 and any(_type_of(entry) in _TYPES for entry in entries)


def split_signed(signed: bytes) -> tuple[bytes, bytes | None]:
    """What the first one signed, and what the second one did, if there is one. Nothing is verified."""
    if signed[:1] != _PAIR:
        return signed, None
    match decode(signed, limit=_MAX_BOTH):
        case [bytes(stated), bytes(agreed)]:
            return stated, agreed
        case _:
            raise Rejected(Code.E_SCHEMA, "not what two have signed")


def half_of(signed: bytes) -> bytes:
    """What is the same, whoever agrees with it and however often; itself where it is not what two signed."""
    try:
        return split_signed(signed)[0]
    except Rejected:
        return signed


def sign_agreement(stated: bytes, *, actor: UnitId, now: Millis, signer: Signer) -> bytes:
    """Both signatures: what one registrar has stated, and that this one agrees."""
    payload = encode([VERSION, actor, now, sha256(stated).digest()])
    return encode([stated, sign(payload, suite=Suite.HYBRID, signer=signer, context=AGREEMENT)])


def check_agreement(data: bytes | None, *, stated: bytes, by: HalfSigner, parties: Parties) -> Agreed:
    """The second registrar's signature under what the first one stated, or `Rejected`."""
    if data is None:
        raise Rejected(Code.E_AGREEMENT, "an act that takes two registrars, and one has signed it")
    signed = parse_signed(data)
    if signed.suite is not Suite.HYBRID:
        raise Rejected(Code.E_SUITE_BELOW_MIN, "agreed without both signatures", hint="sign with suite 2")
    match decode(signed.payload, limit=256):
        case [version, actor, time, bytes(half)]:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            t = Millis(uint(time))
        case _:
            raise Rejected(Code.E_SCHEMA, "not an agreement of version 1")
    if half != sha256(stated).digest():
        raise Rejected(Code.E_AGREEMENT, "agreed was to something else")
    at = _in_time(by.t, t)
    second = operator_at(parties, signed.kid, actor, at)
    if second.role is not OperatorRole.REGISTRAR:
        raise Rejected(Code.E_ISSUER, f"a {second.role.value} agrees to nothing")
    if second.identity.unit == by.actor:
        raise Rejected(Code.E_AGREEMENT, "both signatures are of one registrar")
    operator_at(parties, by.kid, by.actor, at)
    verify(signed, second.identity.public, context=AGREEMENT)
    return Agreed(second.identity.unit, t, signed.kid)


def _in_time(stated: Millis, agreed: Millis) -> Millis:
    """When it took effect: the later one of both."""
    if not stated - limits.CLOCK_TOLERANCE <= agreed <= stated + limits.AGREED_WITHIN:
        raise Rejected(Code.E_AGREEMENT, "agreed was before it was stated, or more than 30 days after")
    return Millis(max(stated, agreed))


def _type_of(entry: bytes) -> int | None:
    match decode(entry, limit=64):
        case [_, int(kind), *_]:
            return kind
        case _:
            return None
