"""The feeds of a process share a fetch session: each in order and whole, at nobody's cost, and some with pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.errors import Unavailable
from runtime.kafka import feed_fetching
from runtime.kafka.feed_fetching import Feed, FeedFetcher
from runtime.kafka.ports import Place
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, unchecked
from tests.unit.runtime.kafka.brokers import FETCH, Brokers
from tests.waiting import GENEROUS, until_async

INBOX, RECEIPTS, DIRECTORY = ("inbox.fr", 0), ("receipts.fr", 0), ("directory", 0)


@pytest.fixture
def brokers() -> Brokers:
    made = Brokers()
    made.lead(0, INBOX, RECEIPTS, DIRECTORY)
    return made


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds begin, and a session's errors pass, at once."""
    monkeypatch.setattr(feed_fetching, "BEGINNING", 0.0)
    monkeypatch.setattr(feed_fetching, "PAUSE", 0.0)
    monkeypatch.setattr(feed_fetching, "LONG_WAIT_MS", 400)


@asynccontextmanager
async def fetching(brokers: Brokers) -> AsyncIterator[FeedFetcher]:
    fetcher = FeedFetcher(brokers)
    try:
        yield fetcher
    finally:
        await fetcher.close()


def values(place: Place, count: int, *, first: int = 0) -> list[bytes]:
    return [f"{place} {number}".encode() for number in range(first, first + count)]


async def taken(feed: Feed, count: int, *, at: int = 0, most: int = 7) -> list[bytes]:
    """So many records by small helpings, each with the position that it leads to."""
    found: list[bytes] = []
    while len(found) < count:
        helping = await feed.take(within=GENEROUS, most=most)
        assert helping is not None, f"{len(found)} of {count} came"
        records, position = helping
        assert [one.offset for one in records] == list(range(at, at + len(records)))
        at += len(records)
        assert position == at
        found += [one.value for one in records]
    return found


def fetches(brokers: Brokers) -> list:
    return [request for api, request in brokers.asked if api == FETCH]


async def test_feeds_share_one_session_and_an_idle_fetch_names_nobody(brokers: Brokers) -> None:
    """What comes in one is there at once, though the others have nothing; then a fetch waits long."""
    async with fetching(brokers) as fetcher:
        feeds = {place: fetcher.add(place, 0, leader=0) for place in (INBOX, RECEIPTS, DIRECTORY)}
        for place, feed in feeds.items():
            brokers.append(place, *values(place, 20))
            assert await taken(feed, 20) == values(place, 20)
        last = await until_async(
            lambda: fetches(brokers)[-1], lambda one: not one.topics[1:], what="an idle fetch"
        )
        assert last.max_wait_time == feed_fetching.LONG_WAIT_MS
        assert len(brokers.sessions) == 1


async def test_what_nobody_takes_is_bounded_and_holds_up_nobody(brokers: Brokers, monkeypatch) -> None:
    """See below."""
    monkeypatch.setattr(feed_fetching, "ENOUGH_RECORDS", 20)
    await what_nobody_takes_is_bounded(brokers)


async def what_nobody_takes_is_bounded(brokers: Brokers) -> None:
    """One that is not taken from keeps a helping and one answer; the other is read; then all of it comes."""
    brokers.most = 10
    brokers.append(INBOX, *values(INBOX, 300))
    async with fetching(brokers) as fetcher:
        flood, other = fetcher.add(INBOX, 0, leader=0), fetcher.add(RECEIPTS, 0, leader=0)
        for number in range(20):
            brokers.append(RECEIPTS, *values(RECEIPTS, 1, first=number))
            async with asyncio.timeout(GENEROUS):
                assert await taken(other, 1, at=number) == values(RECEIPTS, 1, first=number)
        assert flood._records <= 30
        assert await taken(flood, 300) == values(INBOX, 300)


async def pauses_come_together(brokers: Brokers) -> None:
    """Behind what it brought a feed is left out for its pause: what came meanwhile comes in one answer."""
    async with fetching(brokers) as fetcher:
        feed = fetcher.add(RECEIPTS, 0, leader=0, spacing=lambda: 0.2)
        other = fetcher.add(INBOX, 0, leader=0)
        brokers.append(RECEIPTS, *values(RECEIPTS, 1))
        await taken(feed, 1)
        for number in range(1, 6):
            brokers.append(RECEIPTS, *values(RECEIPTS, 1, first=number))
            brokers.append(INBOX, *values(INBOX, 1, first=number - 1))
            # The other is read meanwhile.
            await taken(other, 1, at=number - 1)
        await until_async(lambda: feed._records, lambda count: count == 5, what="all of them")
        assert len(feed._found) == 1, "in one answer"
        assert await taken(feed, 5, at=1) == values(RECEIPTS, 5, first=1)


