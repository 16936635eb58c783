"""Requests for certificates of the wire (PKCS#10, RFC 2986): made by who has the key.

Owns what is made and what is taken. Rules: of a request nothing is taken but its key, and that only where the
request is signed with it; the name is the one that the operator typed, and a request that says another is
refused, since somebody has mixed files up; attributes and extensions are never looked at. Whatever is wrong
ends in `Rejected`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.root_of_trust import spoken
from keys.wire.certificates import principal_of, subject_of
from protocol.errors import Code, Rejected

MAX_REQUEST: Final = 16_384
"""Bytes. Ours have some 400; those of others bring attributes that nobody reads."""

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.InvalidVersion,
)
"""All that the library has raised on altered requests."""

_HINT: Final = "made with 'contrada unit certificate request', or by any tool with a P-256 key"


def new_wire_key() -> ec.EllipticCurvePrivateKey:
    """A key of the kind that the authority signs."""
    return ec.generate_private_key(ec.SECP256R1())


def request_certificate(key: ec.EllipticCurvePrivateKey, principal: str) -> bytes:
    """The request of this key for a certificate with this name, in PEM."""
    builder = x509.CertificateSigningRequestBuilder(subject_of(principal))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def requested_key(data: bytes, principal: str) -> ec.EllipticCurvePublicKey:
    """The key that asks for this name."""
    if len(data) > MAX_REQUEST:
        raise Rejected(Code.E_SIZE, f"a request has at most {MAX_REQUEST} bytes", hint=_HINT)
    try:
        request = x509.load_pem_x509_csr(data)
        key = request.public_key()
        signed = isinstance(key, ec.EllipticCurvePublicKey) and request.is_signature_valid
        named = principal_of(request.subject)
    except _UNREADABLE:
        raise Rejected(
            Code.E_SCHEMA, "not a request for a certificate (PKCS#10 in PEM)", hint=_HINT
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Rejected(Code.E_SCHEMA, "the request is of a key that is not on P-256", hint=_HINT)
    if not signed:
        raise Rejected(Code.E_SCHEMA, "the request is not signed with its own key", hint=_HINT)
    if named != principal:
        raise Rejected(
            Code.E_SCHEMA,
            f"the request is for another name than {principal}",
            hint=f"its subject is to be CN={principal},O=contrada: is it the right file?",
        )
    return key


def key_fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """What two people compare: SHA-256 of the key's public form (RFC 5280), in groups."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return spoken(sha256(spki).digest())
