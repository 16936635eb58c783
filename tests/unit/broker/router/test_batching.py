"""The router's loop: how batches form, what is committed together, and what ends a claim."""

from __future__ import annotations

import asyncio

import pytest

from broker.replica import Replica
from broker.router.loop import FETCH_MOST, Router
from broker.router.step import Budget
from protocol import topics
from protocol.identifiers import Digest, UnitId
from protocol.parties import TreeHead
from protocol.trail.batches import RecordType, verify_decisions
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.broker.router.claims import (
    Exhausted,
    ScriptedClaim,
    Statements,
    replica_of,
    router_of,
)
from tests.waiting import GENEROUS

FR, IT = UnitId("fr"), UnitId("it")


def messages(world: World, count: int) -> list[bytes]:
    """That many submissions of one conversation's sender."""
    return [world.compose("fr", ["it"]) for _ in range(count)]


async def route(world: World, replica: Replica, claim: ScriptedClaim, **parts: object) -> None:
    """Work on the claim until its script ends."""
    with pytest.raises(Exhausted):
        await router_of(world, replica, **parts).work(claim)


async def test_no_message_waits_for_another(world: World, replica: Replica) -> None:
    """What has come is decided and committed: the router asks for no more before it commits."""
    one, two = messages(world, 2)
    claim = ScriptedClaim(FR, [[one], [], [two]])
    await route(world, replica, claim)
    assert claim.fetches == [(None, FETCH_MOST)] * 4
    assert [commit.position for commit in claim.commits] == [1, 2]


async def test_how_many_records_wait_is_shown_until_they_are_decided(world: World, replica: Replica) -> None:
    """What was fetched and what the outbox has behind it; nothing once all of it is decided."""
    seen: list[float | None] = []

    class Watched(ScriptedClaim):
        async def commit(self, *args: object, **more: object) -> None:
            seen.append(
                router.metrics.registry.get_sample_value("contrada_router_queue_records", {"unit": "fr"})
            )
            await super().commit(*args, **more)  # type: ignore[arg-type]

    router = router_of(world, replica, budget=Budget(records=3))
    with pytest.raises(Exhausted):
        await router.work(Watched(FR, [messages(world, 4), messages(world, 2)]))
    assert seen == [6, 3, 2]
    assert router.metrics.registry.get_sample_value("contrada_router_queue_records", {"unit": "fr"}) is None


async def test_without_the_count_a_queue_looks_short(world: World, replica: Replica) -> None:
    """The test above would notice."""
    mutant = Mutant(Router._tell_queue, rewritten("max(1, claim.end - oldest.offset)", "1"))
    promise = test_how_many_records_wait_is_shown_until_they_are_decided
    await assert_missed(mutant, promise, world=world, replica=replica)


async def test_what_exceeds_the_budget_follows_in_the_next_transaction(
    world: World, replica: Replica
) -> None:
    """A fetch larger than a transaction may be is committed in pieces: in order, all of it, each piece once."""
    claim = ScriptedClaim(FR, [messages(world, 7)])
    await route(world, replica, claim, budget=Budget(records=3))
    assert [commit.position for commit in claim.commits] == [3, 6, 7]
    delivered = [world.open("it", d) for c in claim.commits for d in c.to(topics.inbox(IT))]
    assert [opened.delivery.header.core.position.seq for opened in delivered] == list(range(7))


async def test_the_state_goes_into_the_transaction_and_to_the_next_router(
    world: World, replica: Replica
) -> None:
    """A router that starts from a committed state calls what was decided before it a duplicate."""
    batch = messages(world, 2)
    first = ScriptedClaim(FR, [batch])
    await route(world, replica, first)
    second = ScriptedClaim(FR, [batch], state=first.commits[-1].state)
    await route(world, replica, second)
    (commit,) = second.commits
    decisions = verify_decisions(*commit.to(topics.receipts(FR)), parties=world.directory)
    assert [record.type for record in decisions.records] == [RecordType.DUPLICATE] * 2
    assert commit.to(topics.inbox(IT)) == []


async def test_a_failed_commit_ends_the_work(world: World, replica: Replica) -> None:
    """Whatever a commit raises comes out, and nothing is tried again on the same claim."""
    claim = ScriptedClaim(FR, [messages(world, 1), messages(world, 1)], failing=ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        await router_of(world, replica).work(claim)
    assert len(claim.fetches) == 1
    assert claim.commits == []


async def test_a_batch_waits_for_the_directory_that_its_sender_saw(world: World) -> None:
    """A message sealed under a statement that the router has not seen yet is decided with that statement."""
    feed = Statements(world.directory.snapshot())
    replica = replica_of(world, feed)
    following = asyncio.create_task(replica.run())
    await replica.usable()
    before = len(feed.values)
    world.enrol("es")
    claim = ScriptedClaim(FR, [[world.compose("fr", ["es"])]])
    working = asyncio.create_task(route(world, replica, claim))
    await asyncio.sleep(0.05)
    assert claim.commits == []
    feed.put(*world.directory.snapshot()[before:])
    await asyncio.wait_for(working, GENEROUS)
    assert len(claim.commits[0].to(topics.inbox(UnitId("es")))) == 1
    following.cancel()
    await asyncio.wait([following])


async def test_a_sender_that_claims_an_impossible_directory_is_decided_all_the_same(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lie about the directory's size delays its batch once and blocks nothing."""
    monkeypatch.setattr("broker.router.loop.CATCH_UP", 0.05)
    lie = world.compose("fr", ["it"], directory_head=TreeHead(10_000_000, Digest(bytes(32))))
    claim = ScriptedClaim(FR, [[lie]])
    await route(world, replica, claim)
    assert [commit.position for commit in claim.commits] == [1]


async def test_records_that_cannot_be_read_count_and_block_nothing(world: World, replica: Replica) -> None:
    """Garbage goes to quarantine in the same transaction as its neighbours."""
    good = messages(world, 1)[0]
    claim = ScriptedClaim(FR, [[b"", b"garbage", good, good[:-1]]])
    await route(world, replica, claim)
    (commit,) = claim.commits
    assert len(commit.to(topics.QUARANTINE)) == 3
    assert len(commit.to(topics.inbox(IT))) == 1
    assert commit.position == 4
