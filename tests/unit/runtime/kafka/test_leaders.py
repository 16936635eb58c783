"""Who leads a partition: asked once, together, and again after somebody said that it is wrong."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import Unavailable
from runtime.kafka.leaders import Leaders
from tests.unit.runtime.kafka.brokers import METADATA, Brokers

FR, IT = ("outbox.fr", 0), ("outbox.it", 0)


@pytest.fixture
def brokers() -> Brokers:
    made = Brokers()
    made.lead(1, FR, ("outbox.fr", 1))
    made.lead(2, IT)
    return made


async def test_a_topic_is_asked_for_once(brokers: Brokers) -> None:
    """And those that are wanted in the same moment in one request."""
    leaders = Leaders(brokers)
    found = await asyncio.gather(leaders.leader(FR), leaders.leader(IT), leaders.partitions("outbox.fr"))
    assert found == [1, 2, 2]
    assert await leaders.leader(FR) == 1
    assert [request.topics for _, request in brokers.asked] == [["outbox.fr", "outbox.it"]]


async def test_asking_makes_no_topic(brokers: Brokers) -> None:
    """Whatever the cluster's auto.create.topics.enable says."""
    with pytest.raises(Unavailable, match=r"outbox\.nz does not exist"):
        await Leaders(brokers).leader(("outbox.nz", 0))
    ((api, request),) = brokers.asked
    assert api == METADATA
    assert request.allow_auto_topic_creation is False


async def test_what_is_not_there_is_asked_for_again(brokers: Brokers) -> None:
    """Nobody waits for it; and once it is there, it is found."""
    leaders = Leaders(brokers)
    with pytest.raises(Unavailable):
        await leaders.partitions("outbox.nz")
    brokers.lead(1, ("outbox.nz", 0))
    assert await leaders.partitions("outbox.nz") == 1


async def test_one_topic_that_is_missing_spoils_no_other(brokers: Brokers) -> None:
    """Each who asks gets their own answer."""
    leaders = Leaders(brokers)
    missing, known = await asyncio.gather(
        leaders.leader(("outbox.nz", 0)), leaders.leader(FR), return_exceptions=True
    )
    assert isinstance(missing, Unavailable)
    assert known == 1


@pytest.mark.parametrize("place", [FR, ("outbox.fr", 7)])
async def test_a_partition_that_nobody_leads_is_asked_for_again(brokers: Brokers, place) -> None:
    """While one is elected."""
    brokers.leaders[FR] = -1
    leaders = Leaders(brokers)
    with pytest.raises(Unavailable):
        await leaders.leader(place)
    brokers.lead(3, place)
    assert await leaders.leader(place) == 3


async def test_what_was_forgotten_is_asked_for_again(brokers: Brokers) -> None:
    """A broker said that it does not lead: the next question goes to the cluster."""
    leaders = Leaders(brokers)
    assert await leaders.leader(FR) == 1
    brokers.lead(2, FR)
    assert await leaders.leader(FR) == 1
    leaders.forget(["outbox.fr"])
    assert await leaders.leader(FR) == 2


async def test_an_outage_is_told_to_those_who_wait_and_to_nobody_later(brokers: Brokers) -> None:
    """The next question is a question."""
    leaders = Leaders(brokers)
    brokers.down |= {1}
    brokers.get_random_node = lambda: 1
    with pytest.raises(Unavailable):
        await leaders.leader(FR)
    brokers.down.clear()
    assert await leaders.leader(FR) == 1
