"""An invitation: one file for a unit that is not enrolled yet; the request and the answer. Pure.

    terms      = [ v: 1, unit, id: bstr .size 16, until: ms, kafka: tstr, root: bstr, policy: bstr / null,
                   authority: bstr ]                     what the unit and the centre both have
    invitation = [ v: 1, terms: bstr, certificate: bstr, key: bstr ]    the file: terms, and what to ask with
    request    = [ v: 1, terms: bstr .size 32, enrolment: bstr, certificate-request: bstr ]
    answer     = [ v: 1, request: bstr .size 32, certificate: bstr ]

Owns these forms. Whoever holds an invitation may ask, and gets nothing by it: what enrols is that two people
find the same code (spoken_code.py) over terms and request. Rules:
- What is read is bounded and has one form. Whatever is wrong ends in `Rejected`.
- The key in an invitation opens one topic for writing and one for reading, until a date. It is no secret that
  anything rests on.
- An answer needs no signature: its certificate counts for a key that lies at the unit, from the authority
  that the terms name, and enrolled is who is in the directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from keys.enrolment import EnrolmentRequest, parse_enrolment
from keys.joining.places import joining_name
from keys.root_of_trust import RootOfTrust
from keys.wire.certificate_requests import MAX_REQUEST, requested_key
from keys.wire.certificates import Credentials, Shown, read_credentials, read_shown
from protocol import topics
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, Millis, UnitId, digest, parse_unit_id
from protocol.limits import DAY, MAX_HEADER, MAX_POLICY_TEXT, MAX_STATEMENT, MAX_UINT
from protocol.tlog.policy import Policy, parse_policy

MAX_INVITATION: Final = MAX_POLICY_TEXT + 2 * MAX_STATEMENT + 65_536
MAX_ASKED: Final = MAX_HEADER + MAX_REQUEST + 64
"""Bytes of a request; ours have some 40,000."""

MAX_ANSWER: Final = 16_384
MAX_PEM: Final = 8_192
MAX_ADDRESSES: Final = 2_000
ID_SIZE: Final = 16
LONGEST: Final = 14 * DAY
"""An invitation ends as soon as a certificate would."""

_UNREADABLE: Final = (ValueError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a unit is invited to: which exchange, by which root, and how it is reached."""

    unit: UnitId
    id: bytes
    until: Millis
    kafka: str
    root: bytes
    policy: bytes | None
    authority: bytes
    """The certificate that signs those of Kafka's brokers, in PEM."""

    def encoded(self) -> bytes:
        """What both sides hash."""
        return encode([1, self.unit, self.id, self.until, self.kafka, self.root, self.policy, self.authority])

    @property
    def digest(self) -> Digest:
        """By which a request names them."""
        return digest(self.encoded())

    @property
    def pinned(self) -> RootOfTrust:
        """The root that these name."""
        return RootOfTrust.parse(self.root)


@dataclass(frozen=True, slots=True, repr=False)
class Invitation:
    """The file: the terms, and a certificate that may ask and nothing else."""

    terms: Terms
    credentials: Credentials

    def encoded(self) -> bytes:
        """The file's bytes."""
        own = self.credentials
        return encode([1, self.terms.encoded(), own.certificate_pem, own.key_pem])


@dataclass(frozen=True, slots=True)
class AskedEnrolment:
    """A request whose signatures hold: of which invitation, for which keys."""

    data: bytes
    enrolment_data: bytes
    enrolment: EnrolmentRequest
    wire_key: ec.EllipticCurvePublicKey

    @property
    def digest(self) -> Digest:
        """By which the answer names it."""
        return digest(self.data)


def parse_terms(data: bytes) -> Terms:
    """The terms, everything in them read, or `Rejected`."""
    match decode(data, limit=MAX_INVITATION):
        case [version, unit, bytes(id_), until, str(kafka), bytes(root), policy, bytes(authority)] if (
            type(version) is int and version == 1 and (policy is None or isinstance(policy, bytes))
        ):
            made = Terms(parse_unit_id(unit), id_, _time(until), kafka, root, policy, authority)
        case _:
            raise _bad("not the terms of an invitation")
    if len(id_) != ID_SIZE or len(authority) > MAX_PEM or not 1 <= len(kafka) <= MAX_ADDRESSES:
        raise _bad("an invitation with a part of another size")
    if not (kafka.isascii() and kafka.isprintable()):
        raise _bad("an invitation with addresses that nobody can type")
    _check_parts(made)
    return made


