"""The weekly epochs of encryption keys: arithmetic only.

A unit publishes a key for each epoch ahead of time and destroys the private half 14 days after the
epoch's end: from then on, copies of the messages on the bus cannot be opened by anybody.
"""

from __future__ import annotations

from protocol import limits
from protocol.identifiers import Millis


def epoch_of(now: Millis) -> int:
    """The number of the epoch in which `now` lies."""
    return now // limits.EPOCH


def bounds(epoch: int) -> tuple[Millis, Millis]:
    """First and one-past-last millisecond of an epoch."""
    return Millis(epoch * limits.EPOCH), Millis((epoch + 1) * limits.EPOCH)


def is_acceptable(epoch: int, now: Millis) -> bool:
    """Whether a router takes a message sealed to this epoch: current, next, or just ended."""
    current = epoch_of(now)
    just_ended = epoch == current - 1 and now - bounds(current)[0] < limits.EPOCH_GRACE
    return epoch in (current, current + 1) or just_ended


def to_publish(now: Millis) -> range:
    """The epochs for which a unit's key should be in the directory."""
    current = epoch_of(now)
    return range(current, current + limits.EPOCH_AHEAD + 1)


def is_to_be_destroyed(epoch: int, now: Millis) -> bool:
    """Whether the private key must be gone by now."""
    return now >= bounds(epoch)[1] + limits.EPOCH_DESTROY_AFTER
