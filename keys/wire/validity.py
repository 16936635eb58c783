"""From when to when a certificate counts, and from when on somebody should exchange it. Light, and pure.

A third of its life before the end it is told: of fourteen days that is nearly five, for people who exchange
it once a week; of a year it is four months, and of an hour twenty minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.identifiers import Millis
from protocol.limits import DAY, HOUR

TOLD_PARTS: Final = 3
"""One of so many parts of its life is left when it is told."""


@dataclass(frozen=True, slots=True, order=True)
class Validity:
    """The life of a certificate."""

    ends: Millis
    begins: Millis

    def left(self, now: Millis) -> int:
        """Milliseconds; negative where it is over."""
        return self.ends - now

    def is_ending(self, now: Millis) -> bool:
        """Whether somebody has to do something now."""
        return self.left(now) * TOLD_PARTS <= self.ends - self.begins

    def when(self, now: Millis) -> str:
        """For people: `ends in 3 days`."""
        left = self.left(now)
        if left <= 0:
            return "has ended"
        return f"ends in {left // DAY} days" if left >= 2 * DAY else f"ends in {left // HOUR} hours"
