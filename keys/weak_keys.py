"""Checks for weak epoch keys, which parse but cannot be sealed to. Pure.

With an X25519 point of small order the shared secret is zero, and the library refuses to seal to it: a
unit that published one would make every sender fail that addresses it. (Ed25519 keys of small order need
no check here: nothing verifies under them, and so no proof of possession either.)
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from protocol.errors import Code, Rejected
from protocol.public_keys import EpochPublic

_ANY_SCALAR = X25519PrivateKey.from_private_bytes(bytes(range(32)))
_ML_KEM_768_PUBLIC = 1184


def check_epoch(public: EpochPublic) -> None:
    """Refuse an epoch key that cannot be sealed to."""
    public.hpke_key()
    try:
        # Any scalar will do: the library refuses an all-zero result, which small order alone can give.
        _ANY_SCALAR.exchange(X25519PublicKey.from_public_bytes(public.x_wing[_ML_KEM_768_PUBLIC:]))
    except ValueError:
        raise Rejected(Code.E_STATEMENT, "an X25519 key of small order") from None
