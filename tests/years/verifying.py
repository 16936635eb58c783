"""Each signature is verified once in a simulation, whoever asks: one process is all parties.

Verification is a pure function of key, signature and message, so an answer that is remembered is the same answer. A dozen
units verify each publication and each statement; without this a fifth of a simulated year is spent on asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Final
from unittest.mock import patch

from protocol.public_keys import IdentityPublic, verify_ed25519, verify_ml_dsa_44
from protocol.tlog import checkpoints

REMEMBERED: Final = 20_000

Verify = Callable[[bytes, bytes, bytes], bool]


@contextmanager
def verified_once() -> Iterator[None]:
    """As long as this lasts."""
    ed25519, ml_dsa_44 = _once(verify_ed25519), _once(verify_ml_dsa_44)
    ml_dsa_65 = lru_cache(REMEMBERED)(IdentityPublic.verify_ml_dsa_65)

    def verify_identity(self: IdentityPublic, signature: bytes, message: bytes) -> bool:
        return ed25519(self.ed25519, signature, message)

    def verify_pq(self: IdentityPublic, signature: bytes, message: bytes) -> bool:
        return ml_dsa_65(self, signature, message)

    with ExitStack() as replaced:
        for place, name, new in (
            (checkpoints, "verify_ed25519", ed25519),
            (checkpoints, "verify_ml_dsa_44", ml_dsa_44),
            (IdentityPublic, "verify_ed25519", verify_identity),
            (IdentityPublic, "verify_ml_dsa_65", verify_pq),
        ):
            replaced.enter_context(patch.object(place, name, new))
        yield


def _once(verify: Verify) -> Verify:
    return lru_cache(REMEMBERED)(verify)
