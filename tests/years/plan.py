"""The plan of one simulation, made of a seed and nothing else: episodes of traffic and faults, and calm between them.

An episode lasts minutes, at some moment of the years; many begin at moments at which something turns: a week (the
epoch of encryption keys), a half-year (the ledger's next log). Between episodes time leaps. Plans are data, and so a
plan can be made smaller: `without` some of its faults or episodes it is the same plan otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from protocol.limits import EPOCH, SECOND
from tests.years.clocks import BEGIN_MS
from tests.years.nemesis import DAY, FAULTS, GAPS, HOUR, MINUTE
from tests.years.traffic import Talk, talks

YEAR: Final = 365.25 * DAY

PER_YEAR: Final = 16.0
"""Episodes in a year, on average, where nobody asks for more."""


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault of a plan."""

    number: int
    at: float
    """Seconds after the episode's beginning."""

    name: str
    seconds: float
    dice: int


@dataclass(frozen=True, slots=True)
class Episode:
    """Some minutes of traffic and faults."""

    number: int
    at: float
    """Seconds after the founding."""

    faults: tuple[Struck, ...]
    talks: tuple[Talk, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen."""

    seed: int
    years: float
    units: int
    kinds: tuple[str, ...]
    """The faults that it was drawn from."""

    episodes: tuple[Episode, ...]
    per_year: float = PER_YEAR

    @property
    def faults(self) -> list[Struck]:
        """All faults."""
        return [fault for episode in self.episodes for fault in episode.faults]

    def only(self, faults: Collection[int], episodes: Collection[int]) -> Plan:
        """The same plan with these faults and these episodes alone."""
        return replace(
            self,
            episodes=tuple(
                replace(episode, faults=tuple(f for f in episode.faults if f.number in faults))
                for episode in self.episodes
                if episode.number in episodes
            ),
        )


def plan_of(
    seed: int,
    *,
    years: float,
    units: Sequence[str],
    names: Collection[str] = tuple(FAULTS),
    per_year: float = PER_YEAR,
) -> Plan:
    """The plan of a seed."""
    chance = random.Random(f"plan {seed}")
    end = years * YEAR
    moments = [10 * MINUTE]
    while moments[-1] < end - 2 * HOUR:
        at = moments[-1] + chance.expovariate(per_year / YEAR) + HOUR
        # One in three begins when an epoch turns, some minutes before.
        moments.append(_before_epoch(at, chance) if chance.random() < 0.33 else at)
    moments = sorted(moment for moment in moments if 0 < moment < max(end, 11 * MINUTE))
    known = FAULTS | {name: fault for name, (fault, _) in GAPS.items()}
    table = [known[name] for name in known if name in names]
    weights = [fault.weight for fault in table]
    episodes, number = [], 0
    for place, at in enumerate(moments):
        seconds = chance.uniform(0.2 * MINUTE, 1.5 * MINUTE)
        faults = []
        for _ in range(chance.choice((0, 1, 1, 2, 3, 5)) if table else 0):
            fault = chance.choices(table, weights)[0]
            faults.append(
                Struck(
                    number,
                    round(chance.uniform(0, seconds), 3),
                    fault.name,
                    round(chance.uniform(*fault.seconds), 3),
                    chance.randrange(1 << 32),
                )
            )
            number += 1
        said = talks(
            chance, list(units), name=f"e{place}", count=chance.choice((1, 2, 3, 6)), seconds=seconds
        )
        episodes.append(Episode(place, round(at, 3), tuple(sorted(faults, key=lambda f: f.at)), tuple(said)))
    return Plan(seed, years, len(units), tuple(fault.name for fault in table), tuple(episodes), per_year)


def _before_epoch(at: float, chance: random.Random) -> float:
    wall = BEGIN_MS + int(at * 1000)
    turn = (wall // EPOCH + 1) * EPOCH
    return (turn - BEGIN_MS) / SECOND - chance.uniform(0, MINUTE)
