"""Faults of machines: processes, brokers, cables, disks and clocks.

Each strikes, waits and heals.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import RecordStore
from clients.daemon.api.status import daemon_status
from protocol.errors import ContradaError
from tests.chaos.evidence import connect, own_messages
from tests.years.acts import typed
from tests.years.disks import Image
from tests.years.duties import write_statements_again
from tests.years.kafka.faults import Faults
from tests.years.losses import Logged
from tests.years.parties import NoAnswer, Unit
from tests.years.strike import Strike

if TYPE_CHECKING:
    from tests.years.exchange import Exchange
    from tests.years.kafka.cluster import Copy

LOOKED_AFTER: Final = 30.0
"""Seconds after its start until people look whether a unit is ready: it looks its database through for twenty."""

PAGE_HEAD: Final = 8
"""Bytes of a page of SQLite that every page has: kind, free blocks, how many cells, where they begin."""


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


def power_cut(kind: str) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        party = at.party(kind)
        at.disk(party).cut_power(party.kill)
        await at.last()
        party.start()

    return strike


def power_cut_in_a_step(kind: str) -> Callable[[Strike], Awaitable[None]]:
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


def disk(kind: str, *, full: bool) -> Callable[[Strike], Awaitable[None]]:
    async def strike(at: Strike) -> None:
        disk = at.disk(at.party(kind))
        disk.fill() if full else disk.read_only()
        await at.last()
        disk.heal()

    return strike


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


async def restored(at: Strike) -> None:
    """A unit's disk is put back to what its operators copied some days before."""
    unit = at.exchange.units[at.party("unit").name]
    image = await _copied(at, unit)
    await at.last()
    await unit.stop()
    at.exchange.forgotten += own_messages(unit.name, unit.home.database)
    await _put_back(at, unit, image)


async def bit_flipped(at: Strike) -> None:
    """A bit on a unit's disk turns while it is stopped; its operators see that, and put a copy of days before back."""
    unit = at.exchange.units[at.party("unit").name]
    image = await _copied(at, unit)
    await at.last()
    await unit.stop()
    at.exchange.forgotten += own_messages(unit.name, unit.home.database)
    what = damaged_database(unit.home.database, at.chance) or at.disk(unit).flip_bit("keys/*.key")
    path = unit.home.path / what.partition(",")[0].partition(" ")[0]
    flipped = path.read_bytes()

    def is_damaged() -> bool:
        # Another fault may have put the disk back meanwhile.
        return not _is_sound(path) if path == unit.home.database else path.read_bytes() == flipped

    was_damaged = is_damaged()
    at.exchange.note(
        f"{unit.name}: a bit of {what} is flipped, and {'damages it' if was_damaged else 'is read by nobody'}"
    )
    unit.start()
    await asyncio.sleep(LOOKED_AFTER)
    if was_damaged and await _is_ready(unit) and is_damaged():
        at.exchange.seen.append(("unheard", f"{unit.name} is ready, and a bit of {what} is flipped"))
    await _put_back(at, unit, image)


async def _copied(at: Strike, unit: Unit) -> Image:
    """It is stopped for the copy."""
    await unit.stop()
    at.exchange.note(f"{unit.name} is copied")
    image = at.disk(unit).copy()
    unit.start()
    return image


async def _put_back(at: Strike, unit: Unit, image: Image) -> None:
    await unit.stop()
    at.disk(unit).put_back(image)
    # What it had said is put back with it.
    at.exchange.losses.due -= {each for each in at.exchange.losses.due if each[0] == unit.name}
    at.exchange.note(f"{unit.name} is put back")
    unit.start()


async def _is_ready(unit: Unit) -> bool:
    """`/readyz`; a program that ended, or that answers by an error, is not."""
    try:
        shown = await unit.call(lambda: daemon_status(unit.running))
    except (ContradaError, NoAnswer):
        return False
    return bool(shown["ready"])


