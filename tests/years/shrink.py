"""A plan that fails, made smaller: episodes and then faults are left out as long as it still fails.

It fails still if it has a finding of one of the kinds that it had. Dice are each fault's own, so what is left does not
change with what is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.years.campaign import Outcome, units_of
from tests.years.nemesis import FAULTS
from tests.years.plan import PER_YEAR, Plan, plan_of

MOST: Final = 40
"""Simulations that one shrinking may take."""


def shrunk(outcome: Outcome, *, run: Callable[[Plan], Outcome]) -> Outcome:
    """The smallest failing outcome that was found."""
    kinds = {kind for kind, _ in outcome.findings.found}
    left = MOST
    best = outcome

    def tried(faults: set[int], episodes: set[int]) -> bool:
        nonlocal best, left
        left -= 1
        made = run(best.plan.only(faults, episodes))
        if kinds & {kind for kind, _ in made.findings.found}:
            best = made
            return True
        return False

    faults = {fault.number for fault in outcome.plan.faults}
    episodes = [episode.number for episode in outcome.plan.episodes]
    # What came after the end of the simulation has no part in it.
    reached = [e.number for e in outcome.plan.episodes if e.at <= outcome.virtual]
    if reached and len(reached) < len(episodes):
        tried(faults, set(reached))
    part = max(1, len(best.plan.episodes) // 2)
    while part and left > 0:
        numbers = [episode.number for episode in best.plan.episodes]
        chunks = [numbers[at : at + part] for at in range(0, len(numbers), part)]
        if len(chunks) > 1 and any(left > 0 and tried(faults, set(numbers) - set(chunk)) for chunk in chunks):
            continue
        part //= 2
    for fault in [fault.number for fault in best.plan.faults]:
        if left <= 0:
            break
        here = {each.number for each in best.plan.faults}
        tried(here - {fault}, {episode.number for episode in best.plan.episodes})
    return best


def command(plan: Plan) -> str:
    """The command that repeats it."""
    full = plan_of(
        plan.seed, years=plan.years, units=units_of(plan.units), names=plan.kinds, per_year=plan.per_year
    )
    words = [f"python -m tests.years --seed {plan.seed} --years {plan.years:g} --units {plan.units}"]
    if plan.per_year != PER_YEAR:
        words.append(f"--per-year {plan.per_year:g}")
    if plan.kinds != tuple(FAULTS):
        words.append("--kinds " + ",".join(plan.kinds))
    if len(plan.episodes) < len(full.episodes):
        words.append("--episodes " + ",".join(str(episode.number) for episode in plan.episodes))
    if len(plan.faults) < len(full.faults):
        words.append("--faults " + (",".join(str(fault.number) for fault in plan.faults) or ","))
    return " ".join(words)
