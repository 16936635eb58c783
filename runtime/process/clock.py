"""The wall clock, and whether it is right as far as others tell: what they said, and whether most contradict.

    heard     what another party's clock shows now: not before this, and, if we asked, not after that
    judged    each says ahead, behind, not so, or nothing; the clock is wrong if more say so than deny it

Owns what was heard last of each party and the judgement. Pure: both clocks come in as arguments. Rules
(docs/adr/0029):

- No party is believed alone where others speak: one that lies, or whose own clock is wrong, is outvoted.
- What others say is never taken as the time by which something is decided at the centre. It only stops.
- A signed time that is read says no more than that its signer's clock has shown it: it may be old. Only an
  answer to a question that was just asked is bounded on both sides.
- What was heard grows with the monotonic clock, which nobody sets: so a jump of the wall clock is seen at
  once, and without a question.
- Of each party the last word counts: one whose clock was wrong and has been set says nothing wrong any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.identifiers import Millis
from protocol.limits import CLOCK_OFF, CLOCK_RIGHT, SECOND
from runtime.errors import Unavailable

KAFKA: Final = "kafka"
"""The name under which Kafka's own clock is heard."""

MOST_SOURCES: Final = 64
"""Parties that are remembered; of more, the one that was silent for longest is forgotten."""

FORGOTTEN_AFTER: Final = 86_400.0
"""Seconds after which the last word of a party does not count any more."""


def now() -> Millis:
    """Unix time in milliseconds, the unit that every record uses."""
    return Millis(time.time_ns() // 1_000_000)


@dataclass(frozen=True, slots=True)
class ClockFault:
    """A clock that most others contradict."""

    ahead: int
    """Milliseconds that it is ahead at the least, as those agree who say so; negative: behind."""

    by: tuple[str, ...]
    """Who says so."""

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        off = f"{abs(self.ahead) // SECOND} s {'ahead' if self.ahead > 0 else 'behind'}"
        return f"this clock is {off}, by {', '.join(self.by)}"


@dataclass(frozen=True, slots=True)
class _Word:
    """What a party's clock shows: between these when it was heard, at a moment of the monotonic clock."""

    low: int
    high: int | None
    at: float


_Words = list[tuple[str, int, int | None]]
"""Who was heard, and between what that one's clock shows now."""


class ClockCheck:
    """What others say of the time, held against this machine's wall clock. Any thread may use it."""

    __slots__ = ("_monotonic", "_off", "_right", "_wall", "_was_off", "_words")

    def __init__(
        self,
        wall: Callable[[], Millis],
        monotonic: Callable[[], float],
        *,
        off: int = CLOCK_OFF,
        right: int = CLOCK_RIGHT,
    ) -> None:
        """`off`: from how many milliseconds on the clock is wrong; `right`: down to how many it stays so."""
        self._wall = wall
        self._monotonic = monotonic
        self._off = off
        self._right = right
        self._was_off = False
        self._words: dict[str, _Word] = {}

    def heard(self, source: str, low: int, high: int | None = None) -> None:
        """A party's clock shows no less than `low` now, and no more than `high` where that is known."""
        self._words.pop(source, None)
        while len(self._words) >= MOST_SOURCES:
            del self._words[next(iter(self._words))]
        self._words[source] = _Word(low, high, self._monotonic())

    def answered(self, source: str, t: int, *, since: float, grain: int = 1) -> None:
        """A party that was asked at this `moment` has answered with its time, which was cut to this grain."""
        self.heard(source, t, t + grain + round((self._monotonic() - since) * 1000))

    def wall(self) -> Millis:
        """This machine's wall clock."""
        return self._wall()

    def moment(self) -> float:
        """Now, by the clock that nobody sets: when a question is asked."""
        return self._monotonic()

    @property
    def sources(self) -> tuple[str, ...]:
        """Who was heard and counts still."""
        return tuple(sorted(source for source, _, _ in self._now()))

    def fault(self, wall: Millis | None = None) -> ClockFault | None:
        """What is wrong with the wall clock, or with this reading of it; None where nothing is known."""
        now = self._wall() if wall is None else wall
        # Once it is wrong, it has to come closer than what made it so: at the limit it would come and go.
        bound = self._right if self._was_off else self._off
        words = self._now()
        found = _ahead(words, now, bound) or _behind(words, now, bound)
        self._was_off = found is not None
        return found

    @property
    def ahead_seconds(self) -> int:
        """By how much the wall clock is wrong, for a gauge: 0 where it is right or unknown."""
        found = self.fault()
        return 0 if found is None else found.ahead // SECOND

    def at_least(self, *, parties: int) -> Millis | None:
        """The latest time that so many parties' clocks have passed; None where fewer were heard."""
        lows = sorted((low for _, low, _ in self._now()), reverse=True)
        return Millis(lows[parties - 1]) if len(lows) >= parties else None

    def _now(self) -> _Words:
        """Who was heard, and between what its clock shows now."""
        moment = self._monotonic()
        found = []
        for source, word in list(self._words.items()):
            age = moment - word.at
            if age <= FORGOTTEN_AFTER:
                grown = round(age * 1000)
                found.append((source, word.low + grown, None if word.high is None else word.high + grown))
        return found


def checked_time(wall: Callable[[], Millis], check: ClockCheck | None, *, hint: str) -> Millis:
    """The time by which something may be signed now; `Unavailable` while the clock is wrong."""
    moment = wall()
    if check is not None and (wrong := check.fault(moment)) is not None:
        raise Unavailable(wrong.sentence, hint=hint)
    return moment


class ClockJump:
    """Whether the wall clock was set since the last look: it and the monotonic clock have not moved alike."""

    __slots__ = ("_apart", "_monotonic", "_wall")

    def __init__(self, wall: Callable[[], Millis], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._apart = self._now()

    def happened(self) -> bool:
        """Whether it was set by more than a clock may be off, or the machine slept, since the last look."""
        before, self._apart = self._apart, self._now()
        return abs(self._apart - before) > CLOCK_OFF

    def _now(self) -> int:
        return self._wall() - round(self._monotonic() * 1000)


def _ahead(words: _Words, now: int, bound: int) -> ClockFault | None:
    said = [(source, now - high) for source, _, high in words if high is not None and now - high > bound]
    return _fault(said, sum(now - low <= bound for _, low, _ in words), sign=1)


def _behind(words: _Words, now: int, bound: int) -> ClockFault | None:
    said = [(source, low - now) for source, low, _ in words if low - now > bound]
    return _fault(said, sum(high is not None and high - now <= bound for _, _, high in words), sign=-1)


def _fault(said: list[tuple[str, int]], denied: int, *, sign: int) -> ClockFault | None:
    if len(said) <= denied:
        return None
    # The median: of three that say so, one that exaggerates is not told.
    off = sorted(by for _, by in said)[(len(said) - 1) // 2]
    return ClockFault(sign * off, tuple(sorted(source for source, _ in said)))


def readiness_of_clock(check: ClockCheck | None, fault: ClockFault | None) -> dict[str, object]:
    """The readiness check: whether most others agree with this clock, and who was heard."""
    compared = [] if check is None else list(check.sources)
    if fault is None:
        return {"ok": True, "compared_with": compared}
    return {
        "ok": False,
        "ahead_seconds": fault.ahead // SECOND,
        "by": list(fault.by),
        "compared_with": compared,
    }
