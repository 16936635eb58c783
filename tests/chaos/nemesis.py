"""What goes wrong during a run, and when: a schedule made of a seed, and the hands that carry it out.

The schedule is pure: the same seed and seconds give the same faults at the same times. At most one broker is
away at a time, since three copies of which two must be written bear no more; routers, daemons and the ledger
fail freely. A second ledger on the same directory, which nobody should ever start, is a fault as well; it is
killed after some seconds, and the first one may be killed or paused meanwhile. So is a witness that answers one byte at a
time, and a router whose clock goes wrong while it works: by hours, by a week, by the rest of a half-year, by years.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from protocol.limits import DAY, HOUR
from tests.chaos.exchange import Exchange
from tests.chaos.processes import Process, say

Victim = Literal["router", "broker", "daemon", "ledger", "witness"]
Action = Literal["kill", "pause", "double", "drip", "misdate"]

PAUSE_S = (7.0, 12.0)
"""Longer than the routers' session timeout of 6 s: a router comes back as a zombie."""

AWAY_S = (0.2, 2.5)
DOUBLE_S = (5.0, 9.0)
"""Long enough for a second ledger to open everything and to win over the first one."""

DRIP_S = (5.0, 40.0)
"""Also longer than the ledger waits for a whole answer."""

MISDATED_S = (3.0, 15.0)
CLOCKS_MS = (2 * HOUR, 8 * DAY, 220 * DAY, -3 * 365 * DAY)
"""By how much a router's clock is off."""

LENGTHS: dict[Action, tuple[float, float]] = {
    "kill": AWAY_S,
    "pause": PAUSE_S,
    "double": DOUBLE_S,
    "drip": DRIP_S,
    "misdate": MISDATED_S,
}
SECOND = 1
"""The index of the second ledger."""

WEIGHTS: dict[tuple[Victim, Action], int] = {
    ("router", "kill"): 6,
    ("router", "pause"): 3,
    ("router", "misdate"): 2,
    ("broker", "kill"): 2,
    ("broker", "pause"): 1,
    ("daemon", "kill"): 4,
    ("daemon", "pause"): 2,
    ("ledger", "kill"): 4,
    ("ledger", "pause"): 2,
    ("ledger", "double"): 2,
    ("witness", "drip"): 2,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: to whom, when, for how long."""

    at: float
    victim: Victim
    index: int
    action: Action
    seconds: float
    off_ms: int = 0
    """Of a clock."""


def schedule(
    seed: int, *, seconds: float, every: float, brokers: int, routers: int, daemons: int, ledgers: int = 1
) -> list[Fault]:
    """The faults of a run. Every fault begins within `seconds`; what it hits is back soon after."""
    chance = random.Random(f"nemesis {seed}")
    sizes = {
        "router": routers,
        "broker": brokers if brokers >= 3 else 0,
        "daemon": daemons,
        "ledger": ledgers,
        "witness": ledgers,
    }
    weights = {kind: weight for kind, weight in WEIGHTS.items() if sizes[kind[0]]}
    busy: dict[tuple[Victim, int], float] = {}
    faults: list[Fault] = []
    at = 0.0
    while (at := at + chance.uniform(0.3, 1.7) * every) < seconds:
        victim, action = chance.choices(list(weights), list(weights.values()))[0]
        index = SECOND if action == "double" else chance.randrange(sizes[victim])
        length = chance.uniform(*LENGTHS[action])
        slot = (victim, 0 if victim == "broker" else index)
        if busy.get(slot, 0.0) > at:
            continue
        # A broker that was killed has to catch up before the next one may go.
        busy[slot] = at + length + (8.0 if victim == "broker" else 0.5)
        off = chance.choice(CLOCKS_MS) if action == "misdate" else 0
        faults.append(Fault(round(at, 2), victim, index, action, round(length, 2), off))
    return faults


class Nemesis:
    """Carries a schedule out."""

    def __init__(self, exchange: Exchange, faults: Sequence[Fault]) -> None:
        self.done: Counter[str] = Counter()
        self._exchange = exchange
        self._faults = faults

    async def run(self) -> None:
        """Do it all; returns when the last victim is back, or is left for `Exchange.heal`."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in self._faults:
                await asyncio.sleep(max(0.0, began + fault.at - asyncio.get_running_loop().time()))
                group.create_task(self._strike(fault))

    async def _strike(self, fault: Fault) -> None:
        self.done[f"{fault.victim}_{fault.action}"] += 1
        say(f"{fault.at:6.2f} s  {fault.action} {fault.victim}-{fault.index} for {fault.seconds} s")
        match fault.victim:
            case "broker":
                await self._strike_broker(fault)
            case "witness":
                await self._drip(fault)
            case _:
                await self._strike_process(fault)

    async def _strike_process(self, fault: Fault) -> None:
        process = self._processes(fault.victim)[fault.index]
        if fault.action == "misdate":
            self._exchange.set_clock(fault.index, fault.off_ms)
            await asyncio.sleep(fault.seconds)
            self._exchange.set_clock(fault.index, 0)
        elif fault.action == "kill":
            process.kill()
            await asyncio.sleep(fault.seconds)
            process.start()
        elif fault.action == "double":
            process.start()
            await asyncio.sleep(fault.seconds)
            process.kill()
        else:
            process.pause()
            await asyncio.sleep(fault.seconds)
            process.resume()

    async def _strike_broker(self, fault: Fault) -> None:
        cluster = self._exchange.cluster
        if fault.action == "kill":
            cluster.kill(fault.index)
            await asyncio.sleep(fault.seconds)
            cluster.restart(fault.index, wait=False)
        else:
            cluster.pause(fault.index)
            await asyncio.sleep(fault.seconds)
            cluster.resume(fault.index)

    async def _drip(self, fault: Fault) -> None:
        assert self._exchange.ledger is not None
        relay = self._exchange.ledger.relay
        relay.drip()
        await asyncio.sleep(fault.seconds)
        relay.flow()

    def _processes(self, victim: Victim) -> Sequence[Process]:
        if victim == "router":
            return self._exchange.router_processes
        if victim == "daemon":
            return list(self._exchange.daemons.values())
        ledger = self._exchange.ledger
        assert ledger is not None
        return ledger.process, ledger.second
