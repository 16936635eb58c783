"""How long the router waits before it fetches again: the time in which messages gather for one transaction.

Owns that time and the evidence for it. A transaction costs Kafka and the router about the same whatever it
holds, so messages that come close to each other are cheaper together. Rules:

1. By what is waiting, not by a fixed pause: there is a pause while messages keep coming together, or during a
   transaction. One that comes alone, or each after the answer to the one before, waits for nothing.
2. The pause is in proportion to what transactions take of late, and never longer than the setting: where
   Kafka is quick, little is gained by gathering.
3. It is before the fetch, and so gathers in the broker: one fetch brings what many have sent, for one
   decision each and one transaction.
4. An answer that is large is followed at once: a backlog needs no gathering.

It never decides what is done, only when: no promise rests on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PROPORTION: Final = 6.0
"""A pause is so many times as long as a transaction."""

MANY_RECORDS: Final = 64
"""An answer with so many records is large."""

_ENOUGH_OTHERS: Final = 0.5
_WEIGHT: Final = 1 / 8
"""Of the newest observation, in the two means."""


class Pace:
    """The distance of a router's fetches, from what it sees."""

    def __init__(self, *, longest: float, monotonic: Callable[[], float]) -> None:
        """`longest` pause in seconds; 0 for none."""
        self._longest = longest
        self._monotonic = monotonic
        self._others = 0.0
        self._lasts = 0.0
        self._under_way = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """While one is under way."""
        began, self._under_way = self._monotonic(), True
        try:
            yield
        finally:
            self._under_way = False
            self._lasts += (self._monotonic() - began - self._lasts) * _WEIGHT

    def after(self, records: int) -> float:
        """Seconds to wait before the next fetch, after an answer with so many records."""
        if not records:
            return 0.0
        others = records if self._under_way else records - 1
        self._others += (min(others, MANY_RECORDS) - self._others) * _WEIGHT
        if records >= MANY_RECORDS or self._others < _ENOUGH_OTHERS:
            return 0.0
        return min(self._longest, self._lasts * PROPORTION)
