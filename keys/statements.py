"""The signed statements of the key directory: encoding, strict parsing, signing. Pure.

    statement   = signed structure of suite 2, context "contrada/statement/1", over
                  [ v: 1, stype: uint, issued: ms, issuer: kid, body ]
    appointment = [ name, ed25519, ml-dsa-65, not-before, not-after, proof ]   types 1, 3, 7 to 9
    unit        = [ unit, version, kind, name, clearance, basis, [ * purpose ], national-unit / null,
                    waives-copy, min-suite, outbox-partitions, inbox-partitions ]            type 2
    epoch       = [ unit, epoch, x-wing ]                                                    type 4
    status      = [ unit, suspended, reason ]                                                type 5
    revocation  = [ unit, kid, reason, compromised-since / null ]                            type 6
    quota       = [ unit, messages, bytes, copies, refusals ]                                type 10
    policy      = [ version, since, policy ]          protocol/exchange/exchange_policy.py   type 11
    later       = [ * any ]                                                                  types from 10 on
    proof       = see possession.py

Rules:
- What is parsed is encoded again and compared, so that one statement has one form only.
- A statement of a later type is parsed as far as every program can: who, when, and a list. A program that
  comes to read such a type refuses none for its body: one that it cannot make sense of stays `Unread`.

Whether a statement may be made, by whom and when, is not judged here (rules.py).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, TypeVar, assert_never

from keys.statement_types import (
    APPOINTMENTS,
    LAST_FOUNDING_TYPE,
    MAX_NAME,
    MAX_PARTITIONS,
    MAX_REASON,
    MAX_TYPE,
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
from protocol.canonical import decode, decode_again, encode
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.envelope.quotas import Quota
from protocol.errors import Code, MisuseError, Rejected
from protocol.exchange.exchange_policy import parse_policy_item, policy_item
from protocol.identifiers import Digest, KeyId, Millis, digest, parse_unit_id
from protocol.limits import MAX_STATEMENT, MAX_UINT
from protocol.public_keys import EpochPublic, IdentityPublic
from protocol.signatures import STATEMENT, Signed, Signer, Suite, parse_signed, sign, verify

_Code = TypeVar("_Code", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A parsed statement whose signature is not verified yet."""

    digest: Digest
    signed: Signed
    statement: Statement

    def verify(self, issuer: IdentityPublic) -> None:
        """Both signatures, or `Rejected`."""
        verify(self.signed, issuer, context=STATEMENT)


def issue(body: Body, *, signer: Signer, issued: Millis) -> bytes:
    """A statement, signed."""
    statement = Statement(issued, signer.public.kid, body)
    payload = _encode_payload(statement)
    try:
        parsed = _parse_payload(payload)
    except Rejected as error:
        raise MisuseError(f"this statement would be refused: {error.sentence}", hint=error.hint) from None
    if type(parsed.body) is not type(body):
        raise MisuseError("nobody would read this statement as what it is")
    return sign(payload, suite=Suite.HYBRID, signer=signer, context=STATEMENT)


def parse_statement(data: bytes, *, again: bool = False) -> SignedStatement:
    """The statement, checked in form only.

    `again`: these very bytes were parsed before, and so their one form is not computed a second time.
    """
    signed = parse_signed(data, limit=MAX_STATEMENT, again=again)
    if signed.suite is not Suite.HYBRID:
        raise Rejected(
            Code.E_SUITE_BELOW_MIN, "a statement without both signatures", hint="sign with suite 2"
        )
    statement = _parse_payload(signed.payload, again=again)
    if signed.kid != statement.issuer:
        raise Rejected(Code.E_ISSUER, "signed by another key than the named issuer's")
    return SignedStatement(digest(data), signed, statement)


def appointment_item(made: Appointment) -> list[Any]:
    """The CBOR item of an appointment; enrolment requests carry it too."""
    keys = [made.public.ed25519, made.public.ml_dsa_65]
    return [made.name, *keys, made.not_before, made.not_after, made.proof]


def parse_appointment(stype: StatementType, item: Any) -> Appointment:
    """The appointment in this item, its proof unchecked."""
    match item:
        case [name, bytes(ed), bytes(ml), not_before, not_after, bytes(proof)]:
            public = IdentityPublic(ed, ml)
            return Appointment(stype, parse_unit_id(name), public, _time(not_before), _time(not_after), proof)
        case _:
            raise _bad("not an appointment")


def encode_body(body: Body) -> bytes:
    """What is stated, whoever states it and whenever."""
    return encode([int(body_type(body)), _body_item(body)])


def _encode_payload(statement: Statement) -> bytes:
    stype = int(body_type(statement.body))
    return encode([1, stype, statement.issued, statement.issuer, _body_item(statement.body)])


