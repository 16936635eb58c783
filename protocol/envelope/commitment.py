"""The salted commitment to the content, part by part.

    salt_i     = HMAC-SHA256(salt, "part" || uint16(i))
    c_i        = HMAC-SHA256(salt_i, det-CBOR [kind, content])
    commitment = SHA-256("contrada/commit/1" || c_0 || ... || c_n-1)

The sender signs the commitment, so two addressees cannot be shown two contents under one signature
(AES-GCM alone would allow it), and one part can be proved later with (salt_i, part_i, the other c_j)
and no key. Commit-then-encrypt message franking: Grubbs, Lu, Ristenpart, CRYPTO 2017. The salt has
exactly 32 bytes, so that HMAC's padding of keys cannot make two salts equal.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from protocol.canonical import encode
from protocol.content.parts import Part
from protocol.identifiers import Digest

SALT_SIZE = 32
_LABEL = b"contrada/commit/1"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Proves one part of a message to a holder of the signed header, and shows nothing of the others."""

    index: int
    part: Part
    part_salt: bytes
    others: tuple[Digest, ...]
    """The commitments of the other parts, in order."""


def part_salt(salt: bytes, index: int) -> bytes:
    """The salt of part `index`."""
    return hmac.digest(salt, b"part" + index.to_bytes(2, "big"), "sha256")


def commit_part(salt_of_part: bytes, part: Part) -> Digest:
    """c_i."""
    return Digest(hmac.digest(salt_of_part, encode([part.kind, part.content]), "sha256"))


def combine(commitments: Sequence[Digest]) -> Digest:
    """The commitment over all parts."""
    return Digest(sha256(_LABEL + b"".join(commitments)).digest())


def commit(salt: bytes, parts: Sequence[Part]) -> Digest:
    """The commitment that the sender signs."""
    return combine(_each(salt, parts))


def disclose(salt: bytes, parts: Sequence[Part], index: int) -> Disclosure:
    """Everything that a third party needs to check part `index` against a signed header."""
    each = _each(salt, parts)
    return Disclosure(index, parts[index], part_salt(salt, index), tuple(each[:index] + each[index + 1 :]))


def verify_disclosure(shown: Disclosure, commitment: Digest) -> bool:
    """Whether the part is the one that was committed to."""
    if not 0 <= shown.index <= len(shown.others) or len(shown.part_salt) != SALT_SIZE:
        return False
    each = list(shown.others)
    each.insert(shown.index, commit_part(shown.part_salt, shown.part))
    return hmac.compare_digest(combine(each), commitment)


def _each(salt: bytes, parts: Sequence[Part]) -> list[Digest]:
    return [commit_part(part_salt(salt, index), part) for index, part in enumerate(parts)]
