"""A unit's own key for the way to Kafka, the request for its certificate, and the answer.

    request -> next-key.pem beside the present key, and the request in a file -> the centre signs it
            -> take: the answer is verified, next-key.pem becomes the key, the certificate is put beside it

Owns these files of the unit. Rules: the private key never leaves the unit, and nobody else makes it; what
comes back counts only for a key that lies here, with this unit's name, from the authority that is believed
already. A daemon that runs takes the new pair with its next connection: the key is written first, and until
its certificate is there the pair before is used (runtime/kafka/security/tls.py).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.errors import KeyFileUnreadable
from keys.store import move_private, prepare_directory, read_private, write_private
from keys.wire.certificate_requests import key_fingerprint, new_wire_key, request_certificate
from keys.wire.certificates import Shown, private_pem, read_shown
from keys.wire.names import CA_FILE, CERTIFICATE_FILE
from protocol import topics
from protocol.identifiers import parse_unit_id
from runtime.bounded import read_bounded
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput
from runtime.cli.home import bootstrap, read_settings, unit_home
from runtime.errors import NotFound, NotVerified
from runtime.files import replace_file
from runtime.kafka.security.access import TlsFiles
from runtime.kafka.security.tls import MAX_CERTIFICATE_FILE

NEXT_KEY_FILE: Final = "next-key.pem"


def ask_for_certificate(invocation: Invocation, *, out: Path, same_key: bool) -> dict[str, Any]:
    """Make a key, or take the present one, and write its request; returns what to report."""
    me, files = _own(invocation)
    key = _present_key(files) if same_key else _next_key(files)
    replace_file(out, request_certificate(key, me))
    return {
        "party": me,
        "request": str(out),
        "key": str(files.key if same_key else _next(files)),
        "fingerprint": key_fingerprint(key.public_key()),
    }


def look_at_answer(invocation: Invocation, answer: Path) -> dict[str, Any]:
    """What an answer of the centre says, verified; `NotVerified` where it is not one for this unit."""
    me, files = _own(invocation)
    ca, shown = _answer(answer)
    if shown.principal != me:
        raise NotVerified(f"the certificate is not {me}'s", hint="is it another unit's?")
    if _key_of(shown, files) is None:
        raise NotVerified(
            "the certificate is for a key that does not lie here",
            hint="ask again: contrada unit certificate request",
        )
    known = files.ca.exists()
    if known and _certificate(files.ca).certificate != ca.certificate:
        raise NotVerified(
            f"the authority is another one than {files.ca} believes",
            hint="ask the centre over another channel; if it has a new authority, take that file away first",
        )
    return {
        "party": me,
        "until": shown.validity.ends,
        "authority": _fingerprint(ca),
        "is_known": known,
        "certificate": str(files.certificate),
    }


def take_answer(invocation: Invocation, answer: Path) -> dict[str, Any]:
    """Put the key and the certificate in the place of those before; returns what to report."""
    report = look_at_answer(invocation, answer)
    _, files = _own(invocation)
    ca, shown = _answer(answer)
    key = _key_of(shown, files)
    for path in (files.ca, files.certificate):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if key is not None and key != files.key:
        move_private(key, files.key)
    replace_file(files.ca, _pem(ca.certificate))
    replace_file(files.certificate, _pem(shown.certificate))
    return report


def _own(invocation: Invocation) -> tuple[str, TlsFiles]:
    home = unit_home(invocation)
    files = bootstrap(invocation, home).tls
    if files is None:
        raise BadInput(
            "this unit speaks to Kafka in plain",
            hint='set kafka_security = "tls" with its files in unit.toml, or say --kafka-tls DIR',
        )
    unit = parse_unit_id(read_settings(home.settings).get("unit"))
    return topics.unit_principal(unit), files


def _answer(answer: Path) -> tuple[Shown, Shown]:
    ca, shown = _certificate(answer / CA_FILE), _certificate(answer / CERTIFICATE_FILE)
    try:
        shown.certificate.verify_directly_issued_by(ca.certificate)
    except (ValueError, TypeError, InvalidSignature):
        raise NotVerified(
            f"{answer / CERTIFICATE_FILE} is not of the authority beside it", hint="ask the centre for both"
        ) from None
    return ca, shown


def _certificate(path: Path) -> Shown:
    try:
        return read_shown(read_bounded(path, MAX_CERTIFICATE_FILE, what="a certificate"))
    except FileNotFoundError:
        raise NotFound(
            f"there is no {path}",
            hint=f"the centre's answer has {CA_FILE} and {CERTIFICATE_FILE}",
        ) from None
    except (OSError, ValueError):
        raise BadInput(f"{path} is no certificate", hint="a PEM file, as the centre gave it") from None


def _key_of(shown: Shown, files: TlsFiles) -> Path | None:
    """Which key that lies here the certificate is for: the next one, or the present one."""
    wanted = shown.certificate.public_key()
    for path in (_next(files), files.key):
        if path.exists() and _read_key(path).public_key() == wanted:
            return path
    return None


def _next(files: TlsFiles) -> Path:
    return files.key.with_name(NEXT_KEY_FILE)


def _next_key(files: TlsFiles) -> ec.EllipticCurvePrivateKey:
    """Asked twice before the answer has come, it is the same key."""
    path = _next(files)
    if path.exists():
        return _read_key(path)
    prepare_directory(path.parent)
    key = new_wire_key()
    write_private(path, private_pem(key), entropy=os.urandom)
    return key


def _present_key(files: TlsFiles) -> ec.EllipticCurvePrivateKey:
    if not files.key.exists():
        raise NotFound(f"there is no {files.key}", hint="leave --same-key away: a new one is made")
    return _read_key(files.key)


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileUnreadable(f"{path} holds no key on P-256", hint="take it away, and ask again")
    return key


def _fingerprint(ca: Shown) -> str:
    key = ca.certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NotVerified("the authority's key is not on P-256", hint="ask the centre")
    return key_fingerprint(key)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
