"""A router whose clock most others contradict decides nothing, leaves the group, says so, and comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from broker.replica import Replica
from broker.router import loop
from broker.router.app import readiness, take_part
from broker.router.ledger_feed import LedgerFeed
from broker.router.loop import Router
from broker.router.metrics import RouterMetrics
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY, HOUR, MINUTE, SECOND
from protocol.tlog.policy import Policy
from protocol.trail.batches import verify_decisions
from runtime.errors import Unavailable
from runtime.kafka.broker_time import NoTimeTold, TimeFeed
from runtime.process.clock import KAFKA, ClockCheck
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, instead, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.one_log import NOW, WITNESSES, SimLog, leaves, note_key
from tests.sim.world import World
from tests.unit.broker.ledger.rig import MemoryTopics
from tests.unit.broker.router.claims import Exhausted, ScriptedClaim, router_of
from tests.unit.broker.router.published import POLICY
from tests.unit.broker.router.test_key_validity import Group, submission
from tests.waiting import until_async


class Clock:
    """A router's own clock beside the world's, and the check that was told Kafka's time."""

    def __init__(self, world: World, off: int = 0) -> None:
        self.world = world
        self.off = off
        self.check = ClockCheck(self, lambda: world.now / 1000)
        self.check.answered(KAFKA, world.now, since=self.check.moment())

    def __call__(self) -> Millis:
        return Millis(self.world.now + self.off)


def router_with(world: World, replica: Replica, clock: Clock) -> Router:
    """A router with a clock of its own."""
    made = router_of(world, replica, times=clock.check)
    return Router(
        name=made.name,
        signer=made.signer,
        replica=replica,
        metrics=made.metrics,
        clock=clock,
        entropy=world.entropy,
        times=clock.check,
    )


OFF = [30 * MINUTE, 2 * HOUR, 40 * DAY, 300 * DAY, -30 * MINUTE, -10 * DAY, -3 * 365 * DAY, 5 * 365 * DAY]


@pytest.mark.parametrize("off", OFF)
async def test_it_decides_nothing_by_a_wrong_clock(world: World, replica: Replica, off: int) -> None:
    """Its key may be valid at that time: the claim is lost all the same, and nothing is committed."""
    claim = ScriptedClaim(UnitId("fr"), [[submission(world)]])
    with contextlib.suppress(Unavailable, Exhausted):
        await router_with(world, replica, Clock(world, off)).work(claim)
    assert claim.commits == []


async def test_what_it_did_not_decide_is_decided_by_a_right_one(world: World, replica: Replica) -> None:
    """The same record, once, with a time that everybody takes."""
    sent = submission(world)
    clock = Clock(world, 40 * DAY)
    router = router_with(world, replica, clock)
    for off in (40 * DAY, 0):
        clock.off = off
        claim = ScriptedClaim(UnitId("fr"), [[sent]])
        with contextlib.suppress(Unavailable, Exhausted):
            await router.work(claim)
    [commit] = claim.commits
    [batch] = commit.to("receipts.fr")
    [record] = verify_decisions(batch, parties=world.directory).records
    assert (record.type.name, record.t) == ("ACCEPTED", world.now)
    assert len(commit.to("inbox.it")) == 1


async def test_the_time_that_was_checked_is_the_one_that_is_signed(world: World, replica: Replica) -> None:
    """A clock that is set between the look at it and the decision: nothing bears its time unlooked at."""
    clock, readings = Clock(world), iter([0, *[40 * DAY] * 20])

    def jumping() -> Millis:
        return Millis(world.now + next(readings))

    router = Router(
        name="router",
        signer=world.router,
        replica=replica,
        metrics=RouterMetrics.create(),
        clock=jumping,
        entropy=world.entropy,
        times=clock.check,
    )
    claim = ScriptedClaim(UnitId("fr"), [[submission(world)]])
    with contextlib.suppress(Unavailable, Exhausted):
        await router.work(claim)
    for commit in claim.commits:
        [batch] = commit.to("receipts.fr")
        assert verify_decisions(batch, parties=world.directory).batch.t == world.now


