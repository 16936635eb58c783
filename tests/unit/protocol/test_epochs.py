"""Epochs: one week each, without a gap; a router takes what an honest sender can have sealed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.epochs import bounds, epoch_of, is_acceptable, is_to_be_destroyed, to_publish
from protocol.limits import DAY, EPOCH, EPOCH_GRACE
from tests.unit.protocol.strategies import QUICK

moments = st.integers(2 * EPOCH, 2**48)


@QUICK
@given(moments)
def test_every_moment_lies_in_one_epoch(now):
    """Epochs follow each other without a gap or an overlap."""
    first, after = bounds(epoch_of(now))

    assert first <= now < after == first + EPOCH
    assert bounds(epoch_of(now) + 1)[0] == after


@QUICK
@given(moments)
def test_what_is_published_can_be_sealed_to(now):
    """A unit publishes the epoch that runs and two more, of which a router takes the first two."""
    published = list(to_publish(now))

    assert published == [epoch_of(now), epoch_of(now) + 1, epoch_of(now) + 2]
    assert [is_acceptable(epoch, now) for epoch in published] == [True, True, False]


@QUICK
@given(st.integers(3, 10_000))
def test_an_epoch_is_acceptable_until_a_day_after_its_end(epoch):
    """The grace is exact to the millisecond, and holds for the last epoch only."""
    end = bounds(epoch)[1]

    assert is_acceptable(epoch, end - 1) and is_acceptable(epoch, end)
    assert is_acceptable(epoch, end + EPOCH_GRACE - 1)
    assert not is_acceptable(epoch, end + EPOCH_GRACE)
    assert not is_acceptable(epoch - 1, end)
    assert not is_acceptable(epoch, bounds(epoch)[0] - EPOCH - 1)


@QUICK
@given(st.integers(3, 10_000))
def test_a_key_outlives_what_may_be_delivered_to_it(epoch):
    """A private key is destroyed two weeks after its epoch, when no router takes a message to it any more."""
    end = bounds(epoch)[1]

    assert not is_to_be_destroyed(epoch, end + 14 * DAY - 1)
    assert is_to_be_destroyed(epoch, end + 14 * DAY)
    assert not is_acceptable(epoch, end + 14 * DAY)
