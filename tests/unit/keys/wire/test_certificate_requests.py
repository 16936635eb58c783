"""What is taken of a request for a certificate: its key, where the request is signed with it, and nothing else."""

from __future__ import annotations

import base64
import datetime as dt
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

from keys.wire import certificate_requests as whole
from keys.wire.certificate_requests import (
    MAX_REQUEST,
    key_fingerprint,
    new_wire_key,
    request_certificate,
    requested_key,
)
from keys.wire.certificates import new_authority, read_shown, sign_leaf, subject_of
from protocol.errors import Rejected
from protocol.identifiers import Millis
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, unchecked
from tests.mutants.promises import assert_missed

NOW = Millis(1_790_000_000_000)
ME = "unit-fr"


def entropy(size: int) -> bytes:
    return b"\x81" * size


def pem(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_bytes(serialization.Encoding.PEM)


def asked(key, subject: x509.Name | None = None, digest=None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(subject_of(ME) if subject is None else subject)
    return pem(builder.sign(key, digest))


def test_a_request_brings_its_key() -> None:
    """And two people can compare it."""
    key = new_wire_key()
    found = requested_key(request_certificate(key, ME), ME)

    assert found == key.public_key()
    assert key_fingerprint(found) == key_fingerprint(key.public_key())
    assert key_fingerprint(found) != key_fingerprint(new_wire_key().public_key())
    assert len(key_fingerprint(found).split(" ")) == 16


def test_a_key_of_another_kind_is_refused() -> None:
    """RSA of any size, Ed25519, and the curves that are not P-256."""
    others = [
        asked(rsa.generate_private_key(65537, 2048), digest=hashes.SHA256()),
        asked(ed25519.Ed25519PrivateKey.generate()),
        asked(ec.generate_private_key(ec.SECP384R1()), digest=hashes.SHA384()),
        asked(ec.generate_private_key(ec.SECP256K1()), digest=hashes.SHA256()),
    ]
    for request in others:
        with pytest.raises(Rejected, match="not on P-256"):
            requested_key(request, ME)


def test_a_changed_signature_is_refused() -> None:
    """The last bit of a request is one of its signature's."""
    der = bytearray(
        x509.load_pem_x509_csr(request_certificate(new_wire_key(), ME)).public_bytes(
            serialization.Encoding.DER
        )
    )
    der[-1] ^= 1
    with pytest.raises(Rejected, match="not signed with its own key"):
        requested_key(pem(x509.load_der_x509_csr(bytes(der))), ME)


NAMES = {
    "another unit": subject_of("unit-it"),
    "a role": subject_of("centre"),
    "nobody": x509.Name([]),
    "two names": x509.Name([*subject_of(ME), *subject_of("centre")]),
    "the other order": x509.Name(list(reversed(list(subject_of(ME))))),
    "another organisation": x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "other"), *list(subject_of(ME))[1:]]
    ),
    "several in one": x509.Name([*subject_of(ME).rdns, *subject_of("centre").rdns[1:]]),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_request_for_another_name_is_refused(name: str) -> None:
    """The name is the one that the operator typed."""
    with pytest.raises(Rejected, match="another name than unit-fr"):
        requested_key(asked(new_wire_key(), NAMES[name], hashes.SHA256()), ME)


def test_nothing_but_the_key_is_copied() -> None:
    """Extensions and attributes that ask for more, a hundred of them, are in no certificate."""
    key = new_wire_key()
    builder = (
        x509.CertificateSigningRequestBuilder(subject_of(ME))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kafka-1.example")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), critical=False)
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret")
    )
    for number in range(100):
        builder = builder.add_attribute(x509.ObjectIdentifier(f"1.3.6.1.4.1.99999.{number}"), b"more")
    data = pem(builder.sign(key, hashes.SHA256()))
    assert len(data) < MAX_REQUEST
    made = sign_leaf(
        new_authority(now=NOW, entropy=entropy), requested_key(data, ME), ME, now=NOW, entropy=entropy
    )

    said = read_shown(made.public_bytes(serialization.Encoding.PEM))
    assert said.principal == ME
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert len(made.extensions) == 4
    assert made.not_valid_after_utc - made.not_valid_before_utc < dt.timedelta(days=15)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"\x00" * 200,
        b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"x" * (MAX_REQUEST + 1),
    ],
)
def test_what_is_no_request_is_rejected(data: bytes) -> None:
    """Garbage, something else, too much."""
    with pytest.raises(Rejected):
        requested_key(data, ME)


def test_whatever_is_altered_is_rejected() -> None:
    """A thousand requests with bytes changed, cut off and put in: one family of errors, and never another key.

    What is taken is the same request in another encoding: the count of unused bits of its signature's text.
    """
    chance, key = random.Random(36), new_wire_key()
    good = x509.load_pem_x509_csr(request_certificate(key, ME)).public_bytes(serialization.Encoding.DER)
    refused = 0
    for _ in range(1_000):
        body = base64.encodebytes(altered(good, chance))
        block = b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"
        try:
            assert requested_key(block, ME) == key.public_key()
        except Rejected:
            refused += 1
    assert refused > 900


def altered(good: bytes, chance: random.Random) -> bytes:
    bad = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(bad))
        match chance.randrange(3):
            case 0:
                bad[at] ^= 1 << chance.randrange(8)
            case 1:
                del bad[at]
            case _:
                bad.insert(at, chance.randrange(256))
    return bytes(bad)


MUTANTS = {
    "the request's name counts": (
        Mutant(whole.requested_key, forced(False, "named != principal")),
        lambda: test_a_request_for_another_name_is_refused("a role"),
    ),
    "any key will do": (
        Mutant(whole.requested_key, unchecked(ec.SECP256R1)),
        test_a_key_of_another_kind_is_refused,
    ),
    "nobody looks at the signature": (
        Mutant(whole.requested_key, forced(False, "not signed")),
        test_a_changed_signature_is_refused,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_mutant_is_missed(mutant: str) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    await assert_missed(change, promise)
