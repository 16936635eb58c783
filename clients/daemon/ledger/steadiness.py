"""Since when a feed is read to its end: before that, what is missing here proves nothing against anybody.

Owns one judgement, made at regular looks. Reading and asking for the end are the caller's. Rules:

1. What was the end at one look must be read by the next; the present end moves all the time.
2. A look that comes late begins anew: this process stood still meanwhile, and its reading with it.
3. An end that Kafka did not tell begins anew.
"""

from __future__ import annotations

from typing import Final

LATE: Final = 3.0
"""A look is late after so many times its interval: half of what the ledger has to publish a leaf."""


class Steadiness:
    """Of one feed."""

    def __init__(self, *, look_every: float) -> None:
        self._late = LATE * look_every
        self._end: int | None = None
        self._looked: float | None = None
        self.since: float | None = None
        """Since when it is read to its end, by the clock that does not jump; None where it is not."""

    def judge(self, *, position: int, now: float) -> None:
        """Look: everything before `position` was read by now."""
        late = self._looked is None or now - self._looked > self._late
        if late or self._end is None or position < self._end:
            self.since = None
        elif self.since is None:
            self.since = now
        self._looked = now

    def ends_at(self, end: int | None) -> None:
        """What Kafka says of the end at this look; None where it does not say."""
        self._end = end
