"""What certificates of the wire say, and what their files are."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keys.errors import KeyFileExists, KeyFileUnreadable
from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from keys.wire.certificates import EARLIER, LEAF_LIFETIME, ends, issue_leaf, new_authority, read_credentials
from protocol.identifiers import Millis
from protocol.limits import DAY

NOW = Millis(1_790_000_000_000)
SECRET = Credential(bytes(32))


def entropy(size):
    return b"\x81" * size


@pytest.fixture(scope="module")
def authority():
    return new_authority(now=NOW, entropy=entropy)


def test_a_leaf_names_its_principal_and_signs_nothing(authority) -> None:
    """Its subject is what brokers map to the principal, and nobody can issue with it."""
    leaf = issue_leaf(authority, "unit-fr", now=NOW, entropy=entropy).certificate

    assert leaf.subject.rfc4514_string() == "CN=unit-fr,O=contrada"
    assert [name.value for name in leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)] != ["unit-fr"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (
        authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    )
    leaf.verify_directly_issued_by(authority.certificate)


def test_times_and_serial_are_arguments(authority) -> None:
    """It begins a little before now, ends after its life, and has the number that was drawn."""
    leaf = issue_leaf(authority, "router", now=NOW, entropy=entropy).certificate

    assert leaf.not_valid_before_utc == datetime.fromtimestamp((NOW - EARLIER) // 1000, tz=UTC)
    assert ends(leaf) == NOW + LEAF_LIFETIME
    assert leaf.serial_number == int.from_bytes(entropy(16), "big") >> 1


def test_a_leaf_does_not_outlive_its_authority(authority) -> None:
    """Whatever life is asked for."""
    leaf = issue_leaf(authority, "router", now=NOW, entropy=entropy, lifetime=9_999 * DAY).certificate

    assert ends(leaf) == ends(authority.certificate)


def test_a_broker_has_its_addresses(authority) -> None:
    """Clients compare the address that they connect to."""
    leaf = issue_leaf(authority, "broker", now=NOW, entropy=entropy, hosts=["127.0.0.1", "kafka-1.example"])
    names = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["kafka-1.example"]


def test_a_key_and_a_certificate_that_do_not_fit_are_refused(authority) -> None:
    """A mixed-up pair is found when it is read, not by a broker that is silent."""
    one, other = (issue_leaf(authority, "router", now=NOW, entropy=entropy) for _ in range(2))

    assert isinstance(read_credentials(one.key_pem, one.certificate_pem).key, ec.EllipticCurvePrivateKey)
    with pytest.raises(ValueError, match="another key"):
        read_credentials(one.key_pem, other.certificate_pem)


def test_the_authority_s_key_is_sealed_and_opens_again(tmp_path) -> None:
    """Its file holds nothing that a reader could sign with; the secret opens it."""
    made = Authority.make(tmp_path / "ca", secret=SECRET, now=NOW)
    again = Authority.load(tmp_path / "ca", secret=SECRET)

    assert again.credentials.certificate == made.credentials.certificate
    assert b"PRIVATE KEY" not in (tmp_path / "ca" / "ca.key").read_bytes()
    with pytest.raises(KeyFileUnreadable):
        Authority.load(tmp_path / "ca", secret=Credential(b"\x01" * 32))
    with pytest.raises(KeyFileExists):
        Authority.make(tmp_path / "ca", secret=SECRET, now=NOW)


def test_a_party_s_key_is_for_its_owner_alone(tmp_path) -> None:
    """And a broker's file has both, as Kafka reads them."""
    made = Authority.make(tmp_path / "ca", secret=SECRET, now=NOW)
    made.issue_to(tmp_path / "fr", "unit-fr", now=NOW, lifetime=DAY)
    made.issue_to(tmp_path / "b", "broker", now=NOW, lifetime=DAY, hosts=["127.0.0.1"])

    assert sorted(path.name for path in (tmp_path / "fr").iterdir()) == [
        "ca.pem",
        "certificate.pem",
        "key.pem",
    ]
    for path in (tmp_path / "fr" / "key.pem", tmp_path / "b" / "broker.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    both = (tmp_path / "b" / "broker.pem").read_bytes()
    assert b"PRIVATE KEY" in both
    assert b"CERTIFICATE" in both