def parse_invitation(data: bytes) -> Invitation:
    """The invitation in a file, or `Rejected`."""
    match decode(data, limit=MAX_INVITATION):
        case [version, bytes(terms), bytes(certificate), bytes(key)] if type(version) is int and version == 1:
            made = parse_terms(terms)
        case _:
            raise _bad("not an invitation")
    try:
        if max(len(certificate), len(key)) > MAX_PEM:
            raise _bad("an invitation with a part of another size")
        credentials = read_credentials(key, certificate)
        named = read_shown(certificate).principal
    except _UNREADABLE:
        raise _bad("an invitation without the certificate to ask with") from None
    if named != joining_name(made.id):
        raise _bad("an invitation with somebody else's certificate")
    return Invitation(made, credentials)


def ask_enrolment(terms: Terms, *, enrolment: bytes, certificate_request: bytes) -> bytes:
    """The request of a unit that was invited."""
    return encode([1, terms.digest, enrolment, certificate_request])


def parse_asked(data: bytes, terms: Terms) -> AskedEnrolment:
    """A request under these terms, every signature in it verified, or `Rejected`."""
    match decode(data, limit=MAX_ASKED):
        case [version, bytes(of), bytes(enrolment), bytes(wanted)] if type(version) is int and version == 1:
            # Before anything is verified: what others write here costs a hash, and no signature.
            if of != terms.digest:
                raise _bad("a request under another invitation")
            asked = parse_enrolment(enrolment)
        case _:
            raise _bad("not a request to join")
    if asked.unit != terms.unit:
        raise _bad("a request of another unit than was invited")
    key = requested_key(wanted, topics.unit_principal(terms.unit))
    return AskedEnrolment(data, enrolment, asked, key)


def answer_to(asked: Digest, certificate: bytes) -> bytes:
    """What the centre sends to a unit that is enrolled."""
    return encode([1, asked, certificate])


def parse_answer(data: bytes, terms: Terms, asked: bytes, key: ec.EllipticCurvePublicKey) -> Shown:
    """The certificate in the answer to this request, for this key, of the terms' authority; or `Rejected`."""
    match decode(data, limit=MAX_ANSWER):
        case [version, bytes(of), bytes(pem)] if type(version) is int and version == 1:
            if of != digest(asked):
                raise _bad("an answer to another request")
        case _:
            raise _bad("not an answer to a request to join")
    try:
        shown, authority = read_shown(pem), read_shown(terms.authority)
        shown.certificate.verify_directly_issued_by(authority.certificate)
        fits = shown.certificate.public_key() == key
    except Exception as error:  # noqa: BLE001 - whatever the library says of a certificate that does not verify
        raise _bad(f"an answer whose certificate does not verify ({type(error).__name__})") from None
    if not fits or shown.principal != topics.unit_principal(terms.unit):
        raise _bad("an answer with a certificate for another key or unit")
    return shown


def _check_parts(terms: Terms) -> None:
    RootOfTrust.parse(terms.root)
    if terms.policy is not None:
        _policy(terms.policy)
    try:
        read_shown(terms.authority)
    except _UNREADABLE:
        raise _bad("an invitation without the certificate of Kafka's authority") from None


def _policy(data: bytes) -> Policy:
    if len(data) > MAX_POLICY_TEXT:
        raise Rejected(Code.E_SIZE, "a policy that is too large")
    return parse_policy(data)


def _time(item: object) -> Millis:
    if type(item) is not int or not 0 <= item <= MAX_UINT:
        raise _bad("not a time")
    return Millis(item)


def _bad(message: str) -> Rejected:
    return Rejected(
        Code.E_SCHEMA, message, hint="ask the centre for an invitation: contrada centre invite UNIT"
    )
