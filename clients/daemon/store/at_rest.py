"""Content at rest: each message under a key of its own (DEK), the DEK under the unit's storage key.

    dek     = nonce(12) || AES-256-GCM(storage key, nonce, DEK, aad = "contrada/dek/1" || place)
    content = nonce(12) || AES-256-GCM(DEK,         nonce, content, aad = "contrada/content/1" || place)
    place   = det-CBOR [table, ...key of the row]

So that erasing one small column erases the message, and no blob can be moved to another row. Nonces are
random: the storage key wraps far fewer than 2^32 DEKs, and a DEK encrypts once.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clients.daemon.errors import DaemonError
from keys.secrecy import Guarded
from protocol.canonical import encode
from protocol.identifiers import Entropy

_DEK: Final = b"contrada/dek/1"
_CONTENT: Final = b"contrada/content/1"
_REQUEST: Final = b"contrada/request/1"
_NONCE: Final = 12


class ContentErased(DaemonError):
    """The content of this message was erased."""

    code = "E_ERASED"
    status = 410


class ContentUnreadable(DaemonError):
    """The content does not open under the unit's storage key: damaged, or moved to another row."""

    code = "E_AT_REST"


@dataclass(frozen=True, slots=True)
class AtRest:
    """The stored form of a content."""

    dek: bytes = field(repr=False)
    content: bytes = field(repr=False)


class Vault(Guarded):
    """Encrypts and decrypts content at rest."""

    __slots__ = ("_aead", "_entropy", "_mac_key")

    def __init__(self, storage_key: bytes, entropy: Entropy) -> None:
        self._aead = AESGCM(storage_key)
        self._mac_key = hmac.digest(storage_key, _REQUEST, "sha256")
        self._entropy = entropy

    def lock(self, content: bytes, *place: str | bytes) -> AtRest:
        """Content for one row."""
        where = encode(list(place))
        dek, nonce, wrap_nonce = self._entropy(32), self._entropy(_NONCE), self._entropy(_NONCE)
        return AtRest(
            wrap_nonce + self._aead.encrypt(wrap_nonce, dek, _DEK + where),
            nonce + AESGCM(dek).encrypt(nonce, content, _CONTENT + where),
        )

    def unlock(self, dek: bytes | None, content: bytes | None, *place: str | bytes) -> bytes:
        """The content of one row."""
        if dek is None or content is None:
            raise ContentErased("the content of this message was erased")
        where = encode(list(place))
        try:
            key = self._aead.decrypt(dek[:_NONCE], dek[_NONCE:], _DEK + where)
            return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], _CONTENT + where)
        except (InvalidTag, ValueError):
            raise ContentUnreadable(
                "the content does not open",
                hint="restore the database and the keys of one and the same backup",
            ) from None

    def mac(self, data: bytes) -> bytes:
        """A MAC that tells two requests apart later, without showing their content."""
        return hmac.digest(self._mac_key, data, "sha256")
