"""What a coordinator's answer says of a position: one, none yet, or not known. Those are told apart."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.errors import Unavailable
from runtime.kafka.positions import PositionAnswer, Positions, Unstable
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import unchecked
from tests.unit.runtime.kafka.brokers import OFFSET_FETCH, Brokers

NOT_COORDINATOR, LOADING, UNSTABLE = 16, 14, 88
FR = ("outbox.fr", 0)


def answer(*partitions: tuple[int, int, str | None, int], error: int = 0, topic: str = "outbox.fr") -> Any:
    """A coordinator's answer."""
    rows = [(number, offset, -1, metadata, code, {}) for number, offset, metadata, code in partitions]
    return SimpleNamespace(topics=[(topic, rows, {})] if rows else [], error_code=error)


def test_a_position_and_its_state() -> None:
    """What was committed together is read together."""
    assert PositionAnswer(answer((0, 7, "state", 0))).position(*FR) == (7, "state")
    assert PositionAnswer(answer((0, 0, None, 0))).position(*FR) == (0, "")


def test_nothing_was_committed_yet() -> None:
    """Only an answer that says so about this very partition is one."""
    assert PositionAnswer(answer((0, 9, "", 0), (1, -1, "", 0))).position("outbox.fr", 1) is None


SILENT = {
    "moved": answer(error=NOT_COORDINATOR),
    "loading": answer(error=LOADING),
    "moved, of the partition": answer((0, -1, "", NOT_COORDINATOR)),
    "loading, of the partition": answer((0, -1, "", LOADING)),
    "unstable": answer((0, -1, "", UNSTABLE)),
    "empty": answer(),
    "another partition": answer((1, 5, "", 0)),
    "another topic": answer((0, 5, "", 0), topic="outbox.it"),
}


@pytest.mark.parametrize("silent", SILENT)
def test_a_coordinator_that_cannot_say_is_no_beginning(silent: str) -> None:
    """A coordinator that has just moved answers without positions: to begin anew would deliver everything again."""
    with pytest.raises(Unavailable):
        PositionAnswer(SILENT[silent]).position(*FR)


def test_a_coordinator_that_is_believed_all_the_same_is_noticed() -> None:
    """Without the look at a partition's code, an error is a beginning."""
    mutant = Mutant(PositionAnswer.position, unchecked("code", "_unknown"))
    with mutated(mutant), pytest.raises(pytest.fail.Exception):
        test_a_coordinator_that_cannot_say_is_no_beginning("loading, of the partition")


async def test_those_who_ask_in_the_same_moment_share_a_request() -> None:
    """A router that starts asks for thousands of positions, in few requests; stable ones apart."""
    brokers, places = Brokers(), [(f"outbox.u{number}", 0) for number in range(1_200)]
    for number, place in enumerate(places):
        brokers.positions[place] = [(number, "state", 0)]
    positions = Positions(brokers, "router")
    found = await asyncio.gather(*(positions.read(place, stable=True) for place in places))
    assert found == [(number, "state") for number in range(1_200)]
    assert [request.stable for _, request in brokers.asked] == [True] * 3
    await asyncio.gather(positions.read(places[0], stable=False), positions.read(places[0], stable=True))
    assert sorted(request.stable for _, request in brokers.asked[3:]) == [False, True]


async def test_one_position_that_is_not_known_spoils_no_other() -> None:
    """Each who asks gets their own answer."""
    brokers, it = Brokers(), ("outbox.it", 0)
    brokers.positions |= {FR: [(-1, "", UNSTABLE), (4, "", 0)], it: [(5, "", 0)]}
    positions = Positions(brokers, "router")
    unstable, known = await asyncio.gather(
        positions.read(FR, stable=True), positions.read(it, stable=True), return_exceptions=True
    )
    assert isinstance(unstable, Unstable)
    assert known == (5, "")
    assert await positions.read(FR, stable=True) == (4, "")


async def test_a_coordinator_that_is_away_is_looked_for_again() -> None:
    """Whoever asked is told that it is not known; the next question finds the new one."""
    brokers = Brokers()
    brokers.positions[FR] = [(4, "", 0)]
    positions = Positions(brokers, "router")
    brokers.down.add(0)
    with pytest.raises(Unavailable):
        await positions.read(FR, stable=True)
    brokers.down.clear()
    assert await positions.read(FR, stable=True) == (4, "")
    assert [api for api, _ in brokers.asked] == [OFFSET_FETCH]
