"""Points in time and lengths of time: what is taken, what it means as a bound, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, Rejected
from protocol.limits import DAY, HOUR, MINUTE, SECOND
from protocol.times import (
    MAX_DURATION,
    Bound,
    read_date_or_time,
    read_duration,
    read_point,
    read_time,
    show_duration,
    show_time,
)
from tests.unit.protocol.strategies import QUICK

LAST_MOMENT = 253_402_300_799_999
NOW = 1_795_340_096_789  # 2026-11-22T08:14:56.789Z

moments = st.integers(0, LAST_MOMENT)
days = st.dates(date(1970, 1, 1), date(9999, 12, 31))
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def lower(text, now=NOW):
    return read_point(text, now=now).as_bound(Bound.LOWER)


def upper(text, now=NOW):
    return read_point(text, now=now).as_bound(Bound.UPPER)


def term(text, now=NOW):
    return read_point(text, now=now).as_bound(Bound.TERM)


def refusal(read, text):
    with pytest.raises(Rejected) as caught:
        read(text)
    assert caught.value.reason is Code.E_SCHEMA
    return Exception.__str__(caught.value)


@QUICK
@given(days)
def test_since_a_day_until_that_day_is_the_whole_day(day):
    """A date is all of its day in UTC: as an upper bound the midnight behind it, as a term the millisecond before."""
    begins = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    text = day.isoformat()

    assert (lower(text), upper(text)) == (begins, begins + DAY)
    assert term(text) == begins + DAY - 1


@QUICK
@given(days)
def test_months_and_years_are_their_days(day):
    """A month is the days that the calendar has in it, a year its months, and nothing between them is left out."""
    month, year = day.strftime("%Y-%m"), day.strftime("%Y")
    last = upper(month) - 1

    assert lower(month) == lower(f"{month}-01")
    assert show_time(last)[:7] == month and show_time(last + 1)[:7] != month
    assert (lower(year), upper(year)) == (lower(f"{year}-01"), upper(f"{year}-12"))


@QUICK
@given(moments)
def test_what_is_shown_as_a_time_lies_between_that_time_and_that_time(moment):
    """Whoever copies a time out of a list finds what stood beside it."""
    shown = show_time(moment)
    assert lower(shown) <= moment < upper(shown)


@QUICK
@given(moments)
def test_words_and_offsets_count_from_the_clock(now):
    """Today is the day of UTC that the clock is in; the offsets are as far from it as they say."""
    assert lower("today", now) <= now < upper("today", now)
    assert lower("now", now) == term("now", now) == now and upper("now", now) == now + 1
    assert lower("+8h", now) == now + 8 * HOUR
    if now >= DAY:
        assert lower("-8h", now) == now - 8 * HOUR
        assert upper("yesterday", now) == lower("today", now)
    assert lower("tomorrow", now) == upper("today", now)


@QUICK
@given(st.datetimes(datetime(1971, 1, 1), datetime(9999, 12, 31, 23), timezones=zones))
def test_a_time_is_the_same_moment_in_every_zone(moment):
    """The zone that is written counts, to the millisecond."""
    in_utc = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if in_utc > LAST_MOMENT:
        return
    assert lower(moment.isoformat(timespec="microseconds")) == in_utc
    assert lower(moment.isoformat(timespec="milliseconds").replace("T", " ")) == in_utc


@QUICK
@given(st.integers(0, MAX_DURATION // SECOND))
def test_durations_are_read_as_they_are_shown(seconds):
    """What the program writes as a length of time it reads as the same."""
    assert read_duration(show_duration(seconds * SECOND)) == seconds * SECOND


@QUICK
@given(st.text(max_size=30))
def test_any_text_is_taken_or_refused_without_its_own_words(text):
    """Nothing else comes out than `Rejected`, which does not repeat what may be content."""
    for read in (read_date_or_time, read_time, read_duration, lambda each: read_point(each, now=NOW)):
        for each in (text, f"{text}XYZZY"):
            try:
                read(each)
            except Rejected as rejected:
                assert "XYZZY" not in f"{rejected} {rejected.hint}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T08:00Z", 1_795_334_400_000),
        ("2026-11-22t08:00:00z", 1_795_334_400_000),
        ("2026-11-22 09:00+01:00", 1_795_334_400_000),
        ("2026-11-22T08:00:00.123456789Z", 1_795_334_400_123),
        ("2026-11-22T08:00:00.5Z", 1_795_334_400_500),
        ("9999-12-31T23:59:59.999Z", LAST_MOMENT),
    ],
)
def test_times_of_rfc_3339(text, moment):
    """Letters of both cases, a space, minutes without seconds, any offset, fractions cut to milliseconds."""
    assert read_time(text).as_bound(Bound.TERM) == moment


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", 90 * SECOND),
        ("15m", 15 * MINUTE),
        ("8H", 8 * HOUR),
        ("2w", 14 * DAY),
        ("1d12h", 36 * HOUR),
        ("0s", 0),
    ],
)
def test_durations(text, length):
    """One unit or several, the largest first."""
    assert read_duration(text) == length


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-22T08:00", "a time without its zone"),
        ("2016-12-31T23:59:60Z", "a leap second, for which Unix time has no number"),
        ("2026-11-22T24:00Z", "a time that is not in the calendar or not on the clock"),
        ("2026-11-22T08:00+24:00", "a time that is not in the calendar or not on the clock"),
        ("2026-02-29", "a date that is not in the calendar"),
        ("0000-01-01", "a date that is not in the calendar"),
        ("1969-12-31", "a time before 1970, where times begin here"),
        ("-99w99999d", "more than a hundred years"),
        ("-36525d", "a time before 1970, where times begin here"),
        ("7d", "a length of time, and not a point in time"),
        ("-7", "a number without its unit"),
        ("+1x", "not a length of time"),
        ("20261122", "not a point in time"),
        ("2026-W47-7", "not a point in time"),
        ("22.11.2026", "not a point in time"),
        ("1795334400000", "not a point in time"),
        ("08:00Z", "not a point in time"),
        ("", "not a point in time"),
        ("٢٠٢٦", "not a point in time"),
    ],
)
def test_what_is_no_point_in_time_says_what_it_is(text, found):
    """Each refusal names the one thing that is wrong."""
    assert refusal(lower, text) == found


@pytest.mark.parametrize("text", ["today", "NOW", "yesterday", "-8h", "+7d"])
def test_what_moves_with_the_clock_is_not_read_without_one(text):
    """What is kept, such as a draft, means the same tomorrow."""
    assert refusal(read_date_or_time, text) == "a point in time that moves with the clock"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("30", "a number without its unit"),
        ("1h1d", "not a length of time"),
        ("1.5h", "not a length of time"),
        ("P1D", "not a length of time"),
        ("1d 2h", "not a length of time"),
        ("-1d", "not a length of time"),
        ("", "not a length of time"),
        ("36526d", "more than a hundred years"),
    ],
)
def test_what_is_no_duration_says_what_it_is(text, found):
    """A number needs its unit: 45 could be seconds or days."""
    assert refusal(read_duration, text) == found


def test_times_that_no_year_has_are_shown_as_numbers():
    """A hostile number in a record is shown, and does not end the list."""
    assert show_time(2**53) == str(2**53)
    assert show_duration(30 * DAY) == "30d"
