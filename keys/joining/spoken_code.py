"""The code that a unit and the centre read to each other: over all that both must agree on. Pure.

    code = the first 60 bits of scrypt(SHA-256(request), salt = "contrada/joining/1" || SHA-256(terms),
                                       N = 2^17, r = 8, p = 1), in three groups of four symbols

The terms hold the unit, the root, the policy, Kafka's addresses and their authority; the request holds the
unit's keys and its request for a certificate. So whoever exchanges any of these on the way changes the code.

Why twelve symbols are enough without a commitment in between (docs/adr/0046): who wants to pass has to find
keys of his own whose code under the centre's terms is the one that the unit reads. That is 2^59 guesses on
average, each 128 MiB and a third of a second of one core; none can be made before the invitation exists, and
none helps after it has ended, two weeks later at the latest. 10,000 cards with 1,500 guesses a second each
make 2^44 in two weeks, and so pass once in 65,000 attempts, each of which people notice.
"""

from __future__ import annotations

import hashlib
from typing import Final

from protocol.errors import Code, Rejected
from protocol.identifiers import Digest

SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: none of them is taken for another one, read or heard."""

LENGTH: Final = 12
GROUP: Final = 4
BITS: Final = LENGTH * 5

_DOMAIN: Final = b"contrada/joining/1"
_COST: Final = 2**17
_BLOCK: Final = 8
_MEMORY: Final = 129 * _COST * _BLOCK
_ALIKE: Final = str.maketrans("OIL", "011", " -\t")


def spoken_code(terms: Digest, request: Digest) -> str:
    """The code of this request under these terms, as it is shown and read."""
    made = hashlib.scrypt(
        request, salt=_DOMAIN + terms, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=(BITS + 7) // 8
    )
    number = int.from_bytes(made, "big") >> (8 * len(made) - BITS)
    text = "".join(SYMBOLS[number >> (5 * place) & 31] for place in reversed(range(LENGTH)))
    return in_groups(text)


def parse_code(typed: str) -> str:
    """What somebody typed, in the one form; `Rejected` where it is no such code."""
    text = typed.upper().translate(_ALIKE)
    if len(text) != LENGTH or not set(text) <= set(SYMBOLS):
        raise Rejected(
            Code.E_SCHEMA,
            f"a code has {LENGTH} symbols, digits and letters without I, L, O and U",
            hint="type it as the unit reads it: 7KQ2-M9XP-4TRD",
        )
    return in_groups(text)


def in_groups(text: str) -> str:
    """Three groups of four."""
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))
