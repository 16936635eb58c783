"""The signed header: the core and the seal, under the sender's signature.

    header = [ core-bytes, seal-bytes ]        the payload that is signed
    core   = the sender's fields (protocol/envelope/core.py)
    seal   = what binds the content to it: hashes, length, initialisation vector, commitment

Owns the layout (docs/spec/contrada.cddl is the normative text) and the checks of form.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol import limits
from protocol.canonical import decode, encode
from protocol.envelope.core import Core, parse_core
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, digest
from protocol.item_forms import octets, uint


@dataclass(frozen=True, slots=True)
class Seal:
    """What binds the ciphertext, the wraps and the plaintext to the signature."""

    ct_hash: Digest
    ct_len: int
    iv: bytes
    commitment: Digest
    wrap_hashes: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header with the bytes that were signed."""

    core: Core
    seal: Seal
    core_bytes: bytes

    @property
    def core_hash(self) -> Digest:
        """Hcore: what the AEAD and every wrap are bound to."""
        return digest(self.core_bytes)


def encode_header(core_bytes: bytes, seal: Seal) -> bytes:
    """The payload that the sender signs."""
    seal_bytes = encode([seal.ct_hash, seal.ct_len, seal.iv, seal.commitment, list(seal.wrap_hashes)])
    return encode([core_bytes, seal_bytes])


def parse_header(payload: bytes) -> Header:
    """Core and seal, checked in form; `Rejected` otherwise."""
    match decode(payload, limit=limits.MAX_HEADER):
        case [bytes(core_bytes), bytes(seal_bytes)]:
            return Header(parse_core(core_bytes), parse_seal(seal_bytes), core_bytes)
        case _:
            raise Rejected(Code.E_SCHEMA, "the header is not [core, seal]")


def parse_seal(data: bytes) -> Seal:
    """The seal, checked in form."""
    match decode(data, limit=limits.MAX_HEADER):
        case [ct_hash, ct_len, iv, commitment, [*wrap_hashes]] if (
            1 <= len(wrap_hashes) <= limits.MAX_RECIPIENTS
        ):
            return Seal(
                Digest(octets(ct_hash, 32)),
                uint(ct_len),
                octets(iv, 12),
                Digest(octets(commitment, 32)),
                tuple(Digest(octets(wrap_hash, 32)) for wrap_hash in wrap_hashes),
            )
        case _:
            raise Rejected(Code.E_SCHEMA, "the seal has another structure")
