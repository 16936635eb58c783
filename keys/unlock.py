"""The secrets that unlock sealed files: a 32-byte credential, a passphrase, or a token (keys/token).

Owns the derivation of the key-encryption key (KEK) from either. Where they come from (a file of the
service manager, a terminal) is for the edges; `store.read_credential` reads a file.

    credential    HKDF-SHA256(credential, salt)            machines: no work factor is needed for 256 bits
    passphrase    Argon2id(passphrase, salt), 64 MiB, t=3, p=4      people

The work factors are part of the file format's version: nobody can weaken a file by editing it.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import CredentialError
from keys.secrecy import Guarded

KEK_SIZE = 32
CREDENTIAL_SIZE = 32
KEY_ID = 16
"""Bytes of the name of a key in a place apart."""

MIN_PASSPHRASE = 12
_ARGON2_PASSES = 3
_ARGON2_LANES = 4
_ARGON2_KIB = 64 * 1024


class KeyPlace(Protocol):
    """A place apart in which signing keys are made and used, and which none of them leaves: a token."""

    def make_ed25519(self, key_id: bytes, *, label: str) -> bytes:
        """Make a key under this id; its public half."""
        ...

    def sign_ed25519(self, key_id: bytes, message: bytes, *, public: bytes) -> bytes:
        """64 bytes, RFC 8032, verified under `public`."""
        ...

    def destroy_ed25519(self, key_id: bytes) -> None:
        """Destroy the key of this id."""
        ...

    def reach(self) -> None:
        """`KeyAway` where it does not answer now."""
        ...


class Secret(Protocol):
    """Something that unlocks."""

    @property
    def kind(self) -> str:
        """`credential`, `passphrase` or `token`; it stands in the file, in clear."""
        ...

    def kek(self, salt: bytes) -> bytes:
        """32 bytes for this salt."""
        ...

    @property
    def last_salt(self) -> bytes | None:
        """A salt for which the key is there already, to spare the work a second time."""
        ...

    @property
    def place(self) -> KeyPlace | None:
        """Where signing keys are made; None where they lie in the files that this opens."""
        ...


class Credential(Guarded):
    """32 random bytes, as a service manager or a vault hands them out."""

    __slots__ = ("_raw",)
    kind = "credential"
    last_salt: bytes | None = None
    place: KeyPlace | None = None

    def __init__(self, raw: bytes) -> None:
        if len(raw) != CREDENTIAL_SIZE:
            raise CredentialError(
                f"a credential has {CREDENTIAL_SIZE} bytes, this one {len(raw)}",
                hint=f"make one with: head -c {CREDENTIAL_SIZE} /dev/urandom > FILE",
            )
        self._raw = bytes(raw)

    def kek(self, salt: bytes) -> bytes:
        """HKDF-SHA256."""
        return HKDF(algorithm=SHA256(), length=KEK_SIZE, salt=salt, info=b"contrada/kek/1").derive(self._raw)


class Passphrase(Guarded):
    """Words that a person remembers. Derived keys are kept: each costs 64 MiB and a tenth of a second."""

    __slots__ = ("_known", "_raw")
    kind = "passphrase"
    place: KeyPlace | None = None

    def __init__(self, text: str) -> None:
        # NFC: the same words, typed on two keyboards, are the same bytes.
        normal = unicodedata.normalize("NFC", text)
        if len(normal) < MIN_PASSPHRASE:
            raise CredentialError(
                "the passphrase is too short",
                hint=f"use {MIN_PASSPHRASE} characters or more, such as six words",
            )
        self._raw = normal.encode("utf-8", "surrogatepass")
        self._known: dict[bytes, bytes] = {}

    @property
    def last_salt(self) -> bytes | None:
        """The salt used last: files written in one sitting share it."""
        return next(reversed(self._known), None)

    def kek(self, salt: bytes) -> bytes:
        """Argon2id (RFC 9106)."""
        known = self._known.get(salt)
        if known is None:
            derivation = Argon2id(
                salt=salt,
                length=KEK_SIZE,
                iterations=_ARGON2_PASSES,
                lanes=_ARGON2_LANES,
                memory_cost=_ARGON2_KIB,
            )
            known = self._known[salt] = derivation.derive(self._raw)
        return known
