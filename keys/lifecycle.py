"""The states of keys and what each allows. Pure; time comes in as an argument.

    signing key    signs  verifies      epoch key   sealed to  opens
    pending        -      -             ahead       -          -
    active         yes    yes           next        yes        yes
    due            yes    yes           current     yes        yes
    expired        -      what was      grace       yes        yes
    revoked        -      accepted      closed      -          yes
    compromised    -      before it     revoked     -          yes
                                        destroyed   -          -

A key that is due still works: the next one should be requested.
"""

from __future__ import annotations

from enum import StrEnum

from protocol.epochs import epoch_of, is_acceptable, is_to_be_destroyed
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.parties import EpochKey, IdentityKey

IDENTITY_LIFETIME = 2 * 365 * DAY
REGISTRAR_LIFETIME = 2 * 365 * DAY
ROUTER_LIFETIME = 365 * DAY
LEDGER_LIFETIME = 365 * DAY


class KeyState(StrEnum):
    """The states of a signing key."""

    PENDING = "pending"
    ACTIVE = "active"
    DUE = "due"
    EXPIRED = "expired"
    REVOKED = "revoked"
    COMPROMISED = "compromised"


class EpochState(StrEnum):
    """The states of an epoch key."""

    AHEAD = "ahead"
    NEXT = "next"
    CURRENT = "current"
    GRACE = "grace"
    CLOSED = "closed"
    REVOKED = "revoked"
    DESTROYED = "destroyed"


def key_state(key: IdentityKey, now: Millis) -> KeyState:
    """The state of a signing key at this moment."""
    if key.revoked:
        return KeyState.REVOKED if key.compromised_since is None else KeyState.COMPROMISED
    if now < key.not_before:
        return KeyState.PENDING
    if now > key.not_after:
        return KeyState.EXPIRED
    return KeyState.DUE if now >= rotation_due(key) else KeyState.ACTIVE


def rotation_due(key: IdentityKey) -> Millis:
    """Whether two thirds of its life are over: the next one should be requested."""
    return Millis(key.not_before + (key.not_after - key.not_before) * 2 // 3)


def epoch_state(key: EpochKey, now: Millis) -> EpochState:
    """The state of an epoch key at this moment."""
    if is_to_be_destroyed(key.epoch, now):
        return EpochState.DESTROYED
    if key.revoked:
        return EpochState.REVOKED
    match key.epoch - epoch_of(now):
        case 0:
            return EpochState.CURRENT
        case 1:
            return EpochState.NEXT
        case ahead if ahead > 1:
            return EpochState.AHEAD
        case _:
            return EpochState.GRACE if is_acceptable(key.epoch, now) else EpochState.CLOSED
