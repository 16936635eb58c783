"""Quotas: what was not used is there at once, what is used is paid off in time, and no clock makes anybody wait long."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.envelope import quotas
from protocol.envelope.quotas import DEFAULT_QUOTA, LEAST_QUOTA, Limit, OverQuota, Quota, Use
from protocol.identifiers import Millis
from protocol.limits import DAY, HOUR, MAX_RECIPIENTS, MAX_RECORD, MAX_UINT, MINUTE, SECOND
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed

NOON = Millis(1_800_000_000_000)
TEN = replace(DEFAULT_QUOTA, messages=10, refusals=10)


def sent(
    use: Use, *, at: int = NOON, now: int | None = None, quota: Quota = TEN, **what: int
) -> Use | OverQuota:
    """One message more."""
    said = {"size": 1_000, "addressees": 1, **what}
    after, over = use.submitted(taken=Millis(at), now=Millis(at if now is None else now), quota=quota, **said)
    return over or after


def taken(use: Use, times: list[int], quota: Quota = TEN) -> tuple[Use, int]:
    """How many of these messages are taken."""
    count = 0
    for at in times:
        made = sent(use, at=at, quota=quota)
        if isinstance(made, Use):
            use, count = made, count + 1
    return use, count


def test_a_whole_window_is_there_at_once_and_then_what_is_paid_off():
    """Ten a minute: ten at once, the eleventh six seconds later, and after a quiet minute ten again."""
    use, count = taken(Use(), [NOON] * 20)
    assert count == 10
    assert sent(use, at=NOON + 5_999) == OverQuota(Limit.MESSAGES, 1)
    assert isinstance(sent(use, at=NOON + 6_000), Use)
    assert taken(use, [NOON + MINUTE] * 20)[1] == 10


@given(st.lists(st.integers(0, 5 * MINUTE), max_size=120))
def test_no_window_takes_more_than_twice_the_quota(moments):
    """Whatever a unit does: in no minute more than what was saved and what is paid off meanwhile."""
    use, took = Use(), []
    for at in sorted(moments):
        made = sent(use, at=NOON + at)
        if isinstance(made, Use):
            use = made
            took.append(at)
    for begin in took:
        assert sum(begin <= at < begin + MINUTE for at in took) <= 20


@given(st.lists(st.integers(0, 60 * MINUTE), max_size=60))
def test_who_stays_within_the_quota_is_never_refused(moments):
    """No more than ten in any minute are all taken."""
    calm = []
    for at in sorted(moments):
        if sum(at - MINUTE < other for other in calm) < 10:
            calm.append(at)
    assert taken(Use(), [NOON + at for at in calm])[1] == len(calm)


@given(st.lists(st.tuples(st.integers(-DAY, 400 * DAY), st.integers(-DAY, 400 * DAY)), max_size=40))
def test_after_any_clock_there_is_room_when_the_router_said(clocks):
    """Kafka's time and the router's were wrong by years: by right ones, who waits as long as was said is taken."""
    use = Use()
    for broker, router in clocks:
        moments = {"taken": Millis(NOON + broker), "now": Millis(NOON + router)}
        use, _ = use.submitted(size=1_000, addressees=1, quota=TEN, **moments)
        use = use.refused(now=moments["now"], quota=TEN)
    assert use.pause(now=NOON, quota=TEN) <= 360
    use, over = use.submitted(size=1_000, addressees=1, quota=TEN, taken=NOON, now=NOON)
    if over is not None:
        assert over.wait <= 6
        assert isinstance(sent(use, at=NOON + over.wait * SECOND), Use)


def test_the_wait_that_is_named_is_enough_and_not_a_second_too_long():
    """After it the same message is taken; a second before it is not."""
    use, _ = taken(Use(), [NOON] * 10)
    over = sent(use)
    assert over == OverQuota(Limit.MESSAGES, 6)
    assert isinstance(sent(use, at=NOON + over.wait * SECOND), Use)
    assert isinstance(sent(use, at=NOON + (over.wait - 1) * SECOND), OverQuota)


def test_a_backlog_is_counted_by_when_it_came():
    """A router that was down for an hour finds six hundred of an hour, at once, and refuses none."""
    use = Use()
    for second in range(600):
        made = sent(use, at=NOON + 6_000 * second, now=NOON + HOUR)
        assert isinstance(made, Use)
        use = made


def test_a_flood_in_a_backlog_is_refused_and_there_is_room_by_now():
    """What came in one moment of that hour is over the quota of that moment; its sender waits no longer."""
    use, _ = taken(Use(), [NOON] * 10)
    assert sent(use, at=NOON, now=NOON + HOUR) == OverQuota(Limit.MESSAGES, 1)


@pytest.mark.parametrize(
    ("quota", "what", "limit"),
    [
        (replace(DEFAULT_QUOTA, bytes=MAX_RECORD), {"size": MAX_RECORD}, Limit.BYTES),
        (
            replace(DEFAULT_QUOTA, copies=MAX_RECORD * 64),
            {"size": MAX_RECORD, "addressees": 64},
            Limit.COPIES,
        ),
        (replace(DEFAULT_QUOTA, messages=1), {"size": 1}, Limit.MESSAGES),
    ],
)
def test_each_limit_is_kept_by_itself_and_one_message_always_fits(quota, what, limit):
    """The largest message that the rules allow is taken with the least quota; a second one is not."""
    one = sent(Use(), quota=quota, **what)
    assert isinstance(one, Use)
    over = sent(one, quota=quota, **what)
    assert isinstance(over, OverQuota)
    assert (over.limit, over.wait) == (limit, 60)


def test_refusals_pause_an_outbox_for_as_long_as_one_takes():
    """Ten an hour at once; then one in six minutes."""
    use = Use()
    for _ in range(10):
        assert use.pause(now=NOON, quota=TEN) == 0
        use = use.refused(now=NOON, quota=TEN)
    assert use.pause(now=NOON, quota=TEN) == 0
    use = use.refused(now=NOON, quota=TEN)
    assert use.pause(now=NOON, quota=TEN) == 360
    assert use.pause(now=Millis(NOON + 6 * MINUTE), quota=TEN) == 0


def test_a_clock_that_went_back_pauses_nobody_for_longer():
    """A router whose clock was a year ahead counted refusals of then."""
    use = Use()
    for _ in range(30):
        use = use.refused(now=Millis(NOON + 365 * DAY), quota=TEN)
    assert use.pause(now=NOON, quota=TEN) == 360
    assert use.refused(now=NOON, quota=TEN).pause(now=NOON, quota=TEN) == 360


def test_what_comes_twice_waits_as_messages_would():
    """Ten a minute at once, then one in six seconds; also where a clock was ahead by a year."""
    use = Use()
    for _ in range(11):
        assert use.pause(now=NOON, quota=TEN) == 0
        use = use.answered(now=NOON, quota=TEN)
    assert use.pause(now=NOON, quota=TEN) == 6
    assert use.pause(now=Millis(NOON + 6 * SECOND), quota=TEN) == 0
    ahead = Use().answered(now=Millis(NOON + 365 * DAY), quota=TEN).answered(now=NOON, quota=TEN)
    assert ahead.answers == (NOON + MINUTE + MINUTE // 10) * 1_000
    assert ahead.messages == ahead.refusals == 0


def test_partitions_share_a_quota_and_each_takes_any_message():
    """A tenth each, and never less than what one message needs."""
    assert Quota(100, 100 * MAX_RECORD, MAX_RECORD * MAX_RECIPIENTS, 5).part(10) == Quota(
        10, 10 * MAX_RECORD, MAX_RECORD * MAX_RECIPIENTS, 1
    )
    assert DEFAULT_QUOTA.part(1) == DEFAULT_QUOTA
    assert all(DEFAULT_QUOTA.part(partitions).is_enough for partitions in range(1, 65))


@pytest.mark.parametrize("name", [limit.label for limit in Limit])
def test_no_quota_is_less_than_one_message_needs(name):
    """Neither less nor more than a number that everybody reads alike."""
    assert LEAST_QUOTA.is_enough
    assert not replace(LEAST_QUOTA, **{name: getattr(LEAST_QUOTA, name) - 1}).is_enough
    assert not replace(LEAST_QUOTA, **{name: MAX_UINT + 1}).is_enough


def test_the_limits_are_the_fields():
    """One name for one thing."""
    assert [getattr(DEFAULT_QUOTA, limit.label) for limit in Limit] == list(astuple(DEFAULT_QUOTA))
    assert [*(limit.label for limit in Limit), "answers"] == list(Use.__slots__)


MUTANTS = [
    (Mutant(Use._bounded, rewritten("min(getattr(self, each.label), at + each.window * _MICROS)",
                                    "getattr(self, each.label)")),
     test_after_any_clock_there_is_room_when_the_router_said, ()),
    (Mutant(Use.submitted, rewritten("return before, OverQuota(limit, _seconds(over - (now * _MICROS - at)))",
                                     "return self, OverQuota(limit, _seconds(over - (now * _MICROS - at)))")),
     test_after_any_clock_there_is_room_when_the_router_said, ()),
    (Mutant(quotas._with, rewritten("max(known, at)", "known")),
     test_a_whole_window_is_there_at_once_and_then_what_is_paid_off, ()),
    (Mutant(Use.submitted, rewritten("min(taken, now) * _MICROS", "now * _MICROS")),
     test_a_backlog_is_counted_by_when_it_came, ()),
    (Mutant(Use.pause, rewritten("min(max(0, until - (now + limit.window) * _MICROS), _cost(limit, 1, quota))",
                                 "max(0, until - (now + limit.window) * _MICROS)")),
     test_a_clock_that_went_back_pauses_nobody_for_longer, ()),
    (Mutant(Use.answered, rewritten("max(before.answers, at)", "at")),
     test_what_comes_twice_waits_as_messages_would, ()),
    (Mutant(Use._bounded, rewritten("min(self.answers, at + Limit.MESSAGES.window * _MICROS)", "self.answers")),
     test_what_comes_twice_waits_as_messages_would, ()),
    (Mutant(Use.submitted, rewritten("size * addressees", "size")),
     test_each_limit_is_kept_by_itself_and_one_message_always_fits,
     (replace(DEFAULT_QUOTA, copies=MAX_RECORD * 64), {"size": MAX_RECORD, "addressees": 64}, Limit.COPIES)),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "asked"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, asked) -> None:
    await assert_missed(mutant, promise, asked)