def damaged_database(path: Path, chance: random.Random) -> str:
    """A bit is flipped in the head of some page, and where; empty in one of three cases, and nothing is."""
    if chance.random() < 0.33:
        return ""
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    page = chance.randrange(len(data) // size)
    place = page * size + (100 if page == 0 else 0) + chance.randrange(PAGE_HEAD)
    data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return f"{path.name}, page {page + 1}, at {place}"


def _is_sound(database: Path) -> bool:
    """What SQLite itself says of a copy."""
    with tempfile.TemporaryDirectory(dir=database.parents[1]) as folder:
        for path in (database, database.with_name(database.name + "-wal")):
            if path.exists():
                shutil.copyfile(path, Path(folder) / path.name)
        try:
            with closing(sqlite3.connect(Path(folder) / database.name)) as copy:
                found = [row[0] for row in copy.execute("PRAGMA quick_check")]
        except sqlite3.DatabaseError:
            return False
    return found == ["ok"]


async def older_copy(at: Strike) -> None:
    """The brokers' disks are lost, and a copy of them that was made a while ago is put in their place.

    The ledger is off from the copy on, and has read nothing of what is undone; or it is stopped when the copy is put in the
    place of the disks, or runs all the time: then it goes back, and two people state why. In two of three cases a unit is off
    from the copy on, and has not read what is lost.
    """
    exchange, model = at.exchange, at.exchange.model
    if exchange.copied.locked():
        return
    async with exchange.copied:
        ledger_stops = at.chance.choice(("before", "between", "never"))
        if ledger_stops == "before":
            await _hold_ledgers(exchange)
        copy, copied = model.copy(), exchange.clocks.millis()
        exchange.note("Kafka's disks are copied")
        off = at.party("unit") if at.chance.random() < 0.67 else None
        if off is not None:
            await off.stop()
        await at.last()
        if ledger_stops == "between":
            await _hold_ledgers(exchange)
        model.stop()
        await asyncio.sleep(at.chance.uniform(1, 20))
        _note_losses(exchange, copy)
        model.restore(copy)
        model.start()
        exchange.note("Kafka is put back")
        exchange.losses.unstated.append((copied, exchange.clocks.millis()))
        await typed(at, lambda: write_statements_again(exchange))
        if ledger_stops != "never":
            exchange.ledger.release()
            exchange.second.release(start=False)
        if off is not None:
            await asyncio.sleep(at.chance.uniform(0, 40))
            off.start()


async def _hold_ledgers(exchange: Exchange) -> None:
    for ledger in (exchange.ledger, exchange.second):
        await ledger.hold()


def _note_losses(exchange: Exchange, copy: Copy) -> None:
    # By the keys that everybody knew: what appointed them may be lost with it.
    exchange.harvest.take()
    directory, undone = exchange.harvest.directory(), exchange.harvest.set_back(copy)
    settings = LedgerSettings.load(exchange.home.ledger_settings)
    with closing(RecordStore(settings.records_url, read_only=True)) as records:
        exchange.losses.note(undone, directory, Logged(records), now=exchange.clocks.millis())
    exchange.note(f"the ledger had logged {sum(exchange.losses.undone.values())} leaves of what is lost")
    lost = {name: len(records) for name, records in sorted(undone.items()) if records}
    exchange.note(f"Kafka loses {lost}")
    unread = Counter[str]()
    for name, unit in exchange.units.items():
        with connect(unit.home.database) as rows:
            known = {(row["sender"], row["mid"]) for row in rows.execute("SELECT sender, mid FROM inbox")}
            read = rows.execute("SELECT topic, position FROM positions WHERE partition = 0").fetchall()
        unread[name] = sum(
            unit == name and (*each,) not in known for unit, *each in exchange.losses.delivered
        )
        for topic, position in read:
            end = copy.topics[topic].logs[0].end if topic in copy.topics else 0
            if any(end <= record.offset < position for record in undone.get(topic, ())):
                exchange.losses.due.add((name, f"{topic}/0"))
    exchange.note(
        f"of that nobody had read {dict(+unread)}; who had read more: {sorted(exchange.losses.due)}"
    )


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
