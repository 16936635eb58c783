"""What goes wrong: a table of faults, each with whom it hits, how long it may last, and what it may make somebody say.

    FAULTS      those that every campaign draws from
    GAPS        those that the program does not stand yet, with the reason; drawn only where they are asked for

A fault is a coroutine that strikes, waits and heals. Its dice are its own, so that dropping one fault from a plan
changes nothing about the others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from broker.centre.enrolments import enrol_units, read_request
from broker.centre.membership import change_status
from keys.store import write_private
from protocol import topics
from protocol.identifiers import UnitId
from runtime.errors import Conflict
from tests.years.disks import Disk
from tests.years.kafka.faults import Faults
from tests.years.parties import Party

if TYPE_CHECKING:
    from tests.years.exchange import Exchange

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at work: the exchange, its own dice, and how long it lasts."""

    exchange: Exchange
    chance: random.Random
    seconds: float

    def party(self, kind: str) -> Party:
        """One party of this kind."""
        exchange = self.exchange
        match kind:
            case "router":
                return self.chance.choice(exchange.routers)
            case "unit":
                return self.chance.choice(list(exchange.units.values()))
            case "witness":
                return self.chance.choice(list(exchange.witnesses.values()))
            case _:
                return exchange.ledger

    def disk(self, party: Party) -> Disk:
        """A party's disk."""
        disk = self.exchange.disk_of(party)
        assert disk is not None
        return disk

    async def last(self) -> None:
        """Wait as long as the fault lasts."""
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault."""

    name: str
    strike: Callable[[Strike], Awaitable[None]]
    weight: int
    seconds: tuple[float, float]
    """Between what bounds it lasts."""

    alarms: frozenset[str] = frozenset()
    """What units may say of it. Anything that no fault of a run accounts for is an accusation."""

    must: frozenset[str] = frozenset()
    """What some unit must say of it."""


def _kill(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        party.kill()
        await at.last()
        party.start()

    return strike


def _stop(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        await party.stop()
        await at.last()
        party.start()

    return strike


def _pause(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        party.pause()
        await at.last()
        party.resume()

    return strike


def _cut(kind: str, *, silent: bool) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        at.exchange.model.cut(party.name, silent=silent)
        at.exchange.network.cut.add(party.name)
        await at.last()
        at.exchange.model.heal(party.name)
        at.exchange.network.cut.discard(party.name)

    return strike


async def _all_routers(at: Strike) -> None:
    for router in at.exchange.routers:
        router.kill()
    await at.last()
    for router in at.exchange.routers:
        router.start()


async def _everybody(at: Strike) -> None:
    """A power cut in the whole house, at different moments."""
    for party in at.exchange.processes():
        if at.chance.random() < 0.7:
            party.kill()
    await at.last()
    for party in at.exchange.processes():
        party.start()
        await asyncio.sleep(at.chance.uniform(0, 2))


async def _doubled(at: Strike) -> None:
    at.exchange.second.start()
    await at.last()
    at.exchange.second.kill()


async def _broker(at: Strike) -> None:
    node = at.chance.randrange(at.exchange.size.brokers)
    at.exchange.model.stop_broker(node)
    await at.last()
    at.exchange.model.start_broker(node)


async def _frozen_broker(at: Strike) -> None:
    node = at.chance.randrange(at.exchange.size.brokers)
    at.exchange.model.freeze(node)
    await at.last()
    at.exchange.model.thaw(node)


def _power_cut(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        at.disk(party).cut_power(party.kill)
        await at.last()
        party.start()

    return strike


def _power_cut_in_a_step(kind: str) -> Callable[[Strike], Awaitable[None]]:
    """At some call that writes, in the middle of whatever is done."""

    async def strike(at: Strike) -> None:
        party, images = at.party(kind), []
        disk, gone = at.disk(party), asyncio.Event()

        def lost() -> None:
            images.append(disk.survivors())
            if party.life is not None:
                party.life.kill()
            at.exchange.loop.call_soon(gone.set)

        disk.lose_power_in(at.chance.randint(1, 12), lost)
        with suppress(TimeoutError):
            async with asyncio.timeout(at.seconds):
                await gone.wait()
        if images:
            party.kill()
            disk.put_back(images[0])
            await asyncio.sleep(at.chance.uniform(0.2, 5))
            party.start()
        else:
            disk.calls.countdown = 0
            disk.heal()

    return strike


def _disk(kind: str, *, full: bool) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        disk = at.disk(at.party(kind))
        disk.fill() if full else disk.read_only()
        await at.last()
        disk.heal()

    return strike


async def _no_kafka(at: Strike) -> None:
    at.exchange.model.stop()
    await at.last()
    at.exchange.model.start()


async def _leaders(at: Strike) -> None:
    model = at.exchange.model
    until = at.exchange.loop.time() + at.seconds
    while at.exchange.loop.time() < until:
        name = at.chance.choice(sorted(model.topics))
        model.move_leader(name, at.chance.randrange(len(model.topics[name].logs)))
        await asyncio.sleep(at.chance.uniform(0.05, 3))


def _answers(**changes: object) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        faults, usual = at.exchange.model.faults, Faults()
        for name, value in changes.items():
            setattr(faults, name, value)
            at.exchange.wrong[name] += 1
        await at.last()
        for name in changes:
            at.exchange.wrong[name] -= 1
            if not at.exchange.wrong[name]:  # another fault of the same kind may last longer
                setattr(faults, name, getattr(usual, name))

    return strike


async def _wall_clock(at: Strike) -> None:
    """A wall clock within what the rules bear: it jumps by up to four minutes, or runs too fast, or stops."""
    clock = at.exchange.clocks.of(at.party(at.chance.choice(("unit", "router", "ledger", "witness"))).name)
    match at.chance.randrange(3):
        case 0:
            clock.off = at.chance.uniform(-240, 240)
        case 1:
            clock.drift = at.chance.uniform(-1e-3, 1e-3)
        case _:
            clock.stop(at.exchange.loop.time())
    await at.last()
    clock.right()


async def _suspended(at: Strike) -> None:
    exchange = at.exchange
    unit = at.party("unit").name
    try:
        await exchange.centre.command(
            change_status(exchange.invocation, unit, suspended=True, reason="by order")
        )
    except Conflict:
        return
    await at.last()
    await exchange.centre.command(change_status(exchange.invocation, unit, suspended=False, reason="lifted"))


async def _rotated(at: Strike) -> None:
    """`keys rotate` at a unit, `centre enrol` for what it gives: the next identity."""
    exchange = at.exchange
    unit = exchange.units[at.party("unit").name]
    if unit.daemon is None:
        return
    context = unit.daemon.context

    async def ask() -> bytes:
        return context.keys.rotation_request(context.clock())

    made = await unit.call(ask)
    write_private(unit.home.rotation, made, entropy=at.chance.randbytes, replace=True)
    await asyncio.sleep(at.seconds)
    request = read_request(unit.home.rotation)
    try:
        await exchange.centre.command(enrol_units(exchange.invocation, [request], {}))
    except Conflict:
        return


async def _lost_epochs(at: Strike) -> None:
    """The files of a unit's epoch keys are gone; what was sealed to them is lost with them, so nothing is on its way."""
    unit = at.exchange.units[at.party("unit").name]
    unit.kill()
    for path in (unit.home.keys / "epochs").glob("*"):
        path.unlink()
    unit.start()
    await at.last()


