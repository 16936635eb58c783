"""A unit whose key rests: it waits without a wrong word, states nothing, and goes on by itself when its key counts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from clients.daemon.api.status import _key_check
from clients.daemon.directory.statements import seconds_to_upkeep, upkeep
from clients.daemon.sending import waiting
from clients.daemon.sending.clock_waits import clock_state
from keys.unit_keys import UnitKeys
from protocol.errors import Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import HOUR, SECOND
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, returning, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.slow_world import SlowWorld
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump

LONGEST = 9_000.0


@pytest.fixture
def slow() -> SlowWorld:
    return SlowWorld()


@pytest.fixture
def young(slow: SlowWorld, tmp_path: Path) -> UnitFixture:
    return UnitFixture(slow, UnitId("es"), tmp_path / "es")


def publish(world: SlowWorld, unit: UnitFixture) -> int:
    """How many of its statements the directory takes."""
    taken = 0
    for statement in upkeep(unit.context):
        with suppress(Rejected):
            world.directory.apply(statement)
            taken += 1
    unit.learn()
    return taken


def states(unit: UnitFixture) -> list[str]:
    return [state for (state,) in unit.rows("SELECT state FROM outbox ORDER BY id")]


def test_it_states_nothing_before_and_its_week_keys_at_once_afterwards(
    slow: SlowWorld, young: UnitFixture
) -> None:
    """What was signed with the request would be refused for ever: it is signed again."""
    assert publish(slow, young) == 0
    assert seconds_to_upkeep(young.context, LONGEST) == HOUR / SECOND + 1, "it wakes when the key counts"
    slow.now = Millis(slow.now + HOUR)
    assert publish(slow, young) == 3
    assert publish(slow, young) == 0
    assert seconds_to_upkeep(young.context, LONGEST) == LONGEST


def test_what_is_handed_in_before_goes_out_afterwards(slow: SlowWorld, young: UnitFixture) -> None:
    """Nothing is refused, and no clock is blamed."""
    young.submit("it")
    waiting.seal_queued(young.context)
    pump(slow, young)
    assert states(young) == ["queued"]
    assert clock_state(young.context).is_right
    assert _key_check(young.context) == {
        "ok": False, "rests_until": slow.now + HOUR, "hint": "the root asks for a cooling-off time",
    }  # fmt: skip
    slow.now = Millis(slow.now + HOUR)
    publish(slow, young)
    young.monotonic.seconds += 400
    waiting.seal_queued(young.context)
    pump(slow, young)
    assert states(young) == ["accepted"]
    assert _key_check(young.context)["ok"]


MUTANTS = [
    (
        Mutant(UnitKeys._ensure_epoch, rewritten("stated.issued < mine.not_before", "False")),
        test_it_states_nothing_before_and_its_week_keys_at_once_afterwards,
    ),
    (
        Mutant(seconds_to_upkeep, returning("longest")),
        test_it_states_nothing_before_and_its_week_keys_at_once_afterwards,
    ),
    (
        Mutant(clock_state, forced(False, "context.rests_until")),
        test_what_is_handed_in_before_goes_out_afterwards,
    ),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_each_part_is_needed(number: int, slow: SlowWorld, young: UnitFixture) -> None:
    mutant, promise = MUTANTS[number]
    await assert_missed(mutant, promise, slow=slow, young=young)
