"""A router whose own signature nobody would take decides nothing, leaves the group, and comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from broker.replica import Replica
from broker.router import loop
from broker.router.app import readiness, take_part
from broker.router.claims import Work
from broker.router.loop import Router
from protocol.errors import Code
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from runtime.errors import Unavailable
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import unchecked
from tests.sim.world import World
from tests.unit.broker.router.claims import Exhausted, ScriptedClaim, router_of
from tests.waiting import until_async

THREE_YEARS = 3 * 365 * DAY


def submission(world: World) -> bytes:
    return world.seal(world.core("fr", ["it"])).submission


@pytest.mark.parametrize(
    ("off", "fault"),
    [(0, None), (THREE_YEARS, Code.E_KEY_EXPIRED), (-THREE_YEARS, Code.E_KEY_NOT_YET)],
)
async def test_its_clock_tells_whether_its_key_is_valid(
    world: World, replica: Replica, off: int, fault: Code | None
) -> None:
    """Years off, either way, no signature of this router would verify."""
    router = router_of(world, replica)
    world.now = Millis(world.now + off)
    assert router.key_fault() is fault


async def decides_nothing_with_an_ended_key(world: World, replica: Replica) -> None:
    """The claim is lost, with nothing committed: another router, or this one later, decides."""
    claim = ScriptedClaim(UnitId("fr"), [[submission(world)]])
    world.now = Millis(world.now + THREE_YEARS)
    with contextlib.suppress(Unavailable, Exhausted):
        await router_of(world, replica).work(claim)
    assert claim.commits == []


async def test_it_decides_nothing_with_an_ended_key(world: World, replica: Replica) -> None:
    """As it says; without the check it would decide."""
    await decides_nothing_with_an_ended_key(world, replica)
    with mutated(Mutant(Router.check_fit, unchecked("fault"))), pytest.raises(AssertionError):
        await decides_nothing_with_an_ended_key(World(), replica)


class Group:
    """Takes part when it is told to. Stands for broker.router.outboxes.KafkaOutboxes."""

    def __init__(self) -> None:
        self.joined = False
        self.unassigned_for = 0.0
        self.claimed: set[object] = set()
        self.times = 0

    async def run(self, _: Work, *, after: Callable[[], Awaitable[None]]) -> None:
        """Join after what there is to wait for."""
        await after()
        self.joined, self.times = True, self.times + 1
        try:
            await asyncio.Event().wait()
        finally:
            self.joined = False


async def test_it_leaves_the_group_and_comes_back(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its clock is years off, others have its share, and /readyz says why; then it joins anew."""
    monkeypatch.setattr(loop, "LOOK_AT_KEY", 0.001)
    router, group, right = router_of(world, replica), Group(), world.now
    taking_part = asyncio.create_task(take_part(router, group))  # type: ignore[arg-type]
    try:
        await until_async(lambda: group.joined, what="the router to join")
        assert readiness(router, group)["appointed"] == {"ok": True}  # type: ignore[arg-type]
        world.now = Millis(right - THREE_YEARS)
        await until_async(lambda: not group.joined, what="the router to leave")
        assert readiness(router, group)["appointed"] == {"ok": False, "code": "E_KEY_NOT_YET"}  # type: ignore[arg-type]
        world.now = right
        await until_async(lambda: group.joined, what="the router to come back")
        assert group.times == 2
    finally:
        taking_part.cancel()
        await asyncio.wait([taking_part])
    assert not group.joined
