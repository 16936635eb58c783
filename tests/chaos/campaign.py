"""One run from end to end: build, load, faults, heal, drain, stop, collect, judge."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError

from protocol import topics
from protocol.identifiers import UnitId
from tests.chaos import evidence
from tests.chaos.checker import check
from tests.chaos.exchange import HOSTILE, Exchange, RouterKind
from tests.chaos.history import Verdict, Watch
from tests.chaos.hostile_unit import HostileUnit
from tests.chaos.ledger_evidence import watch
from tests.chaos.ledger_site import LedgerKind, LedgerSite
from tests.chaos.load import Intruder, Load, call, ready
from tests.chaos.nemesis import Fault, Nemesis, schedule
from tests.chaos.processes import say
from tests.undecided import undecided
from tests.waiting import until_async

MORE = 40
"""Messages, some seconds of them."""

DRAIN_S = 300.0
"""How long the exchange may take to deliver and to log everything after the last fault."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of."""

    seed: int = 1
    seconds: float = 60.0
    until: Path | None = None
    """The load goes on until this file is there, and for `MORE` messages after."""

    brokers: int = 3
    routers: int = 2
    router: RouterKind = "real"
    rate: float = 24.0
    """Messages offered per second, by all units together."""

    every: float = 2.5
    """Seconds between faults, on average; 0: none."""

    router_env: dict[str, str] = field(default_factory=dict)
    ledger: LedgerKind = "real"
    ledger_env: dict[str, str] = field(default_factory=dict)
    drain: float = DRAIN_S
    guarded: bool = True
    """Whether Kafka knows its clients by certificates."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    plan: Plan
    verdict: Verdict
    faults: dict[str, int]
    retries: int
    intruded: int
    hostile: dict[str, int]
    """What the hostile unit wrote, by kind."""

    denied: int
    trespasses: dict[str, int]
    """What Kafka denied the hostile unit in topics of others, and what it took there."""

    drained_s: float
    stuck: dict[str, int]
    fallen: list[str]
    """Processes that ended by themselves."""

    @property
    def ok(self) -> bool:
        """Whether everything held, nothing was left on its way, and no process gave up."""
        return self.verdict.clean and not self.stuck and not self.fallen and not self.trespasses

    def line(self) -> dict[str, object]:
        """The one line of JSON."""
        counts = asdict(self.verdict)
        findings = counts.pop("findings")
        kills = sum(count for name, count in self.faults.items() if name.endswith("kill"))
        pauses = sum(count for name, count in self.faults.items() if name.endswith("pause"))
        return {
            **counts,
            "ok": self.ok,
            "seed": self.plan.seed,
            "seconds": self.plan.seconds,
            "router": self.plan.router,
            "ledger": self.plan.ledger,
            "brokers": self.plan.brokers,
            "kills": kills,
            "pauses": pauses,
            "faults": self.faults,
            "retries": self.retries,
            "intruded": self.intruded,
            "hostile": sum(self.hostile.values()),
            "hostile_kinds": self.hostile,
            "tls": self.plan.guarded,
            "denied": self.denied,
            "trespasses": self.trespasses,
            "drained_s": round(self.drained_s, 1),
            "stuck": self.stuck,
            "fallen": self.fallen,
            "findings": [each for some in _by_anomaly(findings).values() for each in some[:5]],
        }


def _by_anomaly(findings: list[str]) -> dict[str, list[str]]:
    sorts: dict[str, list[str]] = defaultdict(list)
    for each in findings:
        sorts[each.partition(":")[0]].append(each)
    return sorts


async def run(plan: Plan, *, keep: Path | None = None) -> Outcome:
    """Carry a plan out. The exchange's files are removed, or moved to `keep` where the run failed."""
    place = Path(tempfile.mkdtemp(prefix="cx-"))
    exchange = Exchange(
        place,
        brokers=plan.brokers,
        routers=plan.routers,
        kind=plan.router,
        router_env=plan.router_env,
        ledger_kind=plan.ledger,
        ledger_env=plan.ledger_env,
        guarded=plan.guarded,
    )
    outcome = None
    try:
        await exchange.start()
        outcome = await _play(plan, exchange)
        return outcome
    finally:
        exchange.stop()
        if keep is not None and (outcome is None or not outcome.ok):
            shutil.move(place, keep)
            say(f"kept: {keep}")
        shutil.rmtree(place, ignore_errors=True)


