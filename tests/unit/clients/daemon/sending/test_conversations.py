"""Order within a conversation, and receipts that travel together."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.daemon.sending import acknowledgements
from protocol.epochs import bounds, epoch_of
from protocol.identifiers import Millis, UnitId
from protocol.limits import HOUR
from tests.sim.world import NOON, World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump


def units(world: World, tmp_path: Path) -> tuple[UnitFixture, UnitFixture]:
    """Spain and Portugal, who know each other."""
    es, pt = (UnitFixture(world, UnitId(unit), tmp_path / unit) for unit in ("es", "pt"))
    es.learn()
    return es, pt


def received(unit: UnitFixture) -> list[bytes]:
    """The ids of what a unit received from officers, in the order of arrival."""
    return [message_id for (message_id,) in unit.rows("SELECT mid FROM inbox WHERE kind <> 5 ORDER BY id")]


@pytest.fixture
def late(tmp_path: Path) -> tuple[World, UnitFixture, UnitFixture]:
    """An hour before the epoch ends."""
    world = World(now=Millis(bounds(epoch_of(NOON))[1] - HOUR))
    return world, *units(world, tmp_path)


def test_a_message_that_must_be_sealed_again_is_not_overtaken(
    late: tuple[World, UnitFixture, UnitFixture],
) -> None:
    """The first message is refused for its old epoch key; the second of its conversation still comes second."""
    world, es, pt = late
    first = es.submit("pt")
    es.post()
    world.now = Millis(world.now + 26 * HOUR)
    second = es.submit("pt", thread=first.thread)
    pump(world, es, pt, rounds=4)

    order = [f"{value.hex()}" for value in received(pt)]
    assert order == [first.id.replace("-", ""), second.id.replace("-", "")]
    assert es.rows("SELECT sealed_times FROM outbox ORDER BY id") == [(2,), (1,)]


def test_another_conversation_does_not_wait(late: tuple[World, UnitFixture, UnitFixture]) -> None:
    """What is undecided holds up its own conversation only."""
    _, es, _ = late
    first = es.submit("pt")
    assert es.submit("pt", thread=first.thread).state == "queued"
    assert es.submit("pt").state == "sealed"


def test_a_conversation_goes_on_after_a_refusal(late: tuple[World, UnitFixture, UnitFixture]) -> None:
    """A message that is refused for good does not block what waits behind it."""
    world, es, pt = late
    first = es.submit("nz", basis="working-arrangement", data_class="personal")
    second = es.submit("pt", thread=first.thread)
    pump(world, es, pt)

    assert (es.state(first.id), es.state(second.id)) == ("refused", "accepted")


def test_receipts_travel_together(late: tuple[World, UnitFixture, UnitFixture]) -> None:
    """One acknowledgement speaks of all that came from a sender, and each message counts as acknowledged."""
    world, es, pt = late
    for _ in range(5):
        es.submit("pt")
    pump(world, es, pt, rounds=1)
    acknowledgements.seal_receipts(pt.context)
    pump(world, pt, es, rounds=1)

    assert pt.rows("SELECT count(*) FROM outbox") == [(1,)]
    assert es.rows("SELECT count(*) FROM acknowledgements") == [(5,)]


def test_a_receipt_that_must_be_sealed_again_says_the_same(
    late: tuple[World, UnitFixture, UnitFixture],
) -> None:
    """A receipt refused for an old key is made again from the deliveries that it is for."""
    world, es, pt = late
    for _ in range(3):
        es.submit("pt")
    pump(world, es, pt, rounds=1)
    acknowledgements.seal_receipts(pt.context)
    pt.post()
    world.now = Millis(world.now + 26 * HOUR)
    pump(world, pt, es, rounds=3)

    assert pt.rows("SELECT sealed_times, state FROM outbox") == [(2, "accepted")]
    assert es.rows("SELECT count(*) FROM acknowledgements") == [(3,)]