def _body_item(body: Body) -> list[Any]:
    match body:
        case Appointment():
            return appointment_item(body)
        case UnitFacts():
            return [
                *(body.unit, body.version, int(body.kind), body.name, int(body.clearance), int(body.basis)),
                sorted(int(purpose) for purpose in body.purposes),
                *(body.national_unit, body.waives_copy, int(body.min_suite)),
                *(body.outbox_partitions, body.inbox_partitions),
            ]
        case EpochPublication():
            return [body.unit, body.epoch, body.public.x_wing]
        case StatusChange():
            return [body.unit, body.suspended, body.reason]
        case Revocation():
            return [body.unit, body.kid, body.reason, body.compromised_since]
        case QuotaChange() | PolicyVersion() | Unread():
            return _later_item(body)
        case _:
            assert_never(body)


def _later_item(body: QuotaChange | PolicyVersion | Unread) -> list[Any]:
    match body:
        case QuotaChange():
            return [body.unit, *astuple(body.quota)]
        case PolicyVersion():
            return [body.version, body.since, policy_item(body.policy)]
        case Unread():
            return list(decode_again(body.item))
        case _:
            assert_never(body)


def _parse_payload(payload: bytes, *, again: bool = False) -> Statement:
    match decode_again(payload) if again else decode(payload, limit=MAX_STATEMENT):
        case [version, stype, issued, bytes(issuer), list(body)]:
            if type(version) is not int or version != 1:
                raise Rejected(Code.E_VER, "a statement of another version")
            statement = Statement(_time(issued), _kid(issuer), _parse_body(_uint(stype), body))
        case _:
            raise _bad("not a statement")
    # One form only: sorted purposes, integers that are not booleans, and whatever else was overlooked.
    if not again and _encode_payload(statement) != payload:
        raise _bad("not the one form of this statement")
    return statement


def _parse_body(number: int, item: list[Any]) -> Body:
    if LAST_FOUNDING_TYPE < number <= MAX_TYPE:
        return _parse_later(number, item) or Unread(number, encode(item))
    stype = _one_of(StatementType, number)
    if stype in APPOINTMENTS:
        return parse_appointment(stype, item)
    match stype, item:
        case StatementType.UNIT, _:
            return _parse_facts(item)
        case StatementType.EPOCH, [unit, epoch, bytes(x_wing)]:
            return EpochPublication(parse_unit_id(unit), _uint(epoch), EpochPublic(x_wing))
        case StatementType.STATUS, [unit, bool(suspended), reason]:
            return StatusChange(parse_unit_id(unit), suspended, printable_text(reason, MAX_REASON))
        case StatementType.REVOCATION, [unit, bytes(kid), reason, since]:
            compromised = None if since is None else _time(since)
            return Revocation(parse_unit_id(unit), _kid(kid), printable_text(reason, MAX_REASON), compromised)
        case _:
            raise _bad(f"not a statement of type {stype.name}")


def _parse_later(number: int, item: list[Any]) -> Body | None:
    """What a later type says that this program reads; None where it makes no sense, and is kept as it is."""
    try:
        match number, item:
            case StatementType.QUOTA, [unit, messages, bytes_, copies, refusals]:
                quota = Quota(*map(_uint, (messages, bytes_, copies, refusals)))
                return QuotaChange(parse_unit_id(unit), quota) if quota.is_enough else None
            case StatementType.POLICY, [version, since, policy]:
                return PolicyVersion(_uint(version), _time(since), parse_policy_item(policy))
    except Rejected:
        pass
    return None


def _parse_facts(item: list[Any]) -> UnitFacts:
    match item:
        case [
            unit,
            version,
            kind,
            name,
            clearance,
            basis,
            list(purposes),
            national,
            bool(waives),
            suite,
            out,
            inn,
        ]:
            return UnitFacts(
                unit=parse_unit_id(unit),
                version=_uint(version),
                kind=_one_of(UnitKind, kind),
                name=printable_text(name, MAX_NAME),
                clearance=_one_of(Classification, clearance),
                basis=_one_of(LegalBasis, basis),
                purposes=frozenset(_one_of(Purpose, purpose) for purpose in purposes),
                national_unit=None if national is None else parse_unit_id(national),
                waives_copy=waives,
                min_suite=_one_of(Suite, suite),
                outbox_partitions=_partitions(out),
                inbox_partitions=_partitions(inn),
            )
        case _:
            raise _bad("not the facts about a unit")


def printable_text(value: object, longest: int) -> str:
    """A short printable text: no control characters, on which a terminal would act."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise _bad(f"not a printable text of 1 to {longest} characters")
    return value


def _one_of(codes: type[_Code], value: object) -> _Code:
    try:
        return codes(_uint(value))
    except ValueError:
        raise _bad(f"not a {codes.__name__}") from None


def _partitions(value: object) -> int:
    if not 1 <= (count := _uint(value)) <= MAX_PARTITIONS:
        raise _bad(f"a unit has 1 to {MAX_PARTITIONS} partitions each way")
    return count


def _uint(value: object) -> int:
    # bool is an int to Python, but not to CBOR.
    if type(value) is not int or not 0 <= value <= MAX_UINT:
        raise _bad("not an unsigned integer")
    return value


def _time(value: object) -> Millis:
    return Millis(_uint(value))


def _kid(value: bytes) -> KeyId:
    if len(value) != 16:
        raise _bad("not a key id")
    return KeyId(value)


def _bad(message: str) -> Rejected:
    return Rejected(Code.E_SCHEMA, message)
