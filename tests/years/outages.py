"""Faults of machines: processes, brokers, cables and clocks. Those of disks are in disk_faults.py.

Each strikes, waits and heals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.years.kafka.faults import Faults
from tests.years.strike import Strike


def kill(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        party.kill()
        await at.last()
        party.start()

    return strike


def stop(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        await party.stop()
        await at.last()
        party.start()

    return strike


def pause(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        party.pause()
        await at.last()
        party.resume()

    return strike


def cut(kind: str, *, silent: bool) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        at.exchange.model.cut(party.name, silent=silent)
        at.exchange.network.cut.add(party.name)
        await at.last()
        at.exchange.model.heal(party.name)
        at.exchange.network.cut.discard(party.name)

    return strike


async def all_routers(at: Strike) -> None:
    for router in at.exchange.routers:
        router.kill()
    await at.last()
    for router in at.exchange.routers:
        router.start()


async def everybody(at: Strike) -> None:
    """A power cut in the whole house, at different moments."""
    for party in at.exchange.processes():
        if at.chance.random() < 0.7:
            party.kill()
    await at.last()
    for party in at.exchange.processes():
        party.start()
        await asyncio.sleep(at.chance.uniform(0, 2))


async def doubled(at: Strike) -> None:
    at.exchange.second.start()
    await at.last()
    at.exchange.second.kill()


async def broker(at: Strike) -> None:
    node = at.chance.randrange(at.exchange.size.brokers)
    at.exchange.model.stop_broker(node)
    await at.last()
    at.exchange.model.start_broker(node)


async def frozen_broker(at: Strike) -> None:
    node = at.chance.randrange(at.exchange.size.brokers)
    at.exchange.model.freeze(node)
    await at.last()
    at.exchange.model.thaw(node)


async def no_kafka(at: Strike) -> None:
    at.exchange.model.stop()
    await at.last()
    at.exchange.model.start()


async def leaders(at: Strike) -> None:
    model = at.exchange.model
    until = at.exchange.loop.time() + at.seconds
    while at.exchange.loop.time() < until:
        name = at.chance.choice(sorted(model.topics))
        model.move_leader(name, at.chance.randrange(len(model.topics[name].logs)))
        await asyncio.sleep(at.chance.uniform(0.05, 3))


def answers(**changes: object) -> Callable[[Strike], Awaitable[None]]:
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


async def very_wrong_clock(at: Strike) -> None:
    """A wall clock that is off by a quarter of an hour, by days, or by years."""
    clock = at.exchange.clocks.of(at.party(at.chance.choice(("unit", "router", "ledger", "witness"))).name)
    clock.off = at.chance.choice((-1, 1)) * 10 ** at.chance.uniform(2.95, 8)
    await at.last()
    clock.right(at.exchange.loop.time())


async def wall_clock(at: Strike) -> None:
    """A wall clock within what the rules bear: it jumps by up to four minutes, or runs too fast, or stops."""
    clock = at.exchange.clocks.of(at.party(at.chance.choice(("unit", "router", "ledger", "witness"))).name)
    match at.chance.randrange(3):
        case 0:
            clock.off = at.chance.uniform(-240, 240)
        case 1:
            clock.drift(at.chance.uniform(-1e-3, 1e-3), at.exchange.loop.time())
        case _:
            clock.stop(at.exchange.loop.time())
    await at.last()
    clock.right(at.exchange.loop.time())
