"""Faults of disks: what a power cut leaves, a full disk, a copy of days before, and bits that are not what they were.

What a disk does is tests/years/disks.py; what people do then is in the runbooks: docs/runbooks/store-damaged.md of a unit,
"Never bring back its memory" in docs/runbooks/witness.md of a witness.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from clients.daemon.api.status import daemon_status
from clients.witness.home import witness_home
from protocol.errors import ContradaError
from tests.chaos.evidence import own_messages
from tests.years.disks import Image
from tests.years.duties import exchange_witness
from tests.years.parties import NoAnswer, Unit, Witness
from tests.years.strike import Strike

LOOKED_AFTER: Final = 30.0
"""Seconds after its start until people look whether a unit is ready: it looks its database through for twenty."""

PAGE_HEAD: Final = 8
"""Bytes of a page of SQLite that every page has: kind, free blocks, how many cells, where they begin."""


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
        if disk.is_failing:
            return  # another fault has it, and puts back what its own power cut leaves

        def lost() -> None:
            images.append(disk.survivors())
            if party.life is not None:
                party.life.kill()
            # It is called within the life that it ends, and what the dead have to do is never done.
            at.exchange.loop.call_soon(gone.set, context=contextvars.Context())

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


def witness_damaged(*, torn: bool) -> Callable[[Strike], Awaitable[None]]:
    """A bit of a witness's memory turns, or a write to it was torn; it must not sign, and another takes its place."""

    async def strike(at: Strike) -> None:
        exchange, witness = at.exchange, at.party("witness")
        assert isinstance(witness, Witness)
        await witness.stop()
        memory = witness_home(witness.path).heads
        whole = memory.read_bytes()
        what = at.disk(witness).tear(memory.name) if torn else damaged_database(memory, at.chance)
        if not what or _is_sound(memory):
            memory.write_bytes(
                whole
            )  # what damages nothing that SQLite looks at is not found (docs/limits.md)
            witness.start()
            return
        exchange.note(f"{witness.name}: {what} is {'torn' if torn else 'flipped'}")
        witness.start()
        await at.last()
        if witness.runs and not _is_sound(memory):
            exchange.seen.append(("unheard", f"{witness.name} runs, and {what} is damaged"))
        await exchange_witness(exchange, witness.name)

    return strike


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
