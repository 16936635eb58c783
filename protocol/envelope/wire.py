"""The envelope on the wire: a sender's submission, and the delivery to each addressee.

    submission = [ 1, signed-header, ciphertext, [ wrap, ... ] ]
    delivery   = [ 1, signed-header, ciphertext, index, wrap, receipt ]

The router takes a submission apart into deliveries: each addressee gets its own key wrap and no other.
Owns the layout and the checks of form; verifies nothing (protocol/verification.py does).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.envelope.header import Header, parse_header
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, KeyId, digest
from protocol.public_keys import ALG_HPKE_9_KE
from protocol.signatures import Signed, parse_signed

VERSION = 1
X_WING_ENC = 1120  # ML-KEM-768 ciphertext (1088), then the ephemeral X25519 key (32)
WRAPPED_KEY = 48  # a 32-byte content key and its tag


@dataclass(frozen=True, slots=True)
class Wrap:
    """A content key, sealed to one addressee's epoch key (COSE-HPKE key encryption, HPKE-9-KE)."""

    kid: KeyId
    enc: bytes
    wrapped: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """A parsed submission. Nothing in it is verified yet."""

    signed: Signed
    header: Header
    signed_header: bytes
    ciphertext: bytes
    wraps: tuple[bytes, ...]

    @property
    def header_digest(self) -> Digest:
        """The name of this message everywhere else: SHA-256 of its signed header."""
        return digest(self.signed_header)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A parsed delivery. Nothing in it is verified yet."""

    signed: Signed
    header: Header
    signed_header: bytes
    ciphertext: bytes
    index: int
    wrap: bytes
    receipt: bytes

    @property
    def header_digest(self) -> Digest:
        """SHA-256 of the signed header."""
        return digest(self.signed_header)


@lru_cache(maxsize=4096)
def wrap_protected(kid: KeyId) -> bytes:
    """The protected header of a wrap: {1: HPKE-9-KE, 4: kid}."""
    return encode({1: ALG_HPKE_9_KE, 4: kid})


def encode_wrap(kid: KeyId, enc: bytes, wrapped: bytes) -> bytes:
    """A COSE_recipient."""
    return encode([wrap_protected(kid), {-4: enc}, wrapped])


def parse_wrap(raw: bytes) -> Wrap:
    """A wrap, checked in form."""
    match decode(raw, limit=4096):
        case [bytes(prot), {-4: bytes(enc), **rest}, bytes(wrapped)] if not rest:
            if len(enc) != X_WING_ENC or len(wrapped) != WRAPPED_KEY:
                raise Rejected(Code.E_WRAP_LEN, "a key wrap has the wrong size")
            return Wrap(_wrap_kid(prot), enc, wrapped, raw)
        case [bytes(), dict(), bytes()]:
            raise Rejected(Code.E_UNPROTECTED, "a wrap's unprotected map is not {-4: ek}")
        case _:
            raise Rejected(Code.E_SCHEMA, "a wrap is not [protected, {-4: ek}, ciphertext]")


def encode_submission(signed_header: bytes, ciphertext: bytes, wraps: tuple[bytes, ...]) -> bytes:
    """The bytes that a sender hands to its outbox."""
    return encode([VERSION, signed_header, ciphertext, list(wraps)])


def encode_delivery(submission: Submission, index: int, receipt: bytes) -> bytes:
    """The bytes for addressee `index`: its own wrap, and no other."""
    return encode([
        VERSION, submission.signed_header, submission.ciphertext, index, submission.wraps[index], receipt,
    ])  # fmt: skip


def parse_submission(data: bytes) -> Submission:
    """The structure with its header, checked in form; `Rejected` otherwise."""
    match _versioned(data):
        case [_, bytes(signed_header), bytes(ciphertext), [*wraps]]:
            signed = parse_signed(signed_header)
            header = parse_header(signed.payload)
            _sized(ciphertext)
            return Submission(
                signed, header, signed_header, ciphertext, tuple(_bytes(wrap) for wrap in wraps)
            )
        case _:
            raise Rejected(Code.E_SCHEMA, "not a submission")


def parse_delivery(data: bytes) -> Delivery:
    """The structure with its header, checked in form; `Rejected` otherwise."""
    match _versioned(data):
        case [_, bytes(signed_header), bytes(ciphertext), int(index), bytes(wrap), bytes(receipt)]:
            signed = parse_signed(signed_header)
            header = parse_header(signed.payload)
            _sized(ciphertext)
            # A negative index would count from the end in Python: refuse it by name.
            if type(index) is not int or not 0 <= index < len(header.core.to):
                raise Rejected(Code.E_SCHEMA, "the index does not name an addressee")
            return Delivery(signed, header, signed_header, ciphertext, index, wrap, receipt)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a delivery")


def _versioned(data: bytes) -> Item:
    item = decode(data, limit=limits.MAX_RECORD)
    if type(item) is not list or not item or type(item[0]) is not int:
        raise Rejected(Code.E_SCHEMA, "not an envelope")
    if item[0] != VERSION:
        raise Rejected(Code.E_VER, f"version {item[0]}, known is {VERSION}")
    return item


def _sized(ciphertext: bytes) -> None:
    if not limits.MIN_CIPHERTEXT <= len(ciphertext) <= limits.MAX_CIPHERTEXT:
        raise Rejected(Code.E_SIZE, "the ciphertext is too short or too long")


def _bytes(value: Item) -> bytes:
    if type(value) is not bytes:
        raise Rejected(Code.E_SCHEMA, "a wrap is not a byte string")
    return value


@lru_cache(maxsize=4096)
def _wrap_kid(prot: bytes) -> KeyId:
    match decode(prot, limit=64):
        case {1: int(alg), 4: bytes(kid), **rest} if not rest and len(kid) == 16:
            if alg != ALG_HPKE_9_KE:
                raise Rejected(Code.E_ALG_MIX, f"wrap algorithm {alg}; every wrap must be post-quantum")
            return KeyId(kid)
        case _:
            raise Rejected(Code.E_SCHEMA, "a wrap's protected header is not {1: alg, 4: kid}")
