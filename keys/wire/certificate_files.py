"""The files of the wire's authority and of those to whom it gives certificates.

    <authority>/ca.key             key and certificate, sealed; opened by ca.secret beside it or elsewhere
    <authority>/ca.pem             the certificate, which everybody believes
    <authority>/given/             what was given out, for whom and until when (keys/wire/given.py)
    <party>/ca.pem, certificate.pem, key.pem, broker.pem

Owns their names and their order. A party's key is written before its certificate: between the two they do
not fit, and whoever reads them goes on with what it had (runtime/kafka/security/tls.py). `broker.pem` is both
in one file, as Kafka wants it. A party's key is not sealed: Kafka reads no other, and it opens no message.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.errors import KeyFileUnreadable
from keys.sealed_file import open_sealed, seal_file
from keys.store import prepare_directory, read_private, write_private, write_whole
from keys.unlock import Secret
from keys.wire.certificate_requests import key_fingerprint
from keys.wire.certificates import (
    Credentials,
    issue_leaf,
    new_authority,
    read_credentials,
    sign_leaf,
    validity_of,
)
from keys.wire.given import GivenCertificate, note_given
from keys.wire.names import BROKER_FILE, CA_FILE, CERTIFICATE_FILE, KEY_FILE
from protocol.identifiers import Millis
from protocol.topics import UNIT_PREFIX

AUTHORITY_KEY: Final = "ca.key"
AUTHORITY_SECRET: Final = "ca.secret"  # noqa: S105 - a file's name

_PURPOSE: Final = "wire-authority"
_PUBLIC: Final = 0o644


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority in its directory, opened."""

    directory: Path
    credentials: Credentials

    @classmethod
    def make(cls, directory: Path, *, secret: Secret, now: Millis) -> Authority:
        """A new one; `KeyFileExists` where there is one."""
        prepare_directory(directory)
        made = new_authority(now=now, entropy=os.urandom)
        both = made.key_pem + made.certificate_pem
        sealed = seal_file(both, purpose=_PURPOSE, secret=secret, entropy=os.urandom)
        # First what refuses to be written over.
        write_private(directory / AUTHORITY_KEY, sealed, entropy=os.urandom)
        write_whole(directory / CA_FILE, made.certificate_pem, entropy=os.urandom, mode=_PUBLIC, replace=True)
        return cls(directory, made)

    @classmethod
    def load(cls, directory: Path, *, secret: Secret) -> Authority:
        """The one that is there."""
        path = directory / AUTHORITY_KEY
        both = open_sealed(read_private(path), purpose=_PURPOSE, secret=secret, name=str(path))
        try:
            return cls(directory, read_credentials(both, both))
        except ValueError:
            raise KeyFileUnreadable(
                f"{path} opens, but holds no authority", hint="restore it from a backup"
            ) from None

    def issue_to(
        self, directory: Path, principal: str, *, now: Millis, lifetime: int, hosts: Sequence[str] = ()
    ) -> Credentials:
        """A new key and certificate in the party's directory, in the place of earlier ones."""
        prepare_directory(directory)
        made = issue_leaf(
            self.credentials, principal, now=now, lifetime=lifetime, hosts=hosts, entropy=os.urandom
        )
        ca = self.credentials.certificate_pem
        files = {KEY_FILE: made.key_pem, CERTIFICATE_FILE: made.certificate_pem}
        if hosts:
            files[BROKER_FILE] = made.key_pem + made.certificate_pem
        write_whole(directory / CA_FILE, ca, entropy=os.urandom, mode=_PUBLIC, replace=True)
        for name, data in files.items():
            write_whole(directory / name, data, entropy=os.urandom, replace=True)
        unit = principal.startswith(UNIT_PREFIX)
        place = ",".join(hosts) or ("" if unit else str(directory.absolute()))
        self._note(principal, place, made.certificate)
        return made

    def sign_request_to(
        self, directory: Path, principal: str, key: ec.EllipticCurvePublicKey, *, now: Millis, lifetime: int
    ) -> x509.Certificate:
        """A certificate for a key that somebody else has, in a directory for whoever brings it there."""
        prepare_directory(directory)
        made = sign_leaf(self.credentials, key, principal, now=now, lifetime=lifetime, entropy=os.urandom)
        for name, certificate in ((CA_FILE, self.credentials.certificate), (CERTIFICATE_FILE, made)):
            data = certificate.public_bytes(serialization.Encoding.PEM)
            write_whole(directory / name, data, entropy=os.urandom, mode=_PUBLIC, replace=True)
        self._note(principal, "" if principal.startswith(UNIT_PREFIX) else "request", made)
        return made

    def _note(self, party: str, place: str, made: x509.Certificate) -> None:
        key = made.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        note_given(self.directory, GivenCertificate(party, place, validity_of(made), key_fingerprint(key)))
