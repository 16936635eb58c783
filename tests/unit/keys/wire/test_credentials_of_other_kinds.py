"""Credentials whose certificate names a curve that nobody knows: one error, as for all that is none of ours."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.wire.certificates import read_credentials

P256 = bytes.fromhex("06082a8648ce3d030107")
UNKNOWN = bytes.fromhex("06082a8648ce3d030177")


def test_a_curve_that_nobody_knows_is_our_error() -> None:
    """The library says so by an error of its own, with the key's file and with the certificate's."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert P256 in der
    text = base64.encodebytes(der.replace(P256, UNKNOWN))
    pem = b"-----BEGIN PRIVATE KEY-----\n" + text + b"-----END PRIVATE KEY-----\n"
    with pytest.raises(ValueError, match="a kind that is not used"):
        read_credentials(pem, b"")
