"""Sealing content for several addressees, and opening it.

    plaintext  = [ salt, [ part, ... ], pad ]               padded to the Padmé size
    ciphertext = AES-256-GCM( CEK, iv, plaintext, AAD )
    wrap_i     = HPKE-9-KE( addressee i's epoch key, CEK, info_i )
    AAD        = ["Encrypt", h'a10103', Hcore]              a10103 = {1: 3}, A256GCM
    info_i     = ["HPKE Recipient", 3, protected_i, Hcore]  3 binds the next layer to A256GCM
    Hcore      = SHA-256(core)

Then the sender signs core, hashes and commitment (encrypt, then sign, with a committed plaintext). The
CEK is fresh for each message, so a random iv is safe. Nothing of the plaintext leaves `open_content`
before its commitment was checked, and every failure to open looks the same from outside.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM
from cryptography.hazmat.primitives.hpke import Suite as HpkeSuite

from protocol import limits
from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope.commitment import SALT_SIZE, commit
from protocol.envelope.core import Core, encode_core
from protocol.envelope.header import Header, Seal, encode_header
from protocol.envelope.wire import X_WING_ENC, Wrap, encode_submission, encode_wrap, wrap_protected
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Digest, Entropy, KeyId, digest
from protocol.public_keys import EpochPublic
from protocol.signatures import HEADER, Signer, sign

HPKE_9 = HpkeSuite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM)
_A256GCM_PROTECTED = bytes.fromhex("a10103")
_A256GCM = 3
CEK_SIZE = 32
IV_SIZE = 12
TAG_SIZE = 16
MAX_PART_KIND = 255


class WrapOpener(Protocol):
    """A unit's private epoch keys, wherever they are kept."""

    def open(self, *, kid: KeyId, enc: bytes, ciphertext: bytes, info: bytes) -> bytes:
        """The wrapped key, or `Rejected(E_OPEN)`."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished submission and its name."""

    submission: bytes
    header_digest: Digest


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """Opened and checked content. It has no repr: it must not end in a log."""

    salt: bytes
    parts: tuple[Part, ...]


def seal(
    core: Core, parts: Sequence[Part], *, keys: Sequence[EpochPublic], signer: Signer, entropy: Entropy
) -> Sealed:
    """Encrypt `parts` to `keys` (in the order of `core.to`) and sign the whole."""
    if tuple(key.kid for key in keys) != tuple(addressee.key for addressee in core.to):
        raise MisuseError("the keys are not those that the core names")
    if not 1 <= len(parts) <= limits.MAX_PARTS:
        raise MisuseError(f"a message has 1 to {limits.MAX_PARTS} parts")
    if any(not 0 <= part.kind <= MAX_PART_KIND for part in parts):
        raise MisuseError(f"the kind of a part is a number from 0 to {MAX_PART_KIND}")
    core_bytes = encode_core(core)
    core_hash = digest(core_bytes)
    salt, cek, iv = entropy(SALT_SIZE), entropy(CEK_SIZE), entropy(IV_SIZE)
    ciphertext = AESGCM(cek).encrypt(iv, encode_plaintext(salt, parts), content_aad(core_hash))
    if len(ciphertext) > limits.MAX_CIPHERTEXT:
        raise Rejected(Code.E_SIZE, f"the content is over {limits.MAX_CIPHERTEXT} bytes")
    wraps = tuple(wrap_key(cek, key, core_hash) for key in keys)
    sealed = Seal(
        digest(ciphertext), len(ciphertext), iv, commit(salt, parts), tuple(digest(wrap) for wrap in wraps)
    )
    signed = sign(encode_header(core_bytes, sealed), suite=core.suite, signer=signer, context=HEADER)
    return Sealed(encode_submission(signed, ciphertext, wraps), digest(signed))


def wrap_key(cek: bytes, key: EpochPublic, core_hash: Digest) -> bytes:
    """The content key for one addressee, bound to this core."""
    kid = key.kid
    sealed = HPKE_9.encrypt(cek, key.hpke_key(), wrap_info(kid, core_hash))
    return encode_wrap(kid, sealed[:X_WING_ENC], sealed[X_WING_ENC:])


