"""Turns: no claim keeps the router's thread, whatever its records are."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from broker.replica import Replica
from broker.router import turns
from broker.router.loop import Router
from broker.router.turns import Turn
from protocol.identifiers import UnitId
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.broker.router.claims import Exhausted, ScriptedClaim, router_of

RECORDS = 40
FR, DE = UnitId("fr"), UnitId("de")


async def let_others_run(world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat has its turn after each record that is parsed, and after each that is decided."""
    monkeypatch.setattr(turns, "TURN", 0.0)
    claim = ScriptedClaim(FR, [[b"garbage"] * RECORDS])
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while not claim.commits:
            beats += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heart())
    with pytest.raises(Exhausted):
        await router_of(world, replica).work(claim)
    await beating
    assert beats >= 2 * RECORDS - 1


async def test_the_heartbeat_beats_while_records_are_parsed_and_decided(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    await let_others_run(world, replica, monkeypatch)


async def test_one_message_does_not_wait_for_anothers_flood(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found as more than a minute behind twelve records of another unit."""
    monkeypatch.setattr(turns, "TURN", 0.0)
    flood, one = (
        ScriptedClaim(FR, [[b"garbage"] * RECORDS]),
        ScriptedClaim(DE, [[world.compose("de", ["it"])]]),
    )
    router = router_of(world, replica)
    behind: list[int] = []

    async def work(claim: ScriptedClaim) -> None:
        with suppress(Exhausted):
            await router.work(claim)
        behind.append(len(flood.commits))

    await asyncio.gather(work(flood), work(one))
    assert (len(one.commits), behind[0]) == (1, 0)


@pytest.mark.parametrize("place", [Router.work, Router._decide])
async def test_giving_way_is_needed(
    place: object, world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = Mutant(place, dropped("turn.give_way"))
    await assert_missed(mutant, let_others_run, (), world=world, replica=replica, monkeypatch=monkeypatch)


async def test_a_turn_that_is_not_over_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving way costs a round of the loop: nobody does after each of a hundred small records."""
    monkeypatch.setattr(turns, "TURN", 3600.0)
    waiting = asyncio.create_task(asyncio.sleep(0))
    turn = Turn()
    for _ in range(100):
        await turn.give_way()
    assert not waiting.done()
    await waiting
