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

from collections.abc import Iterable, Sequence
from enum import StrEnum

from protocol.epochs import epoch_of, is_acceptable, is_to_be_destroyed
from protocol.identifiers import KeyId, Millis
from protocol.limits import DAY
from protocol.parties import EpochKey, IdentityKey

IDENTITY_LIFETIME = 2 * 365 * DAY
REGISTRAR_LIFETIME = 2 * 365 * DAY
ROUTER_LIFETIME = 365 * DAY
LEDGER_LIFETIME = 365 * DAY

ENDING = 60 * DAY
"""So long before its end a key that no other follows is told of: by itself it renews long before."""

OVERLAP = DAY
"""So long the present key goes on to sign after its successor was named, if it can: everybody has it then."""

ROTATED_ENDS = 14 * DAY
"""So long after a unit's next identity begins the one before is withdrawn: what that signed is decided,
or too old to be."""


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
    """When two thirds of its life are over: from then on the next one should be requested."""
    return Millis(key.not_before + (key.not_after - key.not_before) * 2 // 3)


def followed_by(key: IdentityKey, party: Iterable[IdentityKey]) -> IdentityKey | None:
    """Of the keys of the same party, one that is not revoked and ends later."""
    later = (other for other in party if not other.revoked and other.not_after > key.not_after)
    return max(later, key=lambda other: other.not_after, default=None)


def party_end(party: Iterable[IdentityKey]) -> Millis | None:
    """When the last key of a party ends; None where it has none that is not revoked."""
    return max((key.not_after for key in party if not key.revoked), default=None)


def rotated_away(present: KeyId, party: Sequence[IdentityKey], now: Millis) -> tuple[IdentityKey, ...]:
    """Of a unit's keys, in the order of appointment, those whose overlap with the present one is over."""
    order = [key.public.kid for key in party]
    at = order.index(present) if present in order else 0
    if not party or now < party[at].not_before + ROTATED_ENDS:
        return ()
    return tuple(key for key in party[:at] if not key.revoked and now <= key.not_after)


def takes_over(
    successor: IdentityKey, present: IdentityKey | None, now: Millis, *, overlap: int = OVERLAP
) -> bool:
    """Whether a process signs with the successor of its present key by now."""
    if successor.revoked or not successor.not_before <= now <= successor.not_after:
        return False
    if present is None or present.revoked or now > present.not_after:
        return True
    return now >= successor.not_before + overlap


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
