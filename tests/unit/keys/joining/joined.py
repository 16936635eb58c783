"""An invitation of the exchange of tests, the request of its unit, and what others make of both. Real keys."""

from __future__ import annotations

import os
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.enrolment import request_enrolment
from keys.joining.invitation import Invitation, Terms, ask_enrolment
from keys.joining.places import joining_name
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.statement_types import StatementType
from keys.wire.certificate_requests import new_wire_key, request_certificate
from keys.wire.certificates import Credentials, issue_leaf, new_authority, sign_leaf
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from tests.unit.keys.world import NOW, YEAR, identity

PL = UnitId("pl")


@cache
def _authority(name: str) -> Credentials:
    """An authority of the wire."""
    return new_authority(now=NOW, entropy=os.urandom)


def authority(name: str = "ours") -> Credentials:
    """An authority of the wire."""
    return _authority(name)


@cache
def wire_key(name: str) -> ec.EllipticCurvePrivateKey:
    """A key for Kafka."""
    return new_wire_key()


def terms(**changes: object) -> Terms:
    """What pl is invited to."""
    fields: dict[str, object] = {
        "unit": PL, "id": bytes(16), "until": Millis(NOW + 7 * DAY), "kafka": "kafka.example:9092",
        "root": RootOfTrust((identity("root").public,)).encoded(), "policy": None, "authority": authority().certificate_pem,
    }  # fmt: skip
    return Terms(**(fields | changes))  # type: ignore[arg-type]


@cache
def _asking(id_: bytes) -> Credentials:
    return issue_leaf(authority(), joining_name(id_), now=NOW, entropy=os.urandom)


def invitation(**changes: object) -> Invitation:
    """The file for pl."""
    made = terms(**changes)
    return Invitation(made, _asking(made.id))


@cache
def enrolment(unit: str = "pl", generation: int = 1) -> bytes:
    """An enrolment request of these keys."""
    key = identity(unit, generation)
    made = appoint(StatementType.IDENTITY, key.name, signer=key, not_before=NOW, not_after=Millis(NOW + YEAR))
    return request_enrolment(made, signer=key, contact="duty desk", epochs=())


@cache
def certificate_request(name: str = "pl", principal: str = "unit-pl") -> bytes:
    return request_certificate(wire_key(name), principal)


def asked(of: Terms | None = None, **changes: bytes) -> bytes:
    """The request of pl under these terms."""
    parts = {"enrolment": enrolment(), "certificate_request": certificate_request()} | changes
    return ask_enrolment(of or terms(), **parts)


def certificate(name: str = "pl", principal: str = "unit-pl", by: str = "ours") -> bytes:
    """A certificate for a key of this name, in PEM."""
    made = sign_leaf(authority(by), wire_key(name).public_key(), principal, now=NOW, entropy=os.urandom)
    return made.public_bytes(serialization.Encoding.PEM)
