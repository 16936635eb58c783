"""Points in time and lengths of time, as people write them: the one grammar of commands, queries and drafts.

    point    = date / time / word / offset
    date     = YYYY [ "-" MM [ "-" DD ] ]                                  in UTC
    time     = YYYY-MM-DD ( "T" / " " ) hh ":" mm [ ":" ss [ "." 1*9DIGIT ] ] zone       RFC 3339, 5.6
    zone     = "Z" / ( "+" / "-" ) hh ":" mm
    word     = "now" / "today" / "yesterday" / "tomorrow"                  days of UTC
    offset   = ( "+" / "-" ) duration                                      from now
    duration = [ Nw ] [ Nd ] [ Nh ] [ Nm ] [ Ns ]                          each at most once, in this order

Owns what is written, what it means as a bound, and the words in which every command's help says so.

Rules:
- A point is all of what was written. As a lower bound it is its beginning; as an upper bound its end: of the
  day, month or year, of the second, or of the millisecond. So what is shown as a time lies between that time
  and that time.
- As the term of something, a date is its last millisecond, and a time is itself.
- A bare date is a date of UTC, as all times that are shown. A time of day has its zone, or is none.
- Without a clock (a draft, a request) only dates and times are read: what is kept means the same tomorrow.
- What is none ends in `Rejected`: the message says what it is instead, without the text, which may be
  content; the hint says what would be right.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Final

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY, HOUR, MAX_UINT, MINUTE, SECOND

DURATION_WORDS: Final = "a length of time such as 90s, 15m, 8h, 7d or 2w, or several together, as in 1d12h"
POINT_WORDS: Final = (
    "a date such as 2026-11-22, 2026-11 or 2026, of UTC and to its end where it is the later bound;"
    " a time with its zone such as 2026-11-22T08:00Z or 2026-11-22T09:00+01:00;"
    " now, today, yesterday or tomorrow; or from now, such as -8h or +7d"
)

MAX_DURATION: Final = 36_525 * DAY
"""A hundred years: what is longer is a slip."""

TOO_LONG: Final = "more than a hundred years"

_UNITS: Final = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_DURATION: Final = re.compile("".join(f"(?:([0-9]{{1,10}}){unit})?" for unit in _UNITS), re.ASCII)
_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Bound(Enum):
    """What a point in time is the bound of."""

    LOWER = "from then on"
    UPPER = "up to then; the first millisecond behind it"
    TERM = "by then"


@dataclass(frozen=True, slots=True)
class PointInTime:
    """All of what was written, in Unix milliseconds: from `begins` up to `ends`, which is not in it."""

    begins: Millis
    ends: Millis
    is_date: bool = False

    def as_bound(self, bound: Bound) -> Millis:
        """The number to compare with."""
        match bound:
            case Bound.LOWER:
                return self.begins
            case Bound.UPPER:
                return self.ends
            case Bound.TERM:
                return Millis(self.ends - 1) if self.is_date else self.begins


def read_point(text: str, *, now: Millis) -> PointInTime:
    """Any point in time, or `Rejected`. `now` is what words and offsets count from."""
    word = text.strip().lower()
    if word == "now":
        return PointInTime(now, Millis(now + 1))
    if word in _DAYS:
        begins = now - now % DAY + _DAYS[word] * DAY
        return _bounded(begins, begins + DAY, is_date=True)
    if word[:1] in ("+", "-") and word[1:2].isdigit():
        moment = now + (1 if word[0] == "+" else -1) * read_duration(word[1:])
        return _bounded(moment, moment + 1)
    return read_date_or_time(text)


def read_date_or_time(text: str) -> PointInTime:
    """A date or a time, which mean the same whenever they are read, or `Rejected`."""
    written = text.strip()
    found = _DATE.fullmatch(written)
    if found is not None:
        return _date(*found.groups())
    if _TIME.fullmatch(written) is not None:
        return read_time(written)
    word = written.lower()
    if word and _DURATION.fullmatch(word):
        raise _none(
            "a length of time, and not a point in time", "-8h for eight hours ago, +8h for in eight hours"
        )
    if word in {"now", *_DAYS} or word[:1] in ("+", "-"):
        raise _none(
            "a point in time that moves with the clock", "a date such as 2026-11-22, or a time with its zone"
        )
    raise _none("not a point in time", POINT_WORDS)


def read_time(text: str) -> PointInTime:
    """A time of day with its date and zone (RFC 3339, 5.6), or `Rejected`.

    A fraction is cut to milliseconds. Leap seconds are refused: Unix time has no number for them.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise _none("not a time", "a time with its zone, such as 2026-03-01T04:20:00Z")
    day, hour, minute, second, fraction, zone = found.groups()
    if zone is None:
        raise _none("a time without its zone", "Z behind it for UTC, or an offset such as +01:00")
    if second == "60":
        raise _none(
            "a leap second, for which Unix time has no number", "the second before it, or the one behind it"
        )
    shift = "+00:00" if zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second or '00'}{shift}")
    except ValueError:
        raise _none("a time that is not in the calendar or not on the clock", "one that there is") from None
    # The difference, and not a conversion to UTC, which overflows at the end of year 9999.
    begins = (moment - _EPOCH) // _MILLISECOND + int((fraction or "0").ljust(3, "0")[:3])
    return _bounded(begins, begins + (SECOND if fraction is None else 1))


def read_duration(text: str) -> int:
    """A length of time in milliseconds, or `Rejected`."""
    written = text.strip().lower()
    found = _DURATION.fullmatch(written)
    if found is None or not any(found.groups()):
        if written.isascii() and written.isdigit():
            raise _none("a number without its unit", f"the unit behind it: {DURATION_WORDS}")
        raise _none("not a length of time", DURATION_WORDS)
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    length = sum(int(count) * unit for count, unit in parts if count is not None)
    if length > MAX_DURATION:
        raise _none(TOO_LONG, DURATION_WORDS)
    return length


def show_duration(length: int) -> str:
    """Milliseconds, cut to whole seconds, as `read_duration` reads them."""
    left, made = length, ""
    for unit, size in _UNITS.items():
        # Weeks are read and not shown: 30d says more than 4w2d.
        count, left = (0, left) if unit == "w" else divmod(left, size)
        made += f"{count}{unit}" if count else ""
    return made or "0s"


def show_time(moment: int) -> str:
    """Unix milliseconds in UTC to the second, as `read_time` reads them; the number where no year has it."""
    try:
        return datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(moment)


def _date(year: str, month: str | None, day: str | None) -> PointInTime:
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        raise _none("a date that is not in the calendar", "one that there is, such as 2026-11-22") from None
    if day is not None:
        days = 1
    elif month is not None:
        days = monthrange(first.year, first.month)[1]
    else:
        days = 366 if isleap(first.year) else 365
    begins = (first - _EPOCH.date()).days * DAY
    return _bounded(begins, begins + days * DAY, is_date=True)


def _bounded(begins: int, ends: int, *, is_date: bool = False) -> PointInTime:
    if not 0 <= begins < ends <= MAX_UINT:
        raise _none("a time before 1970, where times begin here", POINT_WORDS)
    return PointInTime(Millis(begins), Millis(ends), is_date=is_date)


def _none(found: str, right: str) -> Rejected:
    return Rejected(Code.E_SCHEMA, found, hint=right)
