"""The encrypted container of one private key, as bytes. Pure; the file is handled in `store`.

    sealed = [ v: 1, purpose: tstr, unlocked-by: "credential" / "passphrase" / "token",
               salt: bstr .size 16, nonce: bstr .size 12, ciphertext ]
    AES-256-GCM under the KEK (unlock.py); AAD = ["contrada/sealed-file", v, purpose, unlocked-by, salt]

`purpose` is the reader's expectation and not the file's claim: an epoch key renamed to an identity does not
open. The nonce is random; one KEK seals a few files a week, far below the 2^32 of random nonces.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import KeyFileUnreadable
from keys.unlock import Secret
from protocol.canonical import decode, encode
from protocol.errors import Rejected
from protocol.identifiers import Entropy

MAX_SEALED = 65_536
_SALT_SIZE = 16
_NONCE_SIZE = 12


def seal_file(content: bytes, *, purpose: str, secret: Secret, entropy: Entropy) -> bytes:
    """The container with `content`, for this purpose only."""
    salt = secret.last_salt or entropy(_SALT_SIZE)
    nonce = entropy(_NONCE_SIZE)
    aad = _aad(purpose, secret.kind, salt)
    return encode(
        [1, purpose, secret.kind, salt, nonce, AESGCM(secret.kek(salt)).encrypt(nonce, content, aad)]
    )


def open_sealed(data: bytes, *, purpose: str, secret: Secret, name: str, limit: int = MAX_SEALED) -> bytes:
    """The content. One error for damage and for a wrong secret: they cannot be told apart safely."""
    try:
        item = decode(data, limit=limit)
    except Rejected:
        raise _unreadable(name) from None
    match item:
        case [int(version), str(found), str(kind), bytes(salt), bytes(nonce), bytes(ciphertext)] if (
            # To Python true equals 1, and then two byte strings would be one file.
            type(version) is int and version == 1 and len(salt) == _SALT_SIZE and len(nonce) == _NONCE_SIZE
        ):
            pass
        case _:
            raise _unreadable(name)
    if found != purpose or kind not in ("credential", "passphrase", "token"):
        raise _unreadable(name)
    if kind != secret.kind:
        raise KeyFileUnreadable(
            f"{name} opens with a {kind}, and a {secret.kind} was given", hint=f"give the {kind}"
        )
    try:
        return AESGCM(secret.kek(salt)).decrypt(nonce, ciphertext, _aad(purpose, kind, salt))
    except (InvalidTag, ValueError):
        raise _unreadable(name) from None


def purpose_of(data: bytes, *, name: str) -> tuple[str, str]:
    """What a container says that it is for, and what opens it. It is not proved yet."""
    try:
        item = decode(data, limit=MAX_SEALED)
    except Rejected:
        raise _unreadable(name) from None
    match item:
        case [int(), str(purpose), str(kind), *_]:
            return purpose, kind
        case _:
            raise _unreadable(name)


def reseal(data: bytes, before: Secret, after: Secret, *, name: str, entropy: Entropy) -> bytes:
    """The same content for the same purpose, opened by another secret."""
    purpose, _ = purpose_of(data, name=name)
    content = open_sealed(data, purpose=purpose, secret=before, name=name)
    return seal_file(content, purpose=purpose, secret=after, entropy=entropy)


def opens_with(data: bytes, secret: Secret) -> bool:
    """Whether this opens the container, whatever is in it."""
    purpose, kind = purpose_of(data, name="the file")
    if kind != secret.kind:
        return False
    try:
        open_sealed(data, purpose=purpose, secret=secret, name="the file")
    except KeyFileUnreadable:
        return False
    return True


def _aad(purpose: str, kind: str, salt: bytes) -> bytes:
    return encode(["contrada/sealed-file", 1, purpose, kind, salt])


def _unreadable(name: str) -> KeyFileUnreadable:
    return KeyFileUnreadable(
        f"{name} does not open",
        hint="check the passphrase, credential or token; if it is right, restore the file from a backup",
    )
