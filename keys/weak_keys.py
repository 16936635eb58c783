"""Public keys that parse and are worthless, refused before they enter the directory. Pure.

- Ed25519 points of small order: everybody can make signatures that verify under them, so their owner could
  sign a message and later say that anybody might have.
- X25519 points of small order: the shared secret is zero, and the library refuses to seal to them. A unit
  that published one would make every sender's sealing fail.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from protocol.errors import Code, Rejected
from protocol.public_keys import EpochPublic, IdentityPublic

_P = 2**255 - 19
# The y coordinates of the eight points of small order; x does not matter, so the sign bit is masked away.
_Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})
_ANY_SCALAR = X25519PrivateKey.from_private_bytes(bytes(range(32)))
_ML_KEM_768_PUBLIC = 1184


def check_identity(public: IdentityPublic) -> None:
    """Refuse an identity whose Ed25519 key binds nobody."""
    y = int.from_bytes(public.ed25519, "little") & (1 << 255) - 1
    if y % _P in _SMALL_ORDER:
        raise Rejected(Code.E_STATEMENT, "an Ed25519 key of small order")


def check_epoch(public: EpochPublic) -> None:
    """Refuse an epoch key that cannot be sealed to."""
    public.hpke_key()
    try:
        # Any scalar will do: the library refuses an all-zero result, which small order alone can give.
        _ANY_SCALAR.exchange(X25519PublicKey.from_public_bytes(public.x_wing[_ML_KEM_768_PUBLIC:]))
    except ValueError:
        raise Rejected(Code.E_STATEMENT, "an X25519 key of small order") from None
