"""Certificates of the wire: a small authority for those who have none, and what its certificates say.

    subject   O=contrada, CN=<principal>   what brokers map to the principal (deploy/kafka/settings.py)
    key       P-256                        what Java, OpenSSL and every key store read
    authority signs leaves alone (path length 0); a leaf is for client and server authentication

Pure, but for the keys that the library makes. Owns the form of certificates and not who may do what: that
is protocol/topics.py. They prove to Kafka who connects, and nothing about messages: those are signed with
keys of the directory, of which no authority knows anything.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.wire.validity import Validity
from protocol.identifiers import Entropy, Millis
from protocol.limits import DAY

ORGANISATION: Final = "contrada"
AUTHORITY_NAME: Final = "contrada wire authority"
AUTHORITY_LIFETIME: Final = 5 * 365 * DAY
LEAF_LIFETIME: Final = 14 * DAY
"""Short, since no broker asks whether a certificate was withdrawn: rights are taken away, at once."""

EARLIER: Final = 300_000
"""Milliseconds before now from which a certificate counts: clocks differ by five minutes."""

_SERIAL_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class Credentials:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def key_pem(self) -> bytes:
        """The key, unsealed: brokers and clients read it at each new connection."""
        return private_pem(self.key)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as a client's files have it: not sealed."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_authority(*, now: Millis, entropy: Entropy, lifetime: int = AUTHORITY_LIFETIME) -> Credentials:
    """An authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject_of(AUTHORITY_NAME)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    made = (
        _begun(name, name, key.public_key(), now=now, until=now + lifetime, entropy=entropy)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Credentials(key, made.sign(key, hashes.SHA256()))


def issue_leaf(
    authority: Credentials,
    principal: str,
    *,
    now: Millis,
    entropy: Entropy,
    hosts: Sequence[str] = (),
    lifetime: int = LEAF_LIFETIME,
) -> Credentials:
    """A new key for this principal, with a certificate; a broker's names its hosts and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = sign_leaf(
        authority, key.public_key(), principal, now=now, entropy=entropy, hosts=hosts, lifetime=lifetime
    )
    return Credentials(key, made)


def sign_leaf(
    authority: Credentials,
    key: ec.EllipticCurvePublicKey,
    principal: str,
    *,
    now: Millis,
    entropy: Entropy,
    hosts: Sequence[str] = (),
    lifetime: int = LEAF_LIFETIME,
) -> x509.Certificate:
    """A certificate for somebody's key. All that it says is said here: nothing is copied from a request."""
    issuer = authority.certificate
    # It does not outlive its authority: what nobody believes any more is not to be found out by an outage.
    until = min(now + lifetime, _millis(issuer.not_valid_after_utc))
    begun = _begun(subject_of(principal), issuer.subject, key, now=now, until=until, entropy=entropy)
    made = (
        begun.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    if hosts:
        made = made.add_extension(
            x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
        )
    return made.sign(authority.key, hashes.SHA256())


def read_credentials(key_pem: bytes, certificate_pem: bytes) -> Credentials:
    """What was written; `ValueError` where it is none of ours."""
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certified = certificate.public_key()
    except UnsupportedAlgorithm:
        raise ValueError("a key of a kind that is not used here") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key on P-256")  # noqa: TRY004 - one error for whatever is in a file
    if certified != key.public_key():
        raise ValueError("the certificate is of another key")
    return Credentials(key, certificate)


def validity_of(certificate: x509.Certificate) -> Validity:
    """Its life."""
    return Validity(ends=ends(certificate), begins=_millis(certificate.not_valid_before_utc))


def ends(certificate: x509.Certificate) -> Millis:
    """When it is over."""
    return _millis(certificate.not_valid_after_utc)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a certificate says to whoever it is shown to."""

    certificate: x509.Certificate
    principal: str | None
    """As whom brokers take it; None where its name is nobody's."""

    validity: Validity


def read_shown(pem: bytes) -> Shown:
    """The first certificate of a PEM file, which is the one that is shown; `ValueError` without one."""
    found = x509.load_pem_x509_certificate(pem)
    return Shown(found, principal_of(found.subject), validity_of(found))


def principal_of(subject: x509.Name) -> str | None:
    """The principal of a subject: of exactly these two, in this order, as the brokers' rule has it."""
    names = [(each.oid, each.value) for each in subject]
    if len(names) != 2 or names[0] != (NameOID.ORGANIZATION_NAME, ORGANISATION):
        return None
    oid, value = names[1]
    return value if oid == NameOID.COMMON_NAME and isinstance(value, str) else None


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    now: Millis,
    until: int,
    entropy: Entropy,
) -> x509.CertificateBuilder:
    serial = int.from_bytes(entropy(_SERIAL_SIZE), "big") >> 1 or 1
    return x509.CertificateBuilder(
        issuer, subject, key, serial, _moment(now - EARLIER), _moment(until), extensions=[]
    )


def subject_of(name: str) -> x509.Name:
    """The subject of this principal's certificate."""
    # In this order: RFC 2253 shows the last one first, CN=...,O=..., and the brokers' rule expects it.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _moment(t: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(t / 1000, tz=dt.UTC)


def _millis(moment: dt.datetime) -> Millis:
    return Millis(int(moment.timestamp()) * 1000)
