"""Enrolment of units and renewal of identities: the requests, and a registrar's statements for them. Pure.

    enrolment = signed structure of suite 2, context "contrada/enrolment/1", by the new identity, over
                [ v: 1, contact: tstr, appointment, [ * epoch-statement: bstr ] ]
    rotation  = signed structure of suite 2, context "contrada/rotation/1", by the identity of today, over
                an enrolment by the next one

Rules: the request proves that the unit holds both private keys, not that it is the unit. For that two
people compare `EnrolmentRequest.fingerprint` over another channel before the registrar signs. A rotation
needs no such call: the identity that was checked then signs for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keys.possession import check_possession
from keys.root_of_trust import fingerprint
from keys.statement_types import Appointment, EpochPublication, StatementType, UnitFacts
from keys.statements import appointment_item, issue, parse_appointment, parse_statement, printable_text
from protocol.canonical import decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.key_validity import check_signing_key
from protocol.limits import MAX_HEADER
from protocol.parties import Parties
from protocol.signatures import Context, Signer, Suite, parse_signed, sign, verify

ENROLMENT = Context(b"contrada/enrolment/1")
ROTATION = Context(b"contrada/rotation/1")
MAX_CONTACT = 200
MAX_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """A request whose signatures hold."""

    appointment: Appointment
    contact: str
    epochs: tuple[bytes, ...]

    @property
    def unit(self) -> UnitId:
        """Who asks."""
        return self.appointment.name

    @property
    def fingerprint(self) -> str:
        """What two people compare over another channel."""
        return fingerprint(self.appointment.public)


def request_enrolment(made: Appointment, *, signer: Signer, contact: str, epochs: Sequence[bytes]) -> bytes:
    """A request to be enrolled."""
    try:
        printable_text(contact, MAX_CONTACT)
    except Rejected as error:
        raise MisuseError(error.sentence, hint="name a person and how to reach them, in one line") from None
    payload = encode([1, contact, appointment_item(made), list(epochs)])
    return sign(payload, suite=Suite.HYBRID, signer=signer, context=ENROLMENT)


def request_rotation(made: Appointment, *, successor: Signer, predecessor: Signer) -> bytes:
    """A request to appoint the next identity, signed by the present one."""
    inner = request_enrolment(made, signer=successor, contact="rotation", epochs=())
    return sign(inner, suite=Suite.HYBRID, signer=predecessor, context=ROTATION)


def parse_enrolment(data: bytes) -> EnrolmentRequest:
    """The request, with every signature in it verified, or `Rejected`."""
    signed = parse_signed(data)
    match decode(signed.payload, limit=MAX_HEADER):
        case [version, contact, list(item), list(epochs)] if type(version) is int and version == 1:
            made = parse_appointment(StatementType.IDENTITY, item)
        case _:
            raise Rejected(Code.E_SCHEMA, "not an enrolment request")
    if signed.suite is not Suite.HYBRID:
        raise Rejected(Code.E_SUITE_BELOW_MIN, "a request without both signatures", hint="sign with suite 2")
    verify(signed, made.public, context=ENROLMENT)
    check_possession(made)
    if len(epochs) > MAX_EPOCHS:
        raise Rejected(Code.E_SCHEMA, f"a request carries at most {MAX_EPOCHS} epoch keys")
    return EnrolmentRequest(
        made, printable_text(contact, MAX_CONTACT), tuple(_epoch(raw, made) for raw in epochs)
    )


def enrolment_statements(
    request: bytes, *, registrar: Signer, facts: UnitFacts | None, now: Millis
) -> list[bytes]:
    """The statements that enrol a unit, in the order in which they are to be published.

    `facts` is None for a unit that the directory describes already and that has lost its keys.
    """
    return statements_of(parse_enrolment(request), registrar=registrar, facts=facts, now=now)


def statements_of(
    request: EnrolmentRequest, *, registrar: Signer, facts: UnitFacts | None, now: Millis
) -> list[bytes]:
    """The same of a request that `parse_enrolment` has verified."""
    if facts is not None and facts.unit != request.unit:
        raise Rejected(Code.E_STATEMENT, "the request is another unit's than the facts describe")
    described = [] if facts is None else [issue(facts, signer=registrar, issued=now)]
    return [*described, issue(request.appointment, signer=registrar, issued=now), *request.epochs]


def rotation_statements(request: bytes, *, registrar: Signer, parties: Parties, now: Millis) -> list[bytes]:
    """The statement that appoints a unit's next identity, if the present one asks for it."""
    outer = parse_signed(request)
    parsed = parse_enrolment(outer.payload)
    if outer.suite is not Suite.HYBRID:
        raise Rejected(Code.E_SUITE_BELOW_MIN, "a request without both signatures", hint="sign with suite 2")
    predecessor = check_signing_key(parties.identity(parsed.unit, outer.kid), signed_at=now, judged_at=now)
    verify(outer, predecessor.public, context=ROTATION)
    return [issue(parsed.appointment, signer=registrar, issued=now)]


def _epoch(raw: object, made: Appointment) -> bytes:
    if not isinstance(raw, bytes):
        raise Rejected(Code.E_SCHEMA, "not an epoch statement")
    parsed = parse_statement(raw)
    body = parsed.statement.body
    if not isinstance(body, EpochPublication) or body.unit != made.name:
        raise Rejected(Code.E_STATEMENT, "something else than the unit's own epoch keys")
    parsed.verify(made.public)
    return raw
