"""What a signer signs for a router: that, and nothing else. Pure.

    batch of decisions      Ed25519            context "contrada/batch/1"      [ 1, router, t, count, root ]
    start of a program      Ed25519, ML-DSA    context "contrada/actions/1"    [ 1, actor, t, 1, root ]

A router that was taken over asks for whatever serves its new master. So of what it asks every byte is judged:
the bytes to be signed are read as what they claim to be, in their one encoding; the context is one of these
two, so that no statement, no header and no other use of the key can be had; the names are this router's; and
the time is now, so that nobody collects signatures for a time when the router is his no more.

What it cannot judge: whether decisions follow the rules, since of a batch it sees the root. That is seen in
the ledger. And which act is behind a root; but of a router's acts everybody takes the start of a program
alone (protocol/trail/stated_acts.py).
"""

from __future__ import annotations

from typing import Final

from keys.errors import SignerRefused
from protocol.canonical import Item, decode
from protocol.errors import Rejected
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.item_forms import uint
from protocol.limits import CLOCK_OFF
from protocol.public_keys import ALG_ED25519, ALG_ML_DSA_65
from protocol.signatures import ACTS, BATCH
from protocol.trail.records import VERSION

MAX_MESSAGE: Final = 1_024
MOST_DECISIONS: Final = 10_000
_ALGORITHMS: Final = {"ed25519": ALG_ED25519, "ml-dsa-65": ALG_ML_DSA_65}


def check_duty(message: bytes, *, algorithm: str, router: str, actor: UnitId, now: Millis) -> KeyId:
    """The id of the key that is to sign this, or `SignerRefused`.

    `router` stands in its batches, and `actor` is the name of its key.
    """
    try:
        item = decode(message, limit=MAX_MESSAGE)
        match item:
            case ["Signature1", bytes(prot), bytes(context), bytes(payload)] if context == BATCH:
                if algorithm != "ed25519":
                    raise SignerRefused("a batch is signed with Ed25519 alone")
                _check_root(decode(payload, limit=256), name=router, most=MOST_DECISIONS, now=now)
            case ["Signature", b"", bytes(prot), bytes(context), bytes(payload)] if context == ACTS:
                _check_root(decode(payload, limit=256), name=actor, most=1, now=now)
            case _:
                raise SignerRefused("neither decisions nor the start of a program")
        return _kid_of(decode(prot, limit=64), _ALGORITHMS[algorithm])
    except Rejected as rejected:
        raise SignerRefused(f"what is to be signed is not well-formed ({rejected.reason.value})") from None


def check_now(t: Millis, now: Millis) -> None:
    """Refuse to sign for another time than the present one."""
    if abs(t - now) > CLOCK_OFF:
        raise SignerRefused("it bears another time than now", hint="compare the clocks of router and signer")


def _check_root(item: Item, *, name: str, most: int, now: Millis) -> None:
    match item:
        case [version, str(named), t, count, bytes(root)] if uint(version) == VERSION and len(root) == 32:
            if named != name:
                raise SignerRefused("it bears the name of another")
            if not 0 < uint(count) <= most:
                raise SignerRefused("it is over another number than a router's")
            check_now(Millis(uint(t)), now)
        case _:
            raise SignerRefused("not a root over decisions, nor over acts")


def _kid_of(item: Item, algorithm: int) -> KeyId:
    match item:
        case {1: found, 4: bytes(kid), **rest} if not rest and found == algorithm and len(kid) == 16:
            return KeyId(kid)
        case _:
            raise SignerRefused("the protected header is not that of this algorithm")
