"""One simulation from its founding to its verdict.

    found -> for each episode: leap to it, traffic and faults, drain -> settle -> judge

Owns the course of a simulation and how time leaps. Between episodes nothing is on its way, and whole days pass at once:
timers of more than a minute are due after a leap, once each; shorter ones (requests that wait, heartbeats, regular
looks) go on as if the leap had not been. So a leap is what a machine that was suspended would see, but for long timers.
After each leap everybody runs for a while, so that what the new date asks for is done.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.history import History
from tests.years import duties
from tests.years.exchange import UNIT_NAMES, Exchange, Size, run, simulated
from tests.years.harvest import (
    Harvest,
    has_logged_directory,
    has_read,
    history_of,
    undecided,
    waiting,
)
from tests.years.judge import Findings, judge, judge_stopped
from tests.years.loop import Spinning, Stalled
from tests.years.nemesis import DAY, FAULTS, GAPS, HOUR, MINUTE, Strike
from tests.years.plan import YEAR, Episode, Plan, Struck
from tests.years.traffic import Traffic

LEAP: Final = 14 * DAY
"""So much passes at once: two epochs of encryption keys, as far ahead as everybody has made them."""

AWAKE: Final = 8.0
"""Seconds that everybody runs after a leap, at the least: every regular look is had once."""

DRAINED_WITHIN: Final = 4 * HOUR
"""Virtual time after the last fault within which everything is delivered, acknowledged and proved."""

YOUNG: Final = 2 * MINUTE
"""Who has come back has so much time to catch up, before time leaps again."""

SOON: Final = 3 * MINUTE
"""Within so much nearly everything is drained; after it time is looked at in longer steps."""

LOOK_EVERY: Final = 5.0

LOGGED_WITHIN: Final = 60
"""So many looks until the ledger has what there is; where it is away, its alarms are due. As many until routers have
decided what there is."""


@dataclass
class Outcome:
    """What came of a simulation."""

    plan: Plan
    findings: Findings
    faults: Counter[str] = field(default_factory=Counter)
    virtual: float = 0.0
    real: float = 0.0
    cpu: float = 0.0
    steps: int = 0
    messages: int = 0
    records: int = 0
    slowest_drain: float = 0.0
    notes: list[tuple[float, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.findings.found


@dataclass
class Campaign:
    """A simulation at work."""

    exchange: Exchange
    plan: Plan
    people: bool = True
    """Whether people renew what ends."""

    traffic: Traffic = field(init=False)
    harvest: Harvest = field(init=False)
    findings: Findings = field(default_factory=Findings)
    struck: Counter[str] = field(default_factory=Counter)
    slowest_drain: float = 0.0
    _away: set[asyncio.Task[None]] = field(default_factory=set)
    """Faults that last longer than their episode."""

    _ends: dict[int, float] = field(default_factory=dict)
    """When each fault that is at work has lasted as long as it was to; by its number."""

    _look_at: float = 0.0
    """When people look next at what ends."""

    _talking: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.exchange)
        self.harvest = self.exchange.harvest

    async def run(self) -> History | None:
        """Everything; None where it came to a stop before its end."""
        await self.exchange.found()
        for episode in self.plan.episodes:
            await self._leap_to(episode.at)
            await self._play(episode)
            if self.findings.found:
                return None
        await self._leap_to(self.plan.years * YEAR)
        await self._heal()
        if self.findings.found:
            return None
        await duties.state_put_backs(self.exchange, is_over=True)
        # The upkeep of keys comes once in an hour, and sees the last decisions.
        await self._leap_to(self.exchange.loop.time() + 3 * HOUR)
        await asyncio.sleep(MINUTE)
        self.harvest.take()
        return await history_of(self.exchange, self.harvest, self.traffic.messages)

    async def _leap_to(self, moment: float) -> None:
        loop = self.exchange.loop
        await self._decided()
        while (left := moment - loop.time()) > AWAKE:
            if left > MINUTE and not self._is_ending():
                self._leap(min(left - AWAKE, LEAP, *self._until_ends()))
            if any(task.done() for task in self._away):
                self._come_back()
                if not self._away:  # people do what is to be done within hours, and not at the next episode
                    await self._all_said()
            await asyncio.sleep(min(AWAKE, moment - loop.time()))
            while any(loop.time() - party.began < YOUNG for party in self.exchange.processes()):
                await asyncio.sleep(AWAKE)
            await self._decided()
            await self._logged()
            if self.people and not self._away and loop.time() >= self._look_at:
                self._look_at = loop.time() + duties.EVERY
                await duties.done(self.exchange)
            self.harvest.take()
        await asyncio.sleep(max(0.0, moment - loop.time()))

    def _until_ends(self) -> list[float]:
        """Seconds until each long fault ends: a copy of hours that is put back after a leap would be one of weeks."""
        return [end - self.exchange.loop.time() for end in self._ends.values()]

    def _is_ending(self) -> bool:
        """Whether a fault that has lasted is about to be over: what it does then takes seconds, and no days."""
        return any(left <= MINUTE for left in self._until_ends())

    async def _decided(self) -> None:
        """What outboxes hold is decided, if routers work: Kafka keeps it for a week, and a leap may be of two.

        Nobody waits for what hostile members have written; but routers owe a decision of each record.
        """
        for _ in range(LOGGED_WITHIN):
            if not undecided(self.exchange):
                return
            await asyncio.sleep(LOOK_EVERY)

    async def _logged(self) -> None:
        """What the new date has brought is in the ledger, if it works: else a pause of a minute would be one of days."""
        for _ in range(LOGGED_WITHIN):
            units = self.exchange.units.values()
            if all(has_logged_directory(unit) and has_read(self.exchange, unit) for unit in units):
                return
            await asyncio.sleep(LOOK_EVERY)

    def _leap(self, seconds: float) -> None:
        self.exchange.loop.leap(seconds)
        self.exchange.model.leap(seconds)
        self.exchange.disks.settle()

    async def _play(self, episode: Episode) -> None:
        self.exchange.note(f"episode {episode.number}")
        striking = [asyncio.create_task(self._strike(fault)) for fault in episode.faults]
        long = {task for task, fault in zip(striking, episode.faults, strict=True) if fault.seconds > HOUR}
        talking = [asyncio.create_task(self.traffic.hold(talk)) for talk in episode.talks]
        self._talking |= set(talking)
        await self._all([task for task in striking if task not in long])
        self._away |= long
        self._come_back()
        if self._away:
            # Somebody is away: who sends and is there says what is to be said, and what is not for them arrives.
            await asyncio.wait(self._talking, timeout=SOON)
            await asyncio.sleep(MINUTE)
        else:
            await self._all_said()
        self.harvest.take()

    async def _all_said(self) -> None:
        talking, self._talking = list(self._talking), set()
        await self._all(talking, within=DRAINED_WITHIN)
        await self._drained(proofs=True)
        await duties.state_put_backs(self.exchange)

    async def _all(self, tasks: list[asyncio.Task[None]], *, within: float | None = None) -> None:
        if not tasks:
            return
        done, late = await asyncio.wait(tasks, timeout=within)
        for task in done:
            task.result()
        if late:
            self.findings.add("stalled", f"{len(late)} of {len(tasks)} users still wait for their daemon")
            for task in late:
                task.cancel()

    async def _strike(self, fault: Struck) -> None:
        import random

        await asyncio.sleep(fault.at)
        self.struck[fault.name] += 1
        self.exchange.note(f"{fault.name} for {fault.seconds:.1f} s (fault {fault.number})")
        self._ends[fault.number] = self.exchange.loop.time() + fault.seconds
        kind = FAULTS.get(fault.name) or GAPS[fault.name][0]
        await kind.strike(Strike(self.exchange, random.Random(fault.dice), fault.seconds))
        del self._ends[fault.number]
        self.exchange.note(f"{fault.name} is over")

    async def _heal(self) -> None:
        """What is away comes back."""
        while self._away:
            await self._leap_to(self.exchange.loop.time() + DAY)
            self._come_back()
        await self._all_said()

    def _come_back(self) -> None:
        """Who is away no longer is not counted; a fault that failed fails the simulation."""
        for task in [task for task in self._away if task.done()]:
            self._away.remove(task)
            task.result()

    async def _drained(self, *, proofs: bool) -> bool:
        began = since = self.exchange.loop.time()
        while stuck := waiting(self.exchange, self.traffic.messages, proofs=proofs):
            if self.exchange.loop.time() - since > DRAINED_WITHIN:
                self.findings.add("stalled", f"after {DRAINED_WITHIN / HOUR:.0f} h there waits {stuck}")
                return False
            # What is told after an hour is told at a look that daemons have each minute, and people act on that.
            is_told = self.exchange.losses.times and self.exchange.loop.time() - since > HOUR
            await asyncio.sleep(MINUTE + LOOK_EVERY if is_told else LOOK_EVERY)
            if await duties.send_again(self.exchange):
                since = self.exchange.loop.time()
            if (late := self.exchange.loop.time() - since) > SOON:
                # Patience doubles up to an hour: nothing else is to be seen meanwhile.
                self._leap(late / 4)
        took = self.exchange.loop.time() - began
        self.slowest_drain = max(self.slowest_drain, took)
        return True


def simulate(
    plan: Plan,
    *,
    size: Size | None = None,
    watch: Callable[[Campaign], Any] | None = None,
    people: bool = True,
) -> Outcome:
    """One plan, carried out and judged."""
    began, cpu = time.perf_counter(), time.process_time()
    with simulated(plan.seed, size or Size(units=plan.units)) as exchange:
        campaign = Campaign(exchange, plan, people=people)
        if watch is not None:
            watch(campaign)
        findings = campaign.findings
        try:
            history = run(exchange, campaign.run())
            if history is None:
                judge_stopped(campaign)
            else:
                run(exchange, judge(campaign, history))
        except (Stalled, Spinning) as error:
            findings.add("stalled", str(error))
        except Exception as error:
            findings.add("broken", "".join(traceback.format_exception(error)[-6:]).strip())
        return Outcome(
            plan,
            findings,
            campaign.struck,
            virtual=exchange.loop.time(),
            real=time.perf_counter() - began,
            cpu=time.process_time() - cpu,
            steps=exchange.loop.steps,
            messages=len(campaign.traffic.messages),
            records=sum(len(found) for found in campaign.harvest.records.values()),
            slowest_drain=campaign.slowest_drain,
            notes=exchange.notes,
        )


def units_of(count: int) -> tuple[str, ...]:
    """The names of so many units."""
    return UNIT_NAMES[:count]
