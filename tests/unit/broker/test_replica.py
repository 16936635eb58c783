"""The router's replica of the directory: what it believes, and when it is a basis for decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.replica import OLDEST, Replica
from keys.directory import Directory
from keys.statement_types import StatusChange
from keys.statements import issue
from keys.unlock import Credential
from protocol.identifiers import UnitId
from runtime.errors import Unavailable
from runtime.process.directory_file import VerifiedStatements
from tests.sim.world import World
from tests.unit.broker.router.claims import Statements
from tests.waiting import GENEROUS, until_async

pytestmark = pytest.mark.slow


class Clock:
    """A monotonic clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def following(replica: Replica) -> AsyncIterator[asyncio.Task[None]]:
    """The replica at work."""
    task = asyncio.create_task(replica.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in the background."""
    await until_async(condition, what="the replica", pause=0.01)


@pytest.fixture(scope="module")
def world() -> World:
    """A world that no test of this module changes."""
    return World()


def suspension(world: World, unit: str = "nz") -> bytes:
    """A registrar's statement that is not in the directory yet."""
    return issue(
        StatusChange(UnitId(unit), suspended=True, reason="test"), signer=world.registrar, issued=world.now
    )


async def test_it_becomes_the_directory_that_the_topic_holds(world: World) -> None:
    """A replica that caught up is the same directory, to the head."""
    replica = Replica(Statements(world.directory.snapshot()), world.directory.root, monotonic=Clock())
    async with following(replica):
        directory = await asyncio.wait_for(replica.usable(), GENEROUS)
    assert directory.head == world.directory.head
    assert replica.refused == 0


async def test_it_is_no_basis_before_it_caught_up(world: World) -> None:
    """Until the end of the topic was seen once, nobody gets the directory to decide by."""
    replica = Replica(Statements(world.directory.snapshot()), world.directory.root, monotonic=Clock())
    waiting = asyncio.create_task(replica.usable())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert replica.age is None
    async with following(replica):
        await asyncio.wait_for(waiting, GENEROUS)


async def test_it_is_no_basis_when_it_is_too_old(world: World) -> None:
    """A replica that was not refreshed for ten minutes gives nothing until it is refreshed."""
    clock, feed = Clock(), Statements(world.directory.snapshot())
    replica = Replica(feed, world.directory.root, monotonic=clock)
    async with following(replica):
        await until(lambda: replica.age is not None)
        clock.now += OLDEST
        await asyncio.wait_for(replica.usable(), GENEROUS)
        clock.now += 1
        waiting = asyncio.create_task(replica.usable())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        feed.put()
        await asyncio.wait_for(waiting, GENEROUS)
    assert replica.age == 0


async def test_what_does_not_verify_is_counted_and_skipped(world: World) -> None:
    """Garbage, a foreign signature and a truncated statement change nothing, and what follows counts."""
    good = suspension(world)
    forged = issue(
        StatusChange(UnitId("it"), suspended=True, reason="test"),
        signer=world.parties["fr"].identity,
        issued=world.now,
    )
    feed = Statements([*world.directory.snapshot(), b"", b"garbage", forged, good[:-1], good])
    replica = Replica(feed, world.directory.root, monotonic=Clock())
    async with following(replica):
        directory = await asyncio.wait_for(replica.usable(), GENEROUS)
    assert replica.refused == 4
    assert directory.head.size == world.directory.head.size + 1


async def test_an_absent_topic_is_waited_out(world: World) -> None:
    """While the topic cannot be read the replica tries again, and then is complete."""
    feed = Statements(world.directory.snapshot(), failures=[Unavailable("not there"), Unavailable("not yet")])
    replica = Replica(feed, world.directory.root, monotonic=Clock())
    async with following(replica) as task:
        await asyncio.wait_for(replica.usable(), GENEROUS)
        assert not task.done()
    assert feed.runs == 3
    assert replica.directory.head == world.directory.head


async def test_reading_the_topic_again_changes_nothing(world: World) -> None:
    """After an outage the topic is read from its beginning; statements that are known do not count twice."""
    statements = world.directory.snapshot()
    replica = Replica(Statements([*statements, *statements]), world.directory.root, monotonic=Clock())
    async with following(replica):
        directory = await asyncio.wait_for(replica.usable(), GENEROUS)
    assert directory.head == world.directory.head


async def test_it_waits_for_what_a_sender_saw_first(world: World) -> None:
    """Asked for more statements than it has, it gives itself time to get them."""
    feed = Statements(world.directory.snapshot())
    replica = Replica(feed, world.directory.root, monotonic=asyncio.get_running_loop().time)
    async with following(replica):
        await asyncio.wait_for(replica.usable(), GENEROUS)
        waiting = asyncio.create_task(replica.at_least(world.directory.head.size + 1, patience=GENEROUS))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        feed.put(suspension(world))
        directory = await asyncio.wait_for(waiting, GENEROUS)
    assert directory.head.size == world.directory.head.size + 1


async def test_a_sender_that_lies_about_the_directory_holds_nobody_up(world: World) -> None:
    """A claim to have seen a million statements costs its patience, not more."""
    feed = Statements(world.directory.snapshot())
    replica = Replica(feed, world.directory.root, monotonic=asyncio.get_running_loop().time)
    async with following(replica):
        await asyncio.wait_for(replica.usable(), GENEROUS)
        directory = await asyncio.wait_for(replica.at_least(1_000_000, patience=0.1), GENEROUS)
    assert directory.head == world.directory.head


async def test_a_topic_that_lost_statements_makes_nothing_current(world: World) -> None:
    """Read again after an outage it is shorter, or empty: what was known stays, and the replica grows old."""
    statements = world.directory.snapshot()
    for kept in (0, len(statements) - 1):
        clock, feed = Clock(), Statements(statements)
        replica = Replica(feed, world.directory.root, monotonic=clock)
        async with following(replica):
            await until(lambda replica=replica: replica.age is not None)
        clock.now += OLDEST + 1
        feed.values = statements[:kept]
        async with following(replica):
            await until(lambda feed=feed: feed.runs == 2)
            waiting = asyncio.create_task(replica.usable())
            await asyncio.sleep(0.05)
            assert not waiting.done()
            assert replica.directory.head == world.directory.head
            feed.put(*statements[kept:])
            await asyncio.wait_for(waiting, GENEROUS)
        assert replica.age == 0


async def test_a_directory_without_its_own_key_is_waited_out(world: World) -> None:
    """Empty because it is new or because it lost everything: a router decides nothing by it."""
    statements, kid = world.directory.snapshot(), world.router.public.kid
    place = next(
        number for number in range(len(statements))
        if _directory(world, statements[: number + 1]).operator_key(kid) is not None
    )  # fmt: skip
    feed = Statements(statements[:place])
    replica = Replica(feed, world.directory.root, monotonic=Clock())
    async with following(replica):
        waiting = asyncio.create_task(replica.appointing(kid))
        await until(lambda: replica.age is not None)
        await asyncio.sleep(0.05)
        assert not waiting.done()
        feed.put(statements[place])
        await asyncio.wait_for(waiting, GENEROUS)


def _directory(world: World, statements: Sequence[bytes]) -> Directory:
    directory = Directory(world.directory.root)
    for statement in statements:
        directory.apply(statement)
    return directory


async def test_what_it_verified_is_kept_for_its_next_start(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has caught up; and the next one comes to the same directory without a signature."""
    monkeypatch.setattr("runtime.process.directory_file._WORTH_WRITING", 1)
    root, secret, path = world.directory.root, Credential(bytes(32)), tmp_path / "verified"

    def replica() -> Replica:
        feed, verified = Statements(world.directory.snapshot()), VerifiedStatements(path, root, secret)
        return Replica(feed, root, monotonic=Clock(), verified=verified, keeps=False)

    async with following(replica()):
        await until(path.exists)
    monkeypatch.setattr("keys.statements.verify", None)
    again = replica()
    async with following(again):
        await until(lambda: again.age is not None)
    assert again.directory.head == world.directory.head
