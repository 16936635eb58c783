"""A router refuses what a unit signs whose key rests, and takes it afterwards."""

from __future__ import annotations

from keys.appointments import line
from protocol.identifiers import Millis
from protocol.limits import HOUR, MINUTE
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning
from tests.mutants.promises import assert_missed
from tests.sim.slow_world import SlowWorld


def test_a_router_refuses_a_unit_that_rests() -> None:
    """From the first moment to the last one; then the same unit sends and receives."""
    world = SlowWorld()
    assert world.send("fr", ["it"]) == []
    assert world.send("xx", ["it"]) == ["E_KEY_NOT_YET"]
    world.now = Millis(world.now + HOUR - MINUTE)
    assert world.send("xx", ["it"]) == ["E_KEY_NOT_YET"]
    world.now = Millis(world.now + MINUTE)
    world.publish_epochs("xx")
    assert world.send("xx", ["it"]) == []
    assert world.send("it", ["xx"]) == []


async def test_without_the_rule_it_would_be_taken() -> None:
    await assert_missed(Mutant(line._rested, returning("key")), test_a_router_refuses_a_unit_that_rests)
