"""Where thousands of partitions end: a few requests, and no end that nobody said."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import Unavailable
from runtime.kafka.topic_ends import topic_ends
from tests.unit.runtime.kafka.brokers import LIST_OFFSETS, METADATA, Brokers


async def test_thousands_are_asked_for_in_a_few_requests() -> None:
    """Each of its leader; a partition whose first records were deleted ends where it did."""
    brokers, places = Brokers(), [(f"outbox.u{number}", number % 2) for number in range(2_400)]
    for number, place in enumerate(places):
        brokers.lead(number % 3, place)
        brokers.append(place, *[b"x"] * (number % 4))
    brokers.begins[places[3]] = 5
    found = await topic_ends(brokers, [*places, places[0]])  # type: ignore[arg-type]
    assert list(found) == places
    assert (found[places[2]], found[places[3]], found[places[4]]) == (2, 8, 0)
    kinds = [kind for kind, _ in brokers.asked]
    assert (kinds.count(METADATA), kinds.count(LIST_OFFSETS)) == (5, 3)


async def test_none_is_asked_for_nothing() -> None:
    """A look at nothing costs nothing."""
    brokers = Brokers()
    assert await topic_ends(brokers, []) == {}  # type: ignore[arg-type]
    assert brokers.asked == []


async def test_an_end_that_is_not_known_is_no_end() -> None:
    """A topic that is not there, and a leader that has just moved: to take either for 0 would hide what waits."""
    brokers, place = Brokers(), ("outbox.fr", 0)
    with pytest.raises(Unavailable):
        await topic_ends(brokers, [place])  # type: ignore[arg-type]
    brokers.lead(0, place)
    brokers.asked.clear()
    asking = asyncio.create_task(topic_ends(brokers, [place]))  # type: ignore[arg-type]
    while not brokers.asked:
        await asyncio.sleep(0)
    brokers.lead(1, place)
    with pytest.raises(Unavailable, match="error 6"):
        await asking