def _hostile(make: Callable[[Strike], bytes | None], *places: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        until = at.exchange.loop.time() + at.seconds
        while at.exchange.loop.time() < until:
            place = at.chance.choice(places)
            if place.endswith("."):
                place += at.chance.choice(list(at.exchange.units))
            value = make(at)
            if value is not None:
                at.exchange.model.write(place, value)
            await asyncio.sleep(at.chance.uniform(0.1, 5))

    return strike


def _garbage(at: Strike) -> bytes:
    return at.chance.randbytes(at.chance.choice((0, 1, 300, 3000)))


def _seen_before(at: Strike) -> bytes | None:
    """Some record of some outbox: as it is, damaged, or cut off."""
    name = topics.outbox(UnitId(at.chance.choice(list(at.exchange.units))))
    found = at.exchange.model.records(name)
    if not found:
        return None
    value = at.chance.choice(found).value
    damaged = bytearray(value)
    damaged[at.chance.randrange(len(damaged))] ^= 1 << at.chance.randrange(8)
    return at.chance.choice((value, bytes(damaged), value[: len(value) // 2]))


def _of_topic(*names: str) -> Callable[[Strike], bytes | None]:
    def make(at: Strike) -> bytes | None:
        found = at.exchange.model.records(at.chance.choice(names))
        return at.chance.choice(found).value if found else None

    return make


OUTBOXES, INBOXES, RECEIPTS = topics.OUTBOX_PREFIX, topics.INBOX_PREFIX, topics.RECEIPTS_PREFIX

_SHORT, _LONG = (0.2, 15.0), (15.0, 1.5 * MINUTE)
_LATE = frozenset({"ledger_leaf_missing"})
"""What is said where the ledger was away or cut off for longer than a minute while mail went on."""

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault("router_killed", _kill("router"), 6, _SHORT),
        Fault("router_stopped", _stop("router"), 3, _SHORT),
        Fault("router_paused", _pause("router"), 4, (3.0, 30.0)),
        Fault("router_cut_off", _cut("router", silent=False), 2, _LONG),
        Fault("router_cut_in_silence", _cut("router", silent=True), 2, _LONG),
        Fault("all_routers_killed", _all_routers, 1, _LONG),
        Fault("unit_killed", _kill("unit"), 6, _SHORT),
        Fault("unit_stopped", _stop("unit"), 3, _LONG),
        Fault("unit_paused", _pause("unit"), 3, _LONG),
        Fault("unit_cut_off", _cut("unit", silent=False), 2, _LONG),
        Fault("unit_cut_in_silence", _cut("unit", silent=True), 2, _LONG),
        Fault("unit_away_for_days", _stop("unit"), 1, (1 * DAY, 6 * DAY)),
        Fault("unit_away_for_weeks", _stop("unit"), 1, (8 * DAY, 25 * DAY)),
        Fault("unit_power_cut", _power_cut("unit"), 4, _SHORT),
        Fault("unit_power_cut_in_a_step", _power_cut_in_a_step("unit"), 3, _LONG),
        Fault("unit_disk_full", _disk("unit", full=True), 2, _LONG),
        Fault("unit_disk_read_only", _disk("unit", full=False), 1, _LONG),
        Fault("ledger_killed", _kill("ledger"), 4, _SHORT, _LATE),
        Fault("ledger_paused", _pause("ledger"), 2, _LONG, _LATE),
        Fault("ledger_cut_off", _cut("ledger", silent=False), 2, _LONG, _LATE),
        Fault("ledger_power_cut", _power_cut("ledger"), 3, _SHORT, _LATE),
        Fault("ledger_power_cut_in_a_step", _power_cut_in_a_step("ledger"), 2, _LONG, _LATE),
        Fault("ledger_disk_full", _disk("ledger", full=True), 1, _LONG, _LATE),
        Fault("ledger_doubled", _doubled, 2, (5.0, 30.0), _LATE),
        Fault("witness_killed", _kill("witness"), 2, _LONG),
        Fault("witness_power_cut", _power_cut("witness"), 2, _SHORT),
        Fault("witness_disk_full", _disk("witness", full=True), 1, _LONG),
        Fault("witness_paused", _pause("witness"), 2, _LONG),
        Fault("witness_away_for_days", _kill("witness"), 1, (1 * DAY, 10 * DAY)),
        Fault("everybody_killed", _everybody, 1, _LONG, _LATE),
        Fault("broker_killed", _broker, 3, _LONG),
        Fault("broker_frozen", _frozen_broker, 2, _LONG),
        Fault("kafka_stopped", _no_kafka, 1, _LONG, _LATE),
        Fault("leaders_moving", _leaders, 2, _LONG),
        Fault("slow_answers", _answers(latency=(0.2, 2.0)), 2, _LONG),
        Fault("lost_answers", _answers(lose_answer=0.05), 2, _LONG, _LATE),
        Fault("lost_requests", _answers(lose_request=0.05), 2, _LONG, _LATE),
        Fault("late_answers", _answers(late_answer=(0.1, 1.0, 20.0)), 2, _LONG, _LATE),
        Fault("late_requests", _answers(late_request=(0.1, 1.0, 60.0)), 2, _LONG, _LATE),
        Fault("answers_told_twice", _answers(answer_twice=0.1), 2, _LONG),
        Fault("connections_breaking", _answers(break_before=0.03, break_after=0.03), 3, _LONG, _LATE),
        Fault("markers_apart", _answers(spread_markers=0.5), 1, _LONG),
        Fault("refused_requests", _answers(refuse=0.1), 2, _LONG, _LATE),
        Fault("clock_a_little_wrong", _wall_clock, 3, _LONG, frozenset({"clock_ahead", "clock_behind"})),
        Fault("unit_suspended", _suspended, 1, _LONG, must=frozenset({"own_status_changed"})),
        Fault("identity_rotated", _rotated, 1, _SHORT),
        Fault("garbage_in_outboxes", _hostile(_garbage, OUTBOXES), 1, _SHORT, frozenset({"submission_unknown"})),
        Fault("replays_in_outboxes", _hostile(_seen_before, OUTBOXES), 2, _SHORT, frozenset({"submission_unknown"})),
        Fault("garbage_in_audit", _hostile(_garbage, topics.AUDIT), 1, _SHORT),
        Fault("garbage_in_directory", _hostile(_garbage, topics.DIRECTORY), 1, _SHORT),
        Fault("old_publications", _hostile(_of_topic(topics.LEDGER), topics.LEDGER), 1, _SHORT),
        Fault("garbage_in_ledger", _hostile(_garbage, topics.LEDGER), 1, _SHORT, frozenset({"ledger_damaged"})),
        Fault("garbage_in_inboxes", _hostile(_garbage, INBOXES), 1, _SHORT),
        Fault("garbage_in_receipts", _hostile(_garbage, RECEIPTS), 1, _SHORT, frozenset({"decision_unverified"})),
    )
}  # fmt: skip

GAPS: Final[dict[str, tuple[Fault, str]]] = {
    fault.name: (fault, why)
    for fault, why in (
        (Fault("epoch_keys_lost", _lost_epochs, 1, _LONG), "what is sealed to a lost key is lost by design"),
    )
}