async def _play(plan: Plan, exchange: Exchange) -> Outcome:
    sockets = {unit: exchange.home(unit).socket for unit in exchange.units}
    await ready(sockets)
    load = Load(sockets, seed=plan.seed, rate=plan.rate)
    intruder = Intruder(exchange.cluster.bootstrap, exchange.units, seed=plan.seed)
    hostile = HostileUnit(exchange, seed=plan.seed)
    nemesis = Nemesis(exchange, _faults(plan, exchange))
    # A naive router is there to be caught by what it does to the others.
    hostilities = _beside(hostile.run()) if plan.router == "real" else contextlib.nullcontext()
    async with _beside(intruder.run()), hostilities, asyncio.TaskGroup() as group:
        group.create_task(load.run())
        striking = group.create_task(nemesis.run())
        await asyncio.sleep(plan.seconds)
        await striking
        if plan.until is not None:
            await until_async(plan.until.exists, what=f"{plan.until.name}")
            more = len(load.messages) + MORE
            await until_async(lambda: len(load.messages) >= more, what="more messages")
        load.stop()
        say(f"healing; {len(load.messages)} messages were submitted")
        await asyncio.to_thread(exchange.heal)
    began = time.monotonic()
    stuck = await _drain(exchange, load, within=plan.drain, proofs=plan.ledger != "naive")
    drained = time.monotonic() - began
    say(f"drained within {drained:.1f} s; stuck: {dict(stuck)}")
    await _label(exchange, load)
    watches = {} if exchange.ledger is None else await _settle(exchange, exchange.ledger, within=plan.drain)
    exchange.stop_processes()
    history = await evidence.collect(exchange, load.messages, watches=watches)
    return Outcome(
        plan=plan,
        verdict=check(history),
        faults=dict(nemesis.done),
        retries=load.retries,
        intruded=intruder.written,
        hostile=dict(hostile.written),
        denied=hostile.denied,
        trespasses=dict(hostile.trespasses),
        drained_s=drained,
        stuck=dict(stuck),
        fallen=exchange.fallen,
    )


def _faults(plan: Plan, exchange: Exchange) -> list[Fault]:
    if not plan.every:
        return []
    return schedule(
        plan.seed,
        seconds=plan.seconds,
        every=plan.every,
        brokers=plan.brokers,
        routers=plan.routers,
        daemons=len(exchange.units),
        ledgers=0 if plan.ledger == "none" else 1,
    )


@asynccontextmanager
async def _beside(work) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _drain(exchange: Exchange, load: Load, *, within: float, proofs: bool) -> dict[str, int]:
    until = time.monotonic() + within
    while True:
        stuck = evidence.unfinished(exchange, load.messages, proofs=proofs) + await _undecided(exchange)
        if not stuck or time.monotonic() > until or not all(each.alive for each in exchange.processes()):
            return dict(stuck)
        await asyncio.sleep(0.5)


async def _undecided(exchange: Exchange) -> Counter[str]:
    """What the hostile unit wrote and no router has decided yet; it has no daemon that could say so."""
    try:
        return +Counter({HOSTILE: await undecided(exchange.cluster.bootstrap, UnitId(HOSTILE))})
    except KafkaError:  # a coordinator that has just come back says nothing for a moment
        return Counter({HOSTILE: 1})


async def _settle(exchange: Exchange, ledger: LedgerSite, *, within: float) -> dict[str, Watch]:
    """Let the ledger come to the end of the audit topic, and the units to its end; what they say then."""
    await asyncio.to_thread(exchange.stop_routers)
    last = await evidence.last_offset(exchange.cluster.bootstrap, topics.AUDIT)
    until = time.monotonic() + within
    while True:
        is_covered = ledger.covers(last)
        watches = {unit: await watch(exchange.home(unit).socket) for unit in exchange.units}
        sizes = ledger.trusted()
        if is_covered and all(each.sizes == sizes and not each.promised for each in watches.values()):
            return watches
        if any(each.accused for each in watches.values()):
            return (
                watches  # a ledger that a unit has caught is never believed again: nothing more will settle
            )
        if time.monotonic() > until:
            say(f"the ledger is not settled: {sizes}, last {last}, {watches}")
            return watches
        await asyncio.sleep(0.5)


async def _label(exchange: Exchange, load: Load, *, most: int = 50) -> None:
    """Open what arrived, a part of it, and see that it says what was sent."""
    wanted = [m for m in load.messages if not m.denied][:: max(1, len(load.messages) // most)]
    for message in wanted:
        for unit in sorted(message.to):
            path = f"/v1/inbox/{message.message_id.hex()}"
            status, shown = await call(exchange.home(unit).socket, "GET", path)
            assert status == 404 or shown["body"]["subject"] == message.label, f"{unit} reads something else"
