"""What was decided lately: counts by time, by reason, by pair of units. Pure, and bounded everywhere.

Owns the counts behind the curves and the picture of the flow. Rules:
- A decision counts at the time that its router signed; one beyond the window, or ahead of it, counts at its
  edge.
- Pairs are counted by the minute, and so many of each minute; what is beyond is counted as one pair of
  others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from protocol.identifiers import Millis
from protocol.limits import SECOND

SLOT: Final = 5 * SECOND
SLOTS: Final = 360
"""Half an hour of curves."""

MINUTE: Final = 60 * SECOND
MINUTES: Final = 15
"""A quarter of an hour of flow."""

PAIRS_OF_MINUTE: Final = 4_000
OTHERS: Final = "others"
OUTCOMES: Final = ("accepted", "rejected", "duplicate")

Pair = tuple[str, str]


@dataclass(slots=True)
class PairCount:
    """What went from one to another."""

    accepted: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.accepted + self.refused


@dataclass(frozen=True, slots=True)
class Counted:
    """One decision, as far as it is counted."""

    t: Millis
    outcome: str
    sender: str
    to: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _Slot:
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Curves:
    """Points of the curves, oldest first; rates by the second."""

    at: tuple[int, ...]
    """Unix seconds."""

    rates: dict[str, tuple[float, ...]]
    """By outcome."""


class DecisionWindow:
    """The newest half-hour of decisions."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._flow: dict[int, dict[Pair, PairCount]] = {}
        self.counted = 0
        """All decisions since the start."""

    def count(self, decision: Counted, *, now: Millis) -> None:
        """Count one decision."""
        self.counted += 1
        t = min(decision.t, now)
        slot = _at(self._slots, t // SLOT, SLOTS, _Slot)
        if slot is not None:
            slot.outcomes[decision.outcome] += 1
            slot.reasons.update(decision.reasons)
        pairs: dict[Pair, PairCount] | None = _at(self._flow, t // MINUTE, MINUTES, dict)
        if pairs is not None:
            _count_pairs(pairs, decision)

    def curves(self, now: Millis) -> Curves:
        """The rates of each slot up to the last whole one, zeros where nothing was decided."""
        last = now // SLOT - 1
        numbers = range(last - SLOTS + 1, last + 1)
        empty: Counter[str] = Counter()
        slots = [self._slots.get(number) for number in numbers]
        found = [empty if slot is None else slot.outcomes for slot in slots]
        seconds = SLOT / SECOND
        rates = {name: tuple(each[name] / seconds for each in found) for name in OUTCOMES}
        return Curves(tuple(number * SLOT // SECOND for number in numbers), rates)

    def reasons(self, now: Millis) -> list[tuple[str, int]]:
        """The reasons of refusals within the window, the most frequent first."""
        first = now // SLOT - SLOTS
        total: Counter[str] = Counter()
        for number, slot in self._slots.items():
            if number > first:
                total.update(slot.reasons)
        return sorted(total.items(), key=lambda item: (-item[1], item[0]))

    def pairs(self, now: Millis) -> dict[Pair, PairCount]:
        """What went from whom to whom within the quarter of an hour."""
        first = now // MINUTE - MINUTES
        total: dict[Pair, PairCount] = {}
        for number, pairs in self._flow.items():
            if number <= first:
                continue
            for pair, count in pairs.items():
                sum_ = total.setdefault(pair, PairCount())
                sum_.accepted += count.accepted
                sum_.refused += count.refused
        return total


def _at(kept: dict[int, Kept], number: int, most: int, make: Callable[[], Kept]) -> Kept | None:
    """The one of this number, made where it is new; None for one that has left the window."""
    found = kept.get(number)
    if found is None:
        newest = max(kept, default=number)
        if number <= newest - most:
            return None
        found = kept[number] = make()
        if number > newest:
            for old in [each for each in kept if each <= number - most]:
                del kept[old]
    return found


def _count_pairs(pairs: dict[Pair, PairCount], decision: Counted) -> None:
    for to in decision.to or (OTHERS,):
        pair = (decision.sender, to)
        if pair not in pairs and len(pairs) >= PAIRS_OF_MINUTE:
            pair = (OTHERS, OTHERS)
        count = pairs.setdefault(pair, PairCount())
        if decision.outcome == "accepted":
            count.accepted += 1
        else:
            count.refused += 1


def total_of(counts: Iterable[PairCount]) -> PairCount:
    """All of these together."""
    found = PairCount()
    for each in counts:
        found.accepted += each.accepted
        found.refused += each.refused
    return found