async def test_a_feed_with_a_pause_brings_what_came_meanwhile_together(brokers: Brokers) -> None:
    """See above; and no fetch waits beyond the pause's end."""
    await pauses_come_together(brokers)
    assert any(one.max_wait_time <= 200 for one in fetches(brokers))


async def test_a_lone_feed_with_a_pause_is_fetched_for_again(brokers: Brokers) -> None:
    """Where nothing else is read meanwhile, nobody is asked for nothing."""
    async with fetching(brokers) as fetcher:
        feed = fetcher.add(RECEIPTS, 0, leader=0, spacing=lambda: 0.05)
        for number in range(4):
            brokers.append(RECEIPTS, *values(RECEIPTS, 1, first=number))
            assert await taken(feed, 1, at=number) == values(RECEIPTS, 1, first=number)
        assert len(fetches(brokers)) <= 9


async def test_a_fault_ends_its_own_feed_once_everything_before_is_taken(brokers: Brokers) -> None:
    """A leader that moved, records that are none: `Unavailable` for that one, and the other goes on."""
    brokers.append(INBOX, *values(INBOX, 2))
    async with fetching(brokers) as fetcher:
        moving, damaged, other = (fetcher.add(p, 0, leader=0) for p in (INBOX, DIRECTORY, RECEIPTS))
        await until_async(lambda: moving._records, what="the records before")
        brokers.lead(1, INBOX)
        brokers.unreadable.add(DIRECTORY)
        brokers.append(DIRECTORY, b"damaged on the way")
        with pytest.raises(Unavailable):
            await damaged.take(within=GENEROUS, most=9)
        assert await taken(moving, 2) == values(INBOX, 2)
        with pytest.raises(Unavailable):
            await moving.take(within=GENEROUS, most=9)
        brokers.append(RECEIPTS, b"goes on")
        assert await taken(other, 1) == [b"goes on"]


async def test_a_broker_that_is_away_ends_all_its_feeds(brokers: Brokers) -> None:
    """Begun again when it is back they go on, in a session of their own."""
    async with fetching(brokers) as fetcher:
        feeds = [fetcher.add(place, 0, leader=0) for place in (INBOX, RECEIPTS)]
        await until_async(lambda: brokers.sessions, what="a session")
        brokers.down.add(0)
        for feed in feeds:
            with pytest.raises(Unavailable):
                await feed.take(within=GENEROUS, most=9)
            fetcher.remove(feed)
        brokers.append(INBOX, b"later")
        brokers.down.clear()
        brokers.sessions.clear()
        assert await taken(fetcher.add(INBOX, 0, leader=0), 1) == [b"later"]


async def begins_again_elsewhere(brokers: Brokers) -> None:
    """A feed that ends and begins again before what is under way gets all from its position on."""
    brokers.append(INBOX, *values(INBOX, 10))
    async with fetching(brokers) as fetcher:
        first = fetcher.add(INBOX, 0, leader=0)
        await taken(first, 10)
        fetcher.remove(first)
        again = fetcher.add(INBOX, 4, leader=0)
        brokers.append(INBOX, b"last")
        assert await taken(again, 7, at=4) == [*values(INBOX, 6, first=4), b"last"]


async def test_a_feed_begins_again_where_it_is_told_to(brokers: Brokers) -> None:
    """See above."""
    await begins_again_elsewhere(brokers)


async def test_nothing_comes_for_a_while(brokers: Brokers) -> None:
    """None, and what comes later is not lost."""
    async with fetching(brokers) as fetcher:
        feed = fetcher.add(INBOX, 0, leader=0)
        assert await feed.take(within=0.01, most=9) is None
        brokers.append(INBOX, b"late")
        assert await taken(feed, 1) == [b"late"]


async def test_each_rule_taken_away_is_noticed(brokers: Brokers, monkeypatch) -> None:
    """The bound, and the pause: their tests fail on the mutants."""
    monkeypatch.setattr(feed_fetching, "ENOUGH_RECORDS", 20)
    unbounded = Mutant(FeedFetcher._take_in, forced(False, "feed.holds_enough"))
    with mutated(unbounded), pytest.raises(AssertionError):
        await what_nobody_takes_is_bounded(brokers)
    other = Brokers()
    other.lead(0, INBOX, RECEIPTS, DIRECTORY)
    restless = Mutant(FeedFetcher._take_in, unchecked("feed.spacing"))
    with mutated(restless), pytest.raises(AssertionError):
        await pauses_come_together(other)
    third = Brokers()
    third.lead(0, INBOX, RECEIPTS, DIRECTORY)
    deaf = Mutant(Feed.take, dropped("self._on_room"))
    third.most = 10
    with mutated(deaf), pytest.raises((AssertionError, TimeoutError)):
        async with asyncio.timeout(2):
            await what_nobody_takes_is_bounded(third)
