"""The pinned root: the public keys from which everything in the directory follows.

    root = [ v: 1, threshold: uint, [ 1*8 [ ed25519: bstr .size 32, ml-dsa-65: bstr .size 1952 ] ] ]

It reaches a unit by hand, on paper or on a medium, and never over the exchange itself. `threshold` root keys
must appoint the same registrar before it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from protocol.canonical import decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import KeyId
from protocol.limits import MAX_STATEMENT
from protocol.public_keys import IdentityPublic

MAX_ROOTS = 8


@dataclass(frozen=True, slots=True)
class RootOfTrust:
    """The root keys, and how many of them must agree."""

    keys: tuple[IdentityPublic, ...]
    threshold: int = 1

    def __post_init__(self) -> None:
        """Refuse a root whose threshold could be met by fewer keys than it says."""
        if not 1 <= len(self.keys) <= MAX_ROOTS:
            raise MisuseError(f"a root of trust has 1 to {MAX_ROOTS} keys")
        if not 1 <= self.threshold <= len(self.keys):
            raise MisuseError("the threshold is between 1 and the number of root keys")
        if len({key.kid for key in self.keys} | {key.pq_kid for key in self.keys}) != 2 * len(self.keys):
            raise MisuseError("a root key is there twice")

    @classmethod
    def parse(cls, data: bytes) -> RootOfTrust:
        """The root in a pinned file, or `Rejected`."""
        match decode(data, limit=MAX_STATEMENT):
            case [version, threshold, list(pairs)] if (
                type(version) is type(threshold) is int and version == 1
            ):
                try:
                    return cls(tuple(_public(pair) for pair in pairs), threshold)
                except MisuseError as error:
                    raise Rejected(Code.E_SCHEMA, error.sentence) from None
            case _:
                raise Rejected(Code.E_SCHEMA, "not a root of trust")

    def by_kid(self) -> dict[KeyId, IdentityPublic]:
        """The root keys by their ids."""
        return {key.kid: key for key in self.keys}

    def encoded(self) -> bytes:
        """The contents of the file that units pin."""
        return encode([1, self.threshold, [[key.ed25519, key.ml_dsa_65] for key in self.keys]])

    def fingerprint(self) -> str:
        """What two people read to each other to know that they pin the same root."""
        return spoken(sha256(self.encoded()).digest())


def fingerprint(public: IdentityPublic) -> str:
    """What two people read to each other to know that they mean the same identity."""
    return spoken(sha256(encode([public.ed25519, public.ml_dsa_65])).digest())


def spoken(digest: bytes) -> str:
    """32 bytes as groups of four hexadecimal digits."""
    text = digest.hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _public(pair: object) -> IdentityPublic:
    match pair:
        case [bytes(ed25519), bytes(ml_dsa_65)]:
            return IdentityPublic(ed25519, ml_dsa_65)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a pair of public keys")
