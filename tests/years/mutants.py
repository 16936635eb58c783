"""Rules taken away: each is a hole that a simulation must find within a stated number of seeds.

A plan of the faults that meet a rule, and of these alone, close together, finds a hole in minutes of virtual time that a
mixed one finds in years. Owns how a hole is looked for; the table is tests/years/holes.py. Rule: what is found counts only
if the same plan does not find it while the rule is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from tests.mutants.engine import Mutant, mutated
from tests.years.campaign import Outcome, simulate, units_of
from tests.years.holes import HOLES, Hole
from tests.years.plan import plan_of

UNITS: Final = 4


@dataclass(frozen=True)
class Search:
    """What came of looking for a hole."""

    name: str
    seed: int | None
    """In which it was found; None: in none of those that it is to be found in."""

    kinds: tuple[str, ...]
    without: tuple[str, ...]
    """The same, found while the rule is there: the hole was not needed for it."""

    cpu: float

    @property
    def ok(self) -> bool:
        """Whether it was found, and by nothing else."""
        return self.seed is not None and not self.without


@contextmanager
def changed(mutants: Sequence[Mutant]) -> Iterator[None]:
    """The program is another one for a while."""
    with ExitStack() as stack:
        for mutant in mutants:
            stack.enter_context(mutated(mutant))
        yield


def search(name: str) -> Search:
    """Look for a hole in one seed after the other, until it is found."""
    hole = next(each for each in HOLES if each.name == name)
    cpu = 0.0
    for seed in range(1, hole.seeds + 1):
        outcome = found_in(hole, seed)
        cpu += outcome.cpu
        if kinds := kinds_of(outcome, hole):
            sound = found_without(hole, seed)
            return Search(name, seed, kinds, kinds_of(sound, hole), cpu + sound.cpu)
    return Search(name, None, (), (), cpu)


def found_in(hole: Hole, seed: int) -> Outcome:
    """One simulation with this hole, of the faults that meet it."""
    return _outcome(hole, seed, hole.mutants)


def found_without(hole: Hole, seed: int) -> Outcome:
    """The same simulation while the rule is there."""
    return _outcome(hole, seed, hole.without)


def kinds_of(outcome: Outcome, hole: Hole) -> tuple[str, ...]:
    """The kinds of findings by which this hole is found."""
    return tuple(sorted({kind for kind, what in outcome.findings.found if hole.by in what}))


def _outcome(hole: Hole, seed: int, mutants: Sequence[Mutant]) -> Outcome:
    units = units_of(UNITS)
    plan = plan_of(seed, years=hole.years, units=units, names=hole.faults, per_year=hole.per_year)
    with changed(mutants):
        return simulate(plan, people=hole.people)
