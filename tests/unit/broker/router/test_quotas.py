"""A unit that asks for more than its quota is told to wait, and whoever fills an outbox with refusals waits alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from broker.replica import Replica
from broker.router import loop
from broker.router.loop import Router
from broker.router.step import Budget, DecidedRecord, Step, StepOutcome, parse_input
from keys.statement_types import QuotaChange
from protocol import topics
from protocol.envelope.quotas import DEFAULT_QUOTA, Quota, Use
from protocol.envelope.replay import ReplayState
from protocol.errors import Code
from protocol.identifiers import UnitId
from protocol.limits import HOUR, MINUTE
from protocol.trail.batches import Reason, RecordType, verify_decisions
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.steps import run_step
from tests.sim.world import World
from tests.unit.broker.router.claims import Exhausted, ScriptedClaim, current_replica, router_of
from tests.waiting import until_async

FR, IT = UnitId("fr"), UnitId("it")
TWO = replace(DEFAULT_QUOTA, messages=2)
THREE = replace(DEFAULT_QUOTA, messages=3)


def run(
    world: World,
    *values: bytes,
    quota: Quota,
    use: Use | None = None,
    at: int = 0,
    state: ReplayState | None = None,
) -> StepOutcome:
    """One step over records that Kafka took now, by this quota."""
    parsed = [parse_input(InputRecord(n, world.now + at, value)) for n, value in enumerate(values)]
    context = replace(world.desk("fr"), quota=quota)
    return run_step(parsed, state=state or ReplayState(), context=context, budget=Budget(), use=use)


def test_what_is_over_the_quota_is_refused_signed_with_the_time_to_wait(world: World) -> None:
    """Two a minute: the third is in the audit trail and the receipts, with its header, and goes to nobody."""
    done = run(world, *(world.compose("fr", ["it"]) for _ in range(3)), quota=TWO)
    decisions = next(out.value for out in done.outputs if out.topic == topics.receipts(FR))
    first, second, third = verify_decisions(decisions, parties=world.directory).records
    assert [first.type, second.type, third.type] == [RecordType.ACCEPTED] * 2 + [RecordType.REJECTED]
    assert third.reasons == (Reason(Code.E_QUOTA, FR, 30),)
    assert third.header is not None
    assert sum(out.topic == topics.inbox(IT) for out in done.outputs) == 2
    assert not any(out.topic == topics.QUARANTINE for out in done.outputs)


def test_what_waited_as_long_as_was_said_is_accepted(world: World) -> None:
    """The use goes with the state from step to step."""
    use = run(world, *(world.compose("fr", ["it"]) for _ in range(3)), quota=TWO).use
    again = run(world, world.compose("fr", ["it"]), quota=TWO, use=use)
    assert [one.record.type for one in again.decided] == [RecordType.REJECTED]
    world.now += 30_000
    later = run(world, world.compose("fr", ["it"]), quota=TWO, use=use)
    assert [one.record.type for one in later.decided] == [RecordType.ACCEPTED]


def test_only_what_would_be_delivered_counts(world: World) -> None:
    """What breaks a rule, and what comes twice, leave the messages of a quota alone, and are no refusals of it."""
    good = world.compose("fr", ["it"])
    refused = [world.compose("fr", ["nz"]) for _ in range(4)]
    quota, last = replace(TWO, messages=10, refusals=1), world.compose("fr", ["it"])
    done = run(world, good, *[good] * 4, *refused, last, quota=quota)
    assert [one.record.type for one in done.decided] == [
        RecordType.ACCEPTED, *[RecordType.DUPLICATE] * 4, *[RecordType.REJECTED] * 4, RecordType.ACCEPTED,
    ]  # fmt: skip
    assert done.use.refusals == 0
    assert done.use.messages == run(world, good, last, quota=quota).use.messages


@pytest.mark.parametrize("what", ["twice", "against a rule"])
def test_a_step_ends_where_as_many_were_answered_as_messages_are_allowed(world: World, what: str) -> None:
    """What comes twice, or breaks a rule, makes no more leaves than messages would; it waits, and is not refused."""
    good = world.compose("fr", ["it"])
    values = [good] * 10 if what == "twice" else [world.compose("fr", ["nz"]) for _ in range(10)]
    state = ReplayState()
    done = run(world, good, *values, quota=THREE, state=state)
    answered = [one for one in done.decided if one.submission is None]
    assert len(answered) == 4
    assert not any(one.is_charged for one in answered)
    assert done.position == len(done.decided) < len(values)
    assert done.use.pause(now=world.now, quota=THREE) == 20
    world.now += 20_000
    assert done.use.pause(now=world.now, quota=THREE) == 0


async def test_an_outbox_full_of_what_comes_twice_waits_and_is_refused_nothing(world: World) -> None:
    """The message behind it is delivered once there is room."""
    _quota(world, THREE)
    async with current_replica(world) as replica:
        router, good = router_of(world, replica), world.compose("fr", ["it"])
        claim = ScriptedClaim(FR, [[good] * 8])
        task = await _worked(router, claim)
        try:
            await until_async(lambda: _paused(router) == 1 or task.done(), what="the outbox waits")
            assert not task.done()
            assert claim.commits[-1].position == 5
        finally:
            task.cancel()
            await asyncio.wait([task])


def test_nobodys_garbage_uses_up_the_messages(world: World) -> None:
    """Nor what another signed: an outbox that somebody else writes to has its own messages left."""
    forged = world.seal(world.core("fr", ["it"]), by="it").submission
    done = run(world, b"junk", forged, b"", world.compose("fr", ["it"]), quota=DEFAULT_QUOTA)
    assert done.use.messages == run(world, world.compose("fr", ["it"]), quota=DEFAULT_QUOTA).use.messages


@pytest.mark.parametrize("what", ["garbage", "over"])
def test_a_step_ends_where_refusals_are_used_up(world: World, what: str) -> None:
    """One more than there is room for is decided, so that a step always goes on; the others wait."""
    values = [b"junk"] * 10 if what == "garbage" else [world.compose("fr", ["it"]) for _ in range(12)]
    quota = replace(TWO, refusals=3)
    done = run(world, *values, quota=quota)
    refused = [one for one in done.decided if one.record.type is RecordType.REJECTED]
    assert len(refused) == 4
    assert done.position == len(done.decided) < len(values)
    assert done.use.pause(now=world.now, quota=quota) == HOUR / 1_000 / 3
    again = run(world, *values[done.position :], quota=quota, use=done.use)
    assert len(again.decided) == 1


def _quota(world: World, quota: Quota) -> None:
    world.publish(QuotaChange(FR, quota), by=world.registrar)


async def _worked(router: Router, claim: ScriptedClaim) -> asyncio.Task[None]:
    task = asyncio.create_task(router.work(claim))
    await asyncio.sleep(0)
    return task


async def test_an_outbox_full_of_garbage_waits_and_no_other_does(world: World) -> None:
    """Its records are decided as fast as its refusals allow; meanwhile others go on, and the metric says so."""
    _quota(world, replace(DEFAULT_QUOTA, refusals=1))
    async with current_replica(world) as replica:
        router = router_of(world, replica)
        hostile = ScriptedClaim(FR, [[b"junk"] * 50])
        task = await _worked(router, hostile)
        try:
            await until_async(lambda: _paused(router) == 1 or task.done(), what="the outbox waits")
            assert not task.done()
            assert sum(commit.position for commit in hostile.commits[-1:]) == 2
            honest = ScriptedClaim(IT, [[world.compose("it", ["fr"])] for _ in range(3)])
            with suppress(Exhausted):
                await router.work(honest)
            assert [commit.position for commit in honest.commits] == [1, 2, 3]
            assert hostile.commits[-1].position == 2
        finally:
            task.cancel()
            await asyncio.wait([task])
    assert _paused(router) == 0


def _paused(router: Router) -> float:
    return router.metrics.registry.get_sample_value("contrada_router_paused_outboxes") or 0.0


async def test_the_quota_is_the_registrars_and_what_is_over_it_is_counted(
    world: World, replica: Replica
) -> None:
    """By the directory as it is when the records are decided, and the use of earlier batches counts."""
    _quota(world, TWO)
    async with current_replica(world) as replica:
        router = router_of(world, replica)
        claim = ScriptedClaim(FR, [[world.compose("fr", ["it"])] for _ in range(4)])
        with suppress(Exhausted):
            await router.work(claim)
    told = router.metrics.registry.get_sample_value
    assert told("contrada_messages_over_quota_total", {"limit": "messages"}) == 2
    assert told("contrada_messages_refused_total", {"reason": "E_QUOTA"}) == 2


async def test_each_partition_has_its_part(world: World) -> None:
    """Four messages a minute over two partitions are two in each: no partition helps another to more."""
    _quota(world, replace(DEFAULT_QUOTA, messages=4))
    async with current_replica(world) as replica:
        for partition in range(2):
            values = [
                value
                for value in (world.compose("fr", ["it"]) for _ in range(40))
                if topics.partition_of(_thread(value), 2) == partition
            ][:3]
            claim = ScriptedClaim(FR, [values], partition=partition, partitions=2)
            router = router_of(world, replica)
            with suppress(Exhausted):
                await router.work(claim)
            assert len(claim.commits[0].to(topics.inbox(IT))) == 2


def _thread(value: bytes):
    content = parse_input(InputRecord(0, 0, value)).content
    return content.header.core.thread


def test_a_minute_later_as_much_again(world: World) -> None:
    """What was used is paid off."""
    use = run(world, *(world.compose("fr", ["it"]) for _ in range(2)), quota=TWO).use
    world.now += MINUTE
    done = run(world, *(world.compose("fr", ["it"]) for _ in range(2)), quota=TWO, use=use)
    assert [one.record.type for one in done.decided] == [RecordType.ACCEPTED] * 2


MUTANTS = [
    (Mutant(Step._counted, unchecked("over")),
     test_what_is_over_the_quota_is_refused_signed_with_the_time_to_wait, ()),
    (Mutant(Step.decide, rewritten("one.is_charged", "False")), test_a_step_ends_where_refusals_are_used_up, ("garbage",)),
    (Mutant(Step.decide, rewritten("one.submission is None", "one.is_charged")),
     test_a_step_ends_where_as_many_were_answered_as_messages_are_allowed, ("twice",)),
    (Mutant(Step.decide, rewritten("one.submission is None", "one.is_charged or one.record.type is RecordType.DUPLICATE")),
     test_a_step_ends_where_as_many_were_answered_as_messages_are_allowed, ("against a rule",)),
    (Mutant(Step.decide, rewritten("one.is_charged", "True")), test_only_what_would_be_delivered_counts, ()),
    (Mutant(Router._pause, rewritten("not use.refusals and not use.answers", "not use.refusals")),
     test_an_outbox_full_of_what_comes_twice_waits_and_is_refused_nothing, ()),
    (Mutant(DecidedRecord.is_charged.fget, rewritten("self.over is not None", "False")),
     test_a_step_ends_where_refusals_are_used_up, ("over",)),
    (Mutant(DecidedRecord.is_charged.fget, rewritten("self.quarantine is not None", "True")),
     test_only_what_would_be_delivered_counts, ()),
    (Mutant(Step.is_full.fget, forced(False, "self._pause")), test_a_step_ends_where_refusals_are_used_up, ("garbage",)),
    (Mutant(Router._route, dropped("self._pause")), test_an_outbox_full_of_garbage_waits_and_no_other_does, ()),
    (Mutant(loop._quota_of, rewritten("directory.quota(claim.owner, now).part(claim.partitions)", "directory.quota(claim.owner, now)")),
     test_each_partition_has_its_part, ()),
    (Mutant(Router._route, rewritten("outcome.use", "use")),
     test_the_quota_is_the_registrars_and_what_is_over_it_is_counted, ()),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "asked"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, asked, world: World, replica: Replica
) -> None:
    fixtures = {"world": world, "replica": replica}
    await assert_missed(mutant, promise, asked, **fixtures)
