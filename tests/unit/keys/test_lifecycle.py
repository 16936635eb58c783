"""The states of keys, and that they agree with what the protocol accepts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from keys.lifecycle import (
    EpochState,
    KeyState,
    epoch_state,
    key_state,
    rotation_due,
)
from protocol.epochs import bounds, is_acceptable, is_to_be_destroyed, to_publish
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.key_validity import check_signing_key
from protocol.limits import DAY, EPOCH
from protocol.parties import EpochKey, IdentityKey
from tests.unit.keys.world import EPOCH_NOW, FR, NOW, epoch_key, identity

KEY = IdentityKey(
    FR, identity("fr").public, NOW, Millis(NOW + 300 * DAY), revoked=False, compromised_since=None
)
EPOCH_KEY = EpochKey(FR, EPOCH_NOW, epoch_key("fr", EPOCH_NOW).public, revoked=False)

MAY_SIGN = frozenset({KeyState.ACTIVE, KeyState.DUE})
MAY_SEAL_TO = frozenset({EpochState.NEXT, EpochState.CURRENT, EpochState.GRACE})
MAY_OPEN = frozenset(EpochState) - {EpochState.AHEAD, EpochState.DESTROYED}


def test_life_of_a_signing_key() -> None:
    """Pending, active, due at two thirds, expired; revoked and compromised at any time."""
    assert rotation_due(KEY) == NOW + 200 * DAY
    assert key_state(KEY, Millis(NOW - 1)) is KeyState.PENDING
    assert key_state(KEY, NOW) is KeyState.ACTIVE
    assert key_state(KEY, Millis(NOW + 200 * DAY - 1)) is KeyState.ACTIVE
    assert key_state(KEY, Millis(NOW + 200 * DAY)) is KeyState.DUE
    assert key_state(KEY, KEY.not_after) is KeyState.DUE
    assert key_state(KEY, Millis(KEY.not_after + 1)) is KeyState.EXPIRED
    assert key_state(replace(KEY, revoked=True), NOW) is KeyState.REVOKED
    assert key_state(replace(KEY, revoked=True, compromised_since=NOW), NOW) is KeyState.COMPROMISED


def test_life_of_an_epoch_key() -> None:
    """Ahead, next, current, a day of grace, closed, and then gone."""
    start, end = bounds(EPOCH_NOW)
    at = [
        (start - 2 * EPOCH, EpochState.AHEAD),
        (start - EPOCH, EpochState.NEXT),
        (start - 1, EpochState.NEXT),
        (start, EpochState.CURRENT),
        (end - 1, EpochState.CURRENT),
        (end, EpochState.GRACE),
        (end + DAY - 1, EpochState.GRACE),
        (end + DAY, EpochState.CLOSED),
        (end + 14 * DAY - 1, EpochState.CLOSED),
        (end + 14 * DAY, EpochState.DESTROYED),
    ]
    for moment, state in at:
        assert epoch_state(EPOCH_KEY, Millis(moment)) is state
    revoked = replace(EPOCH_KEY, revoked=True)
    assert epoch_state(revoked, NOW) is EpochState.REVOKED
    assert epoch_state(revoked, Millis(end + 14 * DAY)) is EpochState.DESTROYED


@given(st.integers(NOW - 400 * DAY, NOW + 400 * DAY), st.booleans())
def test_states_agree_with_the_protocol(moment: int, revoked: bool) -> None:
    """A key that may sign is one the router takes, and so for sealing, opening and destroying."""
    now = Millis(moment)
    signing = replace(KEY, revoked=revoked)
    try:
        check_signing_key(signing, signed_at=now, judged_at=now)
        taken = True
    except Rejected:
        taken = False
    assert (key_state(signing, now) in MAY_SIGN) == taken
    state = epoch_state(replace(EPOCH_KEY, revoked=revoked), now)
    assert (state in MAY_SEAL_TO) == (is_acceptable(EPOCH_NOW, now) and not revoked)
    assert (state is EpochState.DESTROYED) == is_to_be_destroyed(EPOCH_NOW, now)
    if EPOCH_NOW in to_publish(now):
        assert not is_to_be_destroyed(EPOCH_NOW, now)
    if state in MAY_SEAL_TO:
        assert state in MAY_OPEN
