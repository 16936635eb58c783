"""A unit's home while it waits to be enrolled: what it was invited with, what it asks, what it is answered.

    joining/terms.cbor                         what the unit was invited to
    joining/ca.pem, certificate.pem, key.pem   what it asks with, and nothing else
    joining/asked.cbor                         its request, made once: its code is read aloud
    joining/sent                               Kafka has the request
    tls/ca.pem, key.pem, certificate.pem       the way of the enrolled unit; the certificate is the answer

Owns these files and their order. Rules: keys are made here and stay here; a request is made once, so that the
code stays the same however often the command is run; the home's own settings are written before anything is
asked. With the answer verified and in its place, `joining` is removed, and the home is as any other.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clients.cli.unit_setup import write_more
from clients.daemon.home import make_unit_home
from keys.errors import KeyFileExists, KeyFileUnreadable
from keys.joining.invitation import (
    MAX_ASKED,
    MAX_INVITATION,
    Invitation,
    Terms,
    ask_enrolment,
    parse_answer,
    parse_asked,
    parse_invitation,
    parse_terms,
)
from keys.joining.spoken_code import spoken_code
from keys.store import prepare_directory, read_private, write_private
from keys.unlock import Secret
from keys.wire.certificate_requests import new_wire_key, request_certificate
from keys.wire.certificates import private_pem
from protocol import topics
from protocol.identifiers import digest
from protocol.limits import MAX_HEADER
from runtime.bounded import read_bounded
from runtime.cli.errors import BadInput
from runtime.cli.file_kinds import FileKind, parse_kind
from runtime.errors import Conflict, NotVerified
from runtime.files import replace_file
from runtime.kafka.addresses import servers_fault
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.process.clock import now
from runtime.process.homes import UnitHome

TERMS: Final = "terms.cbor"
ASKED: Final = "asked.cbor"
SENT: Final = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoiningPlan:
    """What the person at the unit said."""

    contact: str
    secret: Path | None = None
    passphrase: Path | None = None
    opens: Secret | None = None
    http_port: int = 0


@dataclass(frozen=True, slots=True)
class JoiningHome:
    """A home that waits for its answer."""

    home: UnitHome
    terms: Terms
    asked: bytes

    @property
    def code(self) -> str:
        """What is read to the centre."""
        return spoken_code(self.terms.digest, digest(self.asked))

    def report(self) -> dict[str, Any]:
        """For the person at the unit."""
        asked = parse_asked(self.asked, self.terms)
        return {
            "unit": self.terms.unit,
            "home": str(self.home.path),
            "until": self.terms.until,
            "fingerprint": asked.enrolment.fingerprint,
            "root_fingerprint": self.terms.pinned.fingerprint(),
            "code": self.code,
        }

    @property
    def access(self) -> KafkaAccess:
        """The way to Kafka as one who was invited."""
        return KafkaAccess(self.terms.kafka, TlsFiles.below(self.home.joining))

    @property
    def is_sent(self) -> bool:
        """Whether Kafka has the request."""
        return (self.home.joining / SENT).exists()

    def note_sent(self) -> None:
        """Kafka has it: a daemon that is started again asks no second time."""
        replace_file(self.home.joining / SENT, b"")

    def take(self, answer: bytes) -> None:
        """Put the certificate of a verified answer in its place; `Rejected` of any other one."""
        own = _wire_key(self.home)
        shown = parse_answer(answer, self.terms, self.asked, own.public_key())
        pem = shown.certificate.public_bytes(serialization.Encoding.PEM)
        replace_file(_tls(self.home).certificate, pem)
        self.close()

    def close(self) -> None:
        """Nothing is waited for any more."""
        shutil.rmtree(self.home.joining)


def read_invitation(file: Path) -> Invitation:
    """The invitation in a file; `NotVerified` where it is over."""
    made = parse_kind(file, MAX_INVITATION, FileKind.INVITATION, parse_invitation)
    check_is_open(made.terms)
    fault = servers_fault(made.terms.kafka)
    if fault is not None:
        raise BadInput(f"{file} has no addresses of Kafka: {fault}", hint="ask the centre for another one")
    return made


def check_is_open(terms: Terms) -> None:
    """Refuse an invitation that is over."""
    if now() >= terms.until:
        raise NotVerified(
            f"the invitation of {terms.unit} is over",
            hint="ask the centre for another one, and begin in an empty home",
        )


def begin_joining(path: Path, invitation: Invitation, plan: JoiningPlan) -> JoiningHome:
    """Make the home and its request, or go on with those that an earlier call has made."""
    home, terms = UnitHome(path.absolute()), invitation.terms
    begun = home.joining / TERMS
    if begun.exists():
        if read_bounded(begun, MAX_INVITATION, what="the terms of an invitation") != terms.encoded():
            raise Conflict(
                f"{home.path} waits for the answer to another invitation", hint="name an empty one"
            )
    elif home.is_unit or home.is_centre:
        raise Conflict(f"{home.path} is a home already", hint="name an empty directory with --home")
    _write_way(home, invitation)
    if not home.is_unit:
        write_more(home, terms.policy, secret=plan.secret, passphrase=plan.passphrase)
        make_unit_home(
            home.path,
            unit=terms.unit,
            bootstrap=KafkaAccess(terms.kafka, _tls(home)),
            root=terms.root,
            secret=plan.opens,
            http_port=plan.http_port,
            contact=plan.contact,
        )
    return _with_request(home, terms)


def joining_home(home: UnitHome) -> JoiningHome | None:
    """What this home waits for; None for one that waits for nothing."""
    begun = home.joining / TERMS
    if not begun.exists():
        return None
    terms = parse_terms(read_bounded(begun, MAX_INVITATION, what="the terms of an invitation"))
    found = _with_request(home, terms)
    if _tls(home).certificate.exists():
        found.close()  # killed between the last two steps
        return None
    return found


def _with_request(home: UnitHome, terms: Terms) -> JoiningHome:
    path = home.joining / ASKED
    if not path.exists():
        enrolment = read_bounded(home.enrolment, MAX_HEADER, what="an enrolment request")
        wanted = request_certificate(_wire_key(home), topics.unit_principal(terms.unit))
        made = ask_enrolment(terms, enrolment=enrolment, certificate_request=wanted)
        write_private(path, made, entropy=os.urandom)
    asked = read_bounded(path, MAX_ASKED, what="a request to join")
    parse_asked(asked, terms)
    return JoiningHome(home, terms, asked)


def _write_way(home: UnitHome, invitation: Invitation) -> None:
    """The certificates of both ways, but the one that is asked for; the terms last."""
    own, terms = invitation.credentials, invitation.terms
    asking, way = TlsFiles.below(home.joining), _tls(home)
    for directory in (home.path, home.joining, way.key.parent):
        prepare_directory(directory)
    try:
        write_private(way.key, private_pem(new_wire_key()), entropy=os.urandom)
    except KeyFileExists:
        _wire_key(home)
    write_private(asking.key, own.key_pem, entropy=os.urandom, replace=True)
    replace_file(asking.certificate, own.certificate_pem)
    for files in (asking, way):
        replace_file(files.ca, terms.authority)
    write_private(home.joining / TERMS, terms.encoded(), entropy=os.urandom, replace=True)


def _tls(home: UnitHome) -> TlsFiles:
    return TlsFiles.below(home.path / "tls")


def _wire_key(home: UnitHome) -> ec.EllipticCurvePrivateKey:
    path = _tls(home).key
    try:
        key = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyFileUnreadable(f"{path} holds no key on P-256", hint="join anew, in an empty home")
    return key
