"""Each signature is verified once in a simulation, whoever asks, and each statement, note and epoch key looked at once.

One process is all parties. All of it are pure functions of bytes with values that nobody can change, so an answer that is
remembered is the same answer; a refusal is none, and is asked for again. A dozen units verify each publication and each
statement; without this a third of a simulated year is spent on asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Final
from unittest.mock import patch

from keys import directory, rules
from keys.rules import check_epoch
from keys.statements import SignedStatement, parse_statement
from protocol.public_keys import IdentityPublic, verify_ed25519, verify_ml_dsa_44
from protocol.tlog import checkpoints
from protocol.tlog.notes import parse_note

REMEMBERED: Final = 20_000

Verify = Callable[[bytes, bytes, bytes], bool]


@contextmanager
def verified_once() -> Iterator[None]:
    """As long as this lasts."""
    ed25519, ml_dsa_44 = _once(verify_ed25519), _once(verify_ml_dsa_44)
    ml_dsa_65 = lru_cache(REMEMBERED)(IdentityPublic.verify_ml_dsa_65)

    parsed = lru_cache(REMEMBERED)(parse_statement)

    def parse_once(data: bytes, *, again: bool = False) -> SignedStatement:
        return parsed(bytes(data))

    def verify_identity(self: IdentityPublic, signature: bytes, message: bytes) -> bool:
        return ed25519(self.ed25519, signature, message)

    def verify_pq(self: IdentityPublic, signature: bytes, message: bytes) -> bool:
        return ml_dsa_65(self, signature, message)

    with ExitStack() as replaced:
        for place, name, new in (
            (checkpoints, "verify_ed25519", ed25519),
            (checkpoints, "verify_ml_dsa_44", ml_dsa_44),
            (checkpoints, "parse_note", lru_cache(REMEMBERED)(parse_note)),
            (directory, "parse_statement", parse_once),
            (rules, "check_epoch", lru_cache(REMEMBERED)(check_epoch)),
            (IdentityPublic, "verify_ed25519", verify_identity),
            (IdentityPublic, "verify_ml_dsa_65", verify_pq),
        ):
            replaced.enter_context(patch.object(place, name, new))
        yield


def _once(verify: Verify) -> Verify:
    return lru_cache(REMEMBERED)(verify)
