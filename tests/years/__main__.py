"""`python -m tests.years`: one line of JSON on standard output, what happens on standard error.

Ends with 0 only if nothing was found. A seed that fails is told with the command that repeats it, made smaller: without
the episodes and faults that it fails without as well.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from typing import Any

from tests.years.campaign import Outcome, simulate, units_of
from tests.years.judge import KINDS
from tests.years.mutants import HOLES, Search, search
from tests.years.nemesis import DAY, FAULTS, GAPS
from tests.years.plan import PER_YEAR, YEAR, Plan, plan_of
from tests.years.shrink import command, shrunk

UNITS = 12


def main(arguments: list[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.years", description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="how many (default 4)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default 1)")
    parser.add_argument("--years", type=float, default=1.0, help="of each (default 1)")
    parser.add_argument("--units", type=int, default=UNITS, help=f"in each exchange (default {UNITS})")
    parser.add_argument("--per-year", type=float, default=PER_YEAR, help=f"episodes (default {PER_YEAR:g})")
    parser.add_argument("--episodes", type=_numbers, help="these of its episodes alone")
    parser.add_argument("--faults", type=_numbers, help="these of its faults alone")
    parser.add_argument("--kinds", type=lambda text: text.split(","), help="these kinds of faults alone")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument("--no-shrink", action="store_true", help="tell a failing seed as it is")
    parser.add_argument("--tell", action="store_true", help="tell what happened in each simulation")
    parser.add_argument("--mutants", action="store_true", help="take rules away: each must be found")
    given = parser.parse_args(arguments)
    if given.mutants:
        return holes(jobs=given.jobs)
    seeds = [given.seed] if given.seed is not None else list(range(given.first, given.first + given.seeds))
    began = time.perf_counter()
    plans = [planned(seed, given) for seed in seeds]
    outcomes = []
    for outcome in carried_out(plans, jobs=given.jobs):
        outcomes.append(outcome)
        _tell(outcome, all_=given.tell)
    failing = [_failing(outcome, shrink=not given.no_shrink) for outcome in outcomes if not outcome.ok]
    line = line_of(outcomes, real=time.perf_counter() - began, failing=failing)
    print(json.dumps(line))
    return 0 if line["ok"] else 1


def planned(seed: int, given: argparse.Namespace) -> Plan:
    """The plan that was asked for."""
    names = tuple(FAULTS) if given.kinds is None else tuple(given.kinds)
    unknown = set(names) - FAULTS.keys() - GAPS.keys()
    if unknown:
        raise SystemExit(
            f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join((*FAULTS, *GAPS))}"
        )
    plan = plan_of(seed, years=given.years, units=units_of(given.units), names=names, per_year=given.per_year)
    if given.episodes is None and given.faults is None:
        return plan
    episodes = given.episodes if given.episodes is not None else {each.number for each in plan.episodes}
    faults = given.faults if given.faults is not None else {each.number for each in plan.faults}
    return plan.only(faults, episodes)


def carried_out(plans: Sequence[Plan], *, jobs: int) -> Iterable[Outcome]:
    """Each plan in a process that has done few others; in the order in which they end."""
    # The order of a set of texts is part of a simulation, and so it must be the same in every process.
    os.environ["PYTHONHASHSEED"] = "0"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        max(1, min(jobs, len(plans))), mp_context=context, max_tasks_per_child=4
    ) as pool:
        for done in as_completed([pool.submit(simulate, plan) for plan in plans]):
            yield done.result()


def holes(*, jobs: int) -> int:
    """Take each rule away; 0 if each is found within its seeds, and only without the rule."""
    began = time.perf_counter()
    os.environ["PYTHONHASHSEED"] = "0"
    context = multiprocessing.get_context("spawn")
    found: list[Search] = []
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for one in pool.map(search, [hole.name for hole in HOLES]):
            print(_sentence(one), file=sys.stderr, flush=True)
            found.append(one)
    line = {
        "ok": all(one.ok for one in found),
        "holes": {one.name: asdict(one) for one in found},
        "real_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(sum(one.cpu for one in found), 1),
    }
    print(json.dumps(line))
    return 0 if line["ok"] else 1


def _sentence(one: Search) -> str:
    if one.seed is None:
        return f"{one.name}: NOT FOUND ({one.cpu:.0f} s)"
    also = f", BUT ALSO WITHOUT IT: {', '.join(one.without)}" if one.without else ""
    return f"{one.name}: seed {one.seed}, {', '.join(one.kinds)}{also} ({one.cpu:.0f} s)"


def line_of(outcomes: Sequence[Outcome], *, real: float, failing: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The line of JSON."""
    faults: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update(outcome.faults)
    virtual = sum(outcome.virtual for outcome in outcomes)
    return {
        "ok": all(outcome.ok for outcome in outcomes) and bool(outcomes),
        "seeds": len(outcomes),
        "simulated_days": round(virtual / DAY, 1),
        "unit_years": round(sum(o.virtual * o.plan.units for o in outcomes) / YEAR, 2),
        **{kind: sum(outcome.findings.count(kind) for outcome in outcomes) for kind in KINDS},
        "messages": sum(outcome.messages for outcome in outcomes),
        "records": sum(outcome.records for outcome in outcomes),
        "slowest_drain_s": round(max((o.slowest_drain for o in outcomes), default=0.0), 1),
        "virtual_s": round(virtual),
        "real_s": round(real, 1),
        "cpu_s": round(sum(outcome.cpu for outcome in outcomes), 1),
        "faults": dict(sorted(faults.items())),
        "failing": list(failing),
    }


def _failing(outcome: Outcome, *, shrink: bool) -> dict[str, Any]:
    small = shrunk(outcome, run=lambda plan: next(iter(carried_out([plan], jobs=1)))) if shrink else outcome
    return {
        "seed": outcome.plan.seed,
        "repeat": command(small.plan),
        "found": [f"{kind}: {what}" for kind, what in small.findings.found[:5]],
    }


def _tell(outcome: Outcome, *, all_: bool) -> None:
    found = outcome.findings.found
    say = f"seed {outcome.plan.seed}: {outcome.virtual / DAY:.0f} days in {outcome.real:.1f} s, "
    say += f"{outcome.messages} messages, {sum(outcome.faults.values())} faults, {len(found)} findings"
    print(say, file=sys.stderr, flush=True)
    if all_ or found:
        for at, text in outcome.notes if all_ else outcome.notes[-12:]:
            print(f"  {at / DAY:9.3f} d {at:14.2f} s  {text}", file=sys.stderr)
        for kind, what in found[:20]:
            print(f"  {kind}: {what}", file=sys.stderr, flush=True)


def _numbers(text: str) -> set[int]:
    return {int(part) for part in text.split(",") if part}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
