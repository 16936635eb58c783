"""Where partitions begin and end: many are asked for together, and no question is without bound."""

from __future__ import annotations

import pytest

from runtime.errors import Unavailable
from runtime.kafka import offsets
from runtime.kafka.offsets import PartitionBound, bounds_of
from tests.unit.runtime.kafka.brokers import Brokers


async def test_many_are_asked_for_in_a_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five partitions of two brokers, two in a question: three questions, and each its own answer."""
    monkeypatch.setattr(offsets, "MOST_PLACES", 2)
    brokers = Brokers()
    places = [(f"inbox.u{number}", 0) for number in range(5)]
    leaders = {place: int(number > 2) for number, place in enumerate(places)}
    for number, place in enumerate(places):
        brokers.lead(leaders[place], place)
        brokers.append(place, *[b"x"] * (number + 1))
    ends = await bounds_of(brokers, leaders, PartitionBound.END)
    assert ends == {place: number + 1 for number, place in enumerate(places)}
    assert len(brokers.asked) == 3
    assert set((await bounds_of(brokers, leaders, PartitionBound.BEGINNING)).values()) == {0}


async def test_a_broker_that_does_not_lead_it_does_not_know() -> None:
    """`Unavailable`, and no offset that is none."""
    brokers = Brokers()
    brokers.lead(1, ("inbox.fr", 0))
    with pytest.raises(Unavailable, match="error 6"):
        await bounds_of(brokers, {("inbox.fr", 0): 0}, PartitionBound.END)
