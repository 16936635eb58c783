"""Many partitions read together: each in order and whole, and none at another's cost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.kafka import inflow, shared_reader
from runtime.kafka.inflow import Inflow
from runtime.kafka.leaders import Leaders
from runtime.kafka.ports import InputRecord, Place
from runtime.kafka.shared_reader import SharedReader
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced
from tests.unit.runtime.kafka.brokers import FETCH, Brokers
from tests.waiting import GENEROUS, until_async

FR, IT, DE = ("outbox.fr", 0), ("outbox.it", 0), ("outbox.de", 0)
GENEROUS_MS = int(GENEROUS * 1000)


@pytest.fixture
def brokers() -> Brokers:
    """Three outboxes on one broker."""
    made = Brokers()
    made.lead(0, FR, IT, DE)
    return made


@asynccontextmanager
async def reading(brokers: Brokers) -> AsyncIterator[SharedReader]:
    reader = SharedReader(brokers, Leaders(brokers), wait_ms=50)
    try:
        yield reader
    finally:
        await reader.close()


async def taken(source: Inflow, count: int, *, most: int = 7) -> list[bytes]:
    """So many records, by small helpings."""
    found: list[InputRecord] = []
    while len(found) < count:
        helping = await source.take(wait_ms=GENEROUS_MS, most=min(most, count - len(found)))
        assert helping, f"{len(found)} of {count} came"
        found += helping
    assert [one.offset for one in found] == list(range(found[0].offset, found[0].offset + count))
    return [one.value for one in found]


def values(place: Place, count: int, *, first: int = 0) -> list[bytes]:
    return [f"{place} {number}".encode() for number in range(first, first + count)]


async def test_each_partition_is_read_whole_and_in_order(brokers: Brokers) -> None:
    """Records that come while others are read, in any order, of any partition."""
    chance = random.Random(7)
    brokers.most = 3
    async with reading(brokers) as reader:
        inflows = {place: reader.add(place, 0) for place in (FR, IT, DE)}
        wanted = {place: values(place, 40) for place in inflows}

        async def write() -> None:
            left = {place: list(found) for place, found in wanted.items()}
            while any(left.values()):
                place = chance.choice([place for place, more in left.items() if more])
                brokers.append(place, left[place].pop(0))
                if chance.random() < 0.2:
                    await asyncio.sleep(0.002)

        writing = asyncio.create_task(write())
        found = await asyncio.gather(*(taken(inflow, 40) for inflow in inflows.values()))
        await writing
    assert dict(zip(inflows, found, strict=True)) == wanted


async def test_how_much_there_is_is_known_before_it_is_read(brokers: Brokers) -> None:
    """The end stands in each answer, so nobody has to ask for it; it never lies before what was read."""
    brokers.most = 3
    brokers.append(FR, *values(FR, 10))
    async with reading(brokers) as reader:
        inflow = reader.add(FR, 0)
        assert inflow.end == 0
        await taken(inflow, 1)
        assert inflow.end == 10
        await taken(inflow, 9)
        assert inflow.end == inflow.position == 10


async def test_idle_partitions_share_one_question(brokers: Brokers) -> None:
    """A thousand partitions are told once, in one session; after that a fetch names nobody."""
    places = [(f"outbox.u{number}", 0) for number in range(900)]
    brokers.lead(0, *places)
    async with reading(brokers) as reader:
        for place in places:
            reader.add(place, 0)
        await until_async(
            lambda: [request for api, request in brokers.asked if api == FETCH],
            lambda asked: len(asked) > 4 and not asked[-1].topics,
            what="a fetch that names nobody",
        )
        assert len(brokers.sessions) == 1
        assert sum(len(r.topics) for api, r in brokers.asked if api == FETCH) == len(places)
        assert len([api for api, _ in brokers.asked if api != FETCH]) <= 3, "leaders are asked for together"


async def test_more_partitions_than_a_session_holds(brokers: Brokers, monkeypatch) -> None:
    """They are spread over several, and all are read."""
    monkeypatch.setattr(shared_reader, "SESSION_PARTITIONS", 2)
    for place in (FR, IT, DE):
        brokers.append(place, *values(place, 3))
    async with reading(brokers) as reader:
        inflows = [reader.add(place, 0) for place in (FR, IT, DE)]
        for inflow_, place in zip(inflows, (FR, IT, DE), strict=True):
            assert await taken(inflow_, 3) == values(place, 3)
        assert len(brokers.sessions) == 2


async def a_flood_holds_up_nobody(brokers: Brokers) -> None:
    """A partition from which nobody takes fills its buffer; the others are read, and it goes on where it was."""
    brokers.append(FR, *values(FR, 400))
    async with reading(brokers) as reader:
        flood, other = reader.add(FR, 0), reader.add(IT, 0)
        await until_async(lambda: flood.full, what="a full buffer")
        for round_ in range(5):
            brokers.append(IT, *values(IT, 1, first=round_))
            async with asyncio.timeout(5):
                assert await taken(other, 1) == values(IT, 1, first=round_)
        assert await taken(flood, 400) == values(FR, 400)
        brokers.append(FR, *values(FR, 1, first=400))
        assert await taken(flood, 1) == values(FR, 1, first=400)


async def test_a_flood_holds_up_nobody(brokers: Brokers, monkeypatch) -> None:
    """See above; and what it holds in memory is bounded."""
    monkeypatch.setattr(inflow, "FULL_RECORDS", 20)
    brokers.most = 10
    await a_flood_holds_up_nobody(brokers)


async def test_a_busy_partition_that_falls_silent_goes_back_to_the_others(brokers, monkeypatch) -> None:
    """Short fetches end when there is nothing to fetch."""
    monkeypatch.setattr(inflow, "FULL_RECORDS", 5)
    monkeypatch.setattr(shared_reader, "BUSY_FETCHES", 3)
    brokers.append(FR, *values(FR, 30))
    async with reading(brokers) as reader:
        flood = reader.add(FR, 0)
        assert await taken(flood, 30) == values(FR, 30)
        await until_async(
            lambda: reader._places[FR][1],
            lambda lane: lane is not None and not lane.busy,
            what="a calm session",
        )
        brokers.append(FR, *values(FR, 1, first=30))
        assert await taken(flood, 1) == values(FR, 1, first=30)


async def begins_again_before_what_is_under_way(brokers: Brokers) -> None:
    """A claim that is lost and made again gets the records from its position on, whatever was asked meanwhile."""
    brokers.append(FR, *values(FR, 10))
    async with reading(brokers) as reader:
        first = reader.add(FR, 0)
        await taken(first, 10)
        reader.remove(first)
        again = reader.add(FR, 4)
        brokers.append(FR, *values(FR, 1, first=10))
        async with asyncio.timeout(20):
            assert await taken(again, 7) == values(FR, 7, first=4)


async def test_begins_again_before_what_is_under_way(brokers: Brokers) -> None:
    """See above; many times, since it is a race."""
    for _ in range(5):
        made = Brokers()
        made.lead(0, FR)
        await begins_again_before_what_is_under_way(made)


async def test_what_was_removed_is_read_no_more(brokers: Brokers) -> None:
    """Its buffer gets nothing, and the others go on."""
    async with reading(brokers) as reader:
        gone, other = reader.add(FR, 0), reader.add(IT, 0)
        brokers.append(FR, b"one")
        await taken(gone, 1)
        reader.remove(gone)
        reader.remove(gone)
        brokers.append(FR, b"two")
        brokers.append(IT, b"three")
        assert await taken(other, 1) == [b"three"]
        assert await gone.take(wait_ms=0, most=9) == []
        assert reader._held == 0


async def test_a_leader_that_moved_is_followed(brokers: Brokers) -> None:
    """The partition is read from the new one, from where it was."""
    brokers.append(FR, *values(FR, 2))
    async with reading(brokers) as reader:
        moving, other = reader.add(FR, 0), reader.add(IT, 0)
        await taken(moving, 2)
        brokers.lead(1, FR)
        brokers.append(FR, *values(FR, 2, first=2))
        brokers.append(IT, b"stays")
        assert await taken(other, 1) == [b"stays"]
        assert await taken(moving, 2) == values(FR, 2, first=2)


async def test_a_broker_that_is_away_is_waited_for(brokers: Brokers) -> None:
    """Its partitions go on when it is back, and those of the others meanwhile."""
    brokers.lead(1, FR)
    async with reading(brokers) as reader:
        away, other = reader.add(FR, 0), reader.add(IT, 0)
        await until_async(lambda: len(brokers.sessions) == 2, what="two sessions")
        brokers.down.add(1)
        brokers.append(FR, b"later")
        brokers.append(IT, b"now")
        assert await taken(other, 1) == [b"now"]
        brokers.sessions.clear()  # it forgets them with its memory
        brokers.down.clear()
        assert await taken(away, 1) == [b"later"]


async def test_a_broker_that_keeps_no_session_is_told_everything(brokers: Brokers) -> None:
    """Its cache of sessions is full: it costs more, and works."""
    brokers.keeps_sessions = False
    async with reading(brokers) as reader:
        inflows = {place: reader.add(place, 0) for place in (FR, IT)}
        for place, inflow_ in inflows.items():
            brokers.append(place, *values(place, 3))
            assert await taken(inflow_, 3) == values(place, 3)


async def test_a_position_that_is_gone_becomes_the_beginning(brokers: Brokers) -> None:
    """Retention has removed what nobody had read: reading goes on with what is left."""
    brokers.append(FR, *values(FR, 10))
    brokers.begins[FR] = 6
    async with reading(brokers) as reader:
        assert await taken(reader.add(FR, 0), 4) == values(FR, 4, first=6)


async def test_records_that_cannot_be_read_stop_their_own_partition(brokers: Brokers) -> None:
    """And it goes on when they can be."""
    brokers.append(FR, b"damaged on the way")
    brokers.unreadable.add(FR)
    async with reading(brokers) as reader:
        damaged, other = reader.add(FR, 0), reader.add(IT, 0)
        for number in range(3):
            brokers.append(IT, str(number).encode())
            assert await taken(other, 1) == [str(number).encode()]
        brokers.unreadable.clear()
        assert await taken(damaged, 1) == [b"damaged on the way"]


async def test_memory_is_bounded_over_all(brokers: Brokers, monkeypatch) -> None:
    """Nothing is fetched while all buffers together hold too much; then it goes on."""
    monkeypatch.setattr(shared_reader, "MEMORY_BYTES", 2_000)
    brokers.most = 4
    for place in (FR, IT, DE):
        brokers.append(place, *(b"x" * 300 for _ in range(60)))
    async with reading(brokers) as reader:
        inflows = [reader.add(place, 0) for place in (FR, IT, DE)]
        await until_async(lambda: reader._held >= 2_000, what="a full memory")
        asked = len(brokers.asked)
        await asyncio.sleep(0.1)  # nothing may happen; if something does, the assertion fails sooner or later
        assert len(brokers.asked) <= asked + 1
        assert reader._held <= 2_000 + 3 * 4 * 300
        await asyncio.gather(*(taken(inflow_, 60) for inflow_ in inflows))
        assert reader._held == 0


@pytest.mark.slow
async def test_each_rule_taken_away_is_noticed(brokers: Brokers, monkeypatch) -> None:
    """A promise's own test fails on the mutant."""
    with mutated(Mutant(SharedReader._on_room, dropped("_give_back"))), pytest.raises(AssertionError):
        async with reading(brokers) as reader:
            await what_was_taken_counts_no_more(brokers, reader)
    monkeypatch.setattr(inflow, "FULL_RECORDS", 20)
    with mutated(Mutant(SharedReader._take_in, forced(False, "inflow.full"))), pytest.raises(AssertionError):
        await what_is_not_taken_is_bounded(brokers)


async def what_was_taken_counts_no_more(brokers: Brokers, reader: SharedReader) -> None:
    brokers.append(FR, *values(FR, 10))
    await taken(reader.add(FR, 0), 10)
    assert reader._held == 0


async def test_what_was_taken_counts_no_more(brokers: Brokers) -> None:
    """The bound is over what is held, and not over what was ever fetched."""
    async with reading(brokers) as reader:
        await what_was_taken_counts_no_more(brokers, reader)


async def what_is_not_taken_is_bounded(brokers: Brokers) -> None:
    brokers.most = 10
    brokers.append(FR, *values(FR, 400))
    async with reading(brokers) as reader:
        flood, other = reader.add(FR, 0), reader.add(IT, 0)
        for round_ in range(20):
            brokers.append(IT, *values(IT, 1, first=round_))
            await taken(other, 1)
        assert len(flood._records) <= 20 + 10


async def test_what_is_not_taken_is_bounded(brokers: Brokers, monkeypatch) -> None:
    """A partition from which nobody takes holds no more than a buffer and one answer."""
    monkeypatch.setattr(inflow, "FULL_RECORDS", 20)
    await what_is_not_taken_is_bounded(brokers)