def open_content(header: Header, ciphertext: bytes, wrap: Wrap, *, opener: WrapOpener) -> Content:
    """The content of a message whose signature and hashes were already verified.

    Raises `Rejected`: E_OPEN for whatever fails on the way to the plaintext, E_COMMIT if the plaintext
    is not the one that the sender committed to.
    """
    core_hash = header.core_hash
    try:
        cek = opener.open(
            kid=wrap.kid, enc=wrap.enc, ciphertext=wrap.wrapped, info=wrap_info(wrap.kid, core_hash)
        )
    except Rejected:
        # With one text: which key failed, and how, is not revealed.
        raise _cannot_open() from None
    if len(cek) != CEK_SIZE:
        raise _cannot_open()
    try:
        plaintext = AESGCM(cek).decrypt(header.seal.iv, ciphertext, content_aad(core_hash))
    except InvalidTag:
        raise _cannot_open() from None
    content = _parse_plaintext(plaintext)
    if not hmac.compare_digest(commit(content.salt, content.parts), header.seal.commitment):
        raise Rejected(Code.E_COMMIT, "the content is not the one that was signed")
    return content


def content_aad(core_hash: Digest) -> bytes:
    """Enc_structure (RFC 9052, 5.3) with Hcore as external data."""
    return encode(["Encrypt", _A256GCM_PROTECTED, core_hash])


def wrap_info(kid: KeyId, core_hash: Digest) -> bytes:
    """Recipient_structure (draft-ietf-cose-hpke) with Hcore as extra info."""
    return encode(["HPKE Recipient", _A256GCM, wrap_protected(kid), core_hash])


def padme(size: int) -> int:
    """The Padmé size (PETS 2019): the length leaks O(log log size) bits, for at most 12 % more."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (size + mask) & ~mask


def encode_plaintext(salt: bytes, parts: Sequence[Part]) -> bytes:
    """[ salt, parts, pad ] with the shortest pad of zeros that reaches the Padmé size."""
    bare = encode([salt, [[part.kind, part.content] for part in parts], b""])
    pad = pad_size(len(bare))
    # `bare` ends in the empty pad, which is one byte: its length field.
    return bare[:-1] + encode(bytes(pad))


def pad_size(bare: int) -> int:
    """How long the pad is behind a plaintext that has `bare` bytes with an empty one."""
    # The least ciphertext that an envelope may hold, also around the shortest content.
    target = max(padme(bare), limits.MIN_CIPHERTEXT - TAG_SIZE)
    # The pad's own length field grows with it, so that a few sizes cannot be met exactly: then one more.
    pad = max(0, target - bare - 4)
    while bare + pad + _length_field(pad) - 1 < target:
        pad += 1
    return pad


def _length_field(size: int) -> int:
    return 1 if size < 24 else 2 if size < 256 else 3 if size < 65536 else 5


def _parse_plaintext(plaintext: bytes) -> Content:
    try:
        match decode(plaintext, limit=limits.MAX_CIPHERTEXT):
            case [bytes(salt), [*rows], bytes(pad)] if (
                len(salt) == SALT_SIZE and 1 <= len(rows) <= limits.MAX_PARTS
            ):
                content = Content(salt, tuple(_part(row) for row in rows))
            case _:
                raise _cannot_open()
    except Rejected:
        raise _cannot_open() from None
    # The pad is derived, not chosen: another one could hide bytes. The rest of the plaintext
    # is the one encoding of what was read, or `decode` would have refused it.
    bare = len(plaintext) - len(pad) - _length_field(len(pad)) + 1
    if pad != bytes(pad_size(bare)):
        raise _cannot_open()
    return content


def _part(row: object) -> Part:
    match row:
        case [int(kind), bytes(content)] if type(kind) is int and 0 <= kind <= MAX_PART_KIND:
            return Part(kind, content)
        case _:
            raise _cannot_open()


def _cannot_open() -> Rejected:
    return Rejected(Code.E_OPEN, "the content cannot be opened")