async def test_it_leaves_the_group_and_comes_back(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its clock jumps by hours others have its share, and /readyz says by how much; then it joins anew."""
    monkeypatch.setattr(loop, "LOOK_AT_KEY", 0.001)
    clock, group = Clock(world), Group()
    router = router_with(world, replica, clock)
    taking_part = asyncio.create_task(take_part(router, group))  # type: ignore[arg-type]
    try:
        await until_async(lambda: group.joined, what="the router to join")
        assert readiness(router, group)["clock"] == {"ok": True, "compared_with": [KAFKA]}  # type: ignore[arg-type]
        clock.off = 2 * HOUR
        await until_async(lambda: not group.joined, what="the router to leave")
        told = readiness(router, group)["clock"]  # type: ignore[arg-type]
        assert told["ok"] is False
        assert abs(told["ahead_seconds"] - 7200) <= 1
        assert told["by"] == [KAFKA]
        clock.off = 0
        await until_async(lambda: group.joined, what="the router to come back")
        assert group.times == 2
    finally:
        taking_part.cancel()
        await asyncio.wait([taking_part])


async def test_a_clock_that_jumps_dismisses_it(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next look, whoever is or is not asked meanwhile."""
    monkeypatch.setattr(loop, "LOOK_AT_KEY", 0.0)
    clock = Clock(world)
    leaving = asyncio.create_task(router_with(world, replica, clock).dismissed())
    try:
        await turns()
        assert not leaving.done()
        clock.off = 30 * DAY
        await turns()
        assert leaving.done()
    finally:
        leaving.cancel()
        await asyncio.wait([leaving])


async def turns() -> None:
    """Let whatever is ready run."""
    for _ in range(50):
        await asyncio.sleep(0)


class Source:
    """Kafka's time, as a test tells it."""

    def __init__(self, *answers: Millis | Exception) -> None:
        self.answers = list(answers)
        self.closed = False

    async def ask(self) -> Millis:
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True


async def test_it_does_not_join_before_it_has_compared(world: World, replica: Replica) -> None:
    """A router that starts with a wrong clock would decide by it until it hears the first other one."""
    clock, group = Clock(world, 2 * HOUR), Group()
    clock.check = ClockCheck(clock, lambda: world.now / 1000)
    router = router_with(world, replica, clock)
    feed = TimeFeed(Source(world.now), clock.check)
    taking_part = asyncio.create_task(take_part(router, group, compared=feed.compared))  # type: ignore[arg-type]
    try:
        await turns()
        assert not group.joined
        await feed.ask()
        await turns()
        assert not group.joined
    finally:
        taking_part.cancel()
        await asyncio.wait([taking_part])


async def test_kafka_that_does_not_tell_its_time_stops_nobody(world: World) -> None:
    """It is too old, or does not let this process ask: as before there is nothing to compare with."""
    check = ClockCheck(lambda: world.now, lambda: world.now / 1000)
    feed = TimeFeed(Source(Unavailable("no leader"), NoTimeTold("too old")), check)
    await feed.ask()
    waiting = asyncio.create_task(feed.compared())
    await asyncio.sleep(0)
    assert not waiting.done()  # one that is not there yet is waited for
    await feed.ask()
    await waiting
    assert check.fault() is None


def test_the_ledger_and_its_witnesses_are_heard() -> None:
    """One voice for all logs of the ledger, and one for all keys of a witness, each verified."""
    check = ClockCheck(lambda: Millis(NOW * SECOND), lambda: 0.0)
    feed = LedgerFeed(MemoryTopics(), POLICY, RouterMetrics.create(), times=check)
    log = SimLog().add(leaves(10))
    for value in log.publish():
        feed.take(value)
    assert check.sources == ("ledger", *WITNESSES)
    assert check.at_least(parties=3) == NOW * SECOND

    forged = ClockCheck(lambda: Millis(0), lambda: 0.0)
    feed = LedgerFeed(MemoryTopics(), POLICY, RouterMetrics.create(), times=forged)
    for value in SimLog().add(leaves(10)).publish(key=note_key("somebody")):
        feed.take(value)
    assert forged.sources == ()


def test_a_witness_with_a_wrong_clock_stops_no_router() -> None:
    """Kafka tells no time, one of three signers is ahead, and nothing is published after it was set right."""
    check = ClockCheck(lambda: Millis(NOW * SECOND), lambda: 0.0)
    feed = LedgerFeed(MemoryTopics(), POLICY, RouterMetrics.create(), times=check)
    log = SimLog(clocks={WITNESSES[0]: 31 * DAY // SECOND}).add(leaves(10))
    for value in log.publish():
        feed.take(value)
    assert check.fault() is None
    log.clocks = dict.fromkeys(WITNESSES, 31 * DAY // SECOND)
    for value in log.add(leaves(1, first=10)).publish():
        feed.take(value)
    assert check.fault() is not None  # two of three: then it may be this clock


MUTANTS = {
    "one signer is believed": (
        Mutant(Policy.borne_out, instead("return found", "sorted")),
        test_a_witness_with_a_wrong_clock_stops_no_router,
        (),
    ),
    "it decides all the same": (
        Mutant(Router.check_fit, unchecked("wrong")),
        test_it_decides_nothing_by_a_wrong_clock,
        (2 * HOUR,),
    ),
    "another reading is signed": (
        Mutant(Router._route, dropped("self.check_fit(now)")),
        test_it_decides_nothing_by_a_wrong_clock,
        (40 * DAY,),
    ),
    "it stays in the group": (
        Mutant(Router._unfit, unchecked("wrong")),
        test_a_clock_that_jumps_dismisses_it,
        (),
    ),
    "it joins unseen": (
        Mutant(take_part, dropped("compared")),
        test_it_does_not_join_before_it_has_compared,
        (),
    ),
    "what is signed was not looked at": (
        Mutant(Router._route, instead("self.check_fit(now)\nnow = self.clock()", "self.check_fit(now)")),
        test_the_time_that_was_checked_is_the_one_that_is_signed,
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(
    mutant: str, world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise, given = MUTANTS[mutant]
    await assert_missed(changed, promise, given, world=world, replica=replica, monkeypatch=monkeypatch)
