"""The contract suite (places.py): members and generations, and the positions that are committed under them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaError,
)

from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.ports import ReadingMark
from runtime.kafka.positions import Positions, Unstable
from runtime.kafka.requests import Membership
from runtime.kafka.transactions import Transactions
from tests.integration import adapter, test_kafka_takeover
from tests.integration.adapter import GROUP, claiming, committing, create, member
from tests.waiting import until_async
from tests.years.kafka import places
from tests.years.kafka.places import (
    SLOW_ON_BOTH,
    client_of,
    records,
)

no_late_tracebacks = adapter.no_late_tracebacks
place, own_cluster, unit = places.place, places.own_cluster, places.unit


# Positions and generations.


async def test_a_position_comes_with_its_metadata_and_only_once_it_is_stable(place, unique, unit) -> None:
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(place.bootstrap, **{source.topic: {}, output: {}})
    async with member(place.bootstrap) as membership, claiming(place.bootstrap, source, membership) as claim:
        await committing((output, b"first"), state="remembered")(claim)
        async with client_of(place) as client:
            positions = Positions(client, GROUP)

            async def stable():
                with suppress(Unstable):
                    return await positions.read(tuple(source), stable=True)

            found = await until_async(stable, what="a stable position")
            assert found[0] == 1
            assert "remembered" in found[1]
            assert await positions.read((output, 0), stable=True) is None
            open_ = claim._holding.transactions.usual.current
            await open_._write(records(output, b"left open"))
            await open_._move({tuple(source): (7, "not yet")})
            with pytest.raises(Unstable):
                await positions.read(tuple(source), stable=True)
            assert (await positions.read(tuple(source), stable=False))[0] == 1


async def the_later_position_holds(place, unique, unit, first_to_end: str = "later") -> None:
    """Two ids move one position; their transactions end in either order, with a restart between and one after."""
    source = TopicPartition(topics.outbox(unit), 0)
    await create(place.bootstrap, **{source.topic: {}})
    ids = {}
    try:
        async with member(place.bootstrap) as membership, client_of(place) as client:
            for position, name in enumerate(("earlier", "later"), 1):
                ids[name] = Transactions(place.bootstrap, unique(name), membership=membership)
                await ids[name].open()
                await ids[name]._move({tuple(source): (position, f"at {position}")})
            await ended(ids.pop(first_to_end))
            with pytest.raises(Unstable):
                await until_async(lambda: stable_now(client, source), what="an answer")
        await place.restart()
        async with client_of(place) as client:
            with pytest.raises(Unstable):
                await until_async(lambda: stable_now(client, source), what="an answer")
        (last,) = ids.values()
        await ended(last)
        async with client_of(place) as client:
            assert await stable_position(client, source.topic) == (2, "at 2")
        # The coordinator reads its log anew, and both markers with it.
        await place.restart()
        async with client_of(place) as client:
            assert await stable_position(client, source.topic) == (2, "at 2")
    finally:
        for one in ids.values():
            await one.close()


async def ended(transactions: Transactions) -> None:
    """Its transaction is committed; it is asked until it says so, since its coordinator may have been restarted."""

    async def code() -> int:
        with suppress(KafkaError):
            return await transactions._end()
        return -1

    await until_async(code, lambda code: code == 0, what="an end")
    await transactions.close()


async def stable_now(client, source: TopicPartition) -> object:
    """What is answered to who asks for a stable position; None while nobody answers."""
    try:
        return await Positions(client, GROUP).read(tuple(source), stable=True)
    except Unstable:
        raise
    except Unavailable:
        return None


@pytest.mark.parametrize("first_to_end", ["earlier", "later"])
async def test_of_two_pending_positions_the_later_one_holds(place, unique, unit, first_to_end: str) -> None:
    """By two ids, whichever transaction ends first: a router that commits by two does not go back (ADR 0039)."""
    await the_later_position_holds(place, unique, unit, first_to_end)


async def test_metadata_has_a_bound(place, unique, unit) -> None:
    source = TopicPartition(topics.outbox(unit), 0)
    await create(place.bootstrap, **{source.topic: {}})
    async with claiming(place.bootstrap, source) as claim:
        with pytest.raises(KafkaError):
            await committing(state="x" * 4_090)(claim)


async def test_marks_are_told_and_read(place, unique) -> None:
    topic = unique("marked")
    await create(place.bootstrap, **{topic: {}})
    marks = KafkaMarks(place.bootstrap)
    try:
        await marks.tell({(topic, 0): ReadingMark(5, 200, 100)})
        assert await marks.read([(topic, 0), (topic, 1)]) == {
            (topic, 0): ReadingMark(5, 200, 100), (topic, 1): None,
        }  # fmt: skip
    finally:
        await marks.close()


async def test_a_member_that_left_commits_nothing(place, unique, unit) -> None:
    await test_kafka_takeover.test_an_older_generation_commits_nothing(place.bootstrap, unique, unit)


async def test_who_names_no_generation_is_refused_by_nothing(place, unique) -> None:
    """Though the group has members: hence the generation is taken once (broker/router/holding.py, rule 1)."""
    topic = unique("read")
    await create(place.bootstrap, **{topic: {}})
    transactions = Transactions(place.bootstrap, unique("router"), membership=Membership(GROUP, -1, ""))
    try:
        async with member(place.bootstrap), client_of(place) as client:
            await transactions.open()
            await transactions.commit({}, {(topic, 0): (1, "state")})
            assert await stable_position(client, topic) == (1, "state")
    finally:
        await transactions.close()


async def stable_position(client, topic: str) -> tuple[int, str]:
    """The group's position in a topic's first partition, once no transaction moves it any more."""

    async def stable():
        with suppress(Unstable):
            return await Positions(client, GROUP).read((topic, 0), stable=True)

    return await until_async(stable, what="a stable position")


async def test_two_members_share_the_shards(place) -> None:
    """The second one's joining calls the first one back; both have half, under one generation."""
    async with member(place.bootstrap) as alone:
        assert alone.generation > 0
    async with AsyncExit() as members:
        first = await members.join(place.bootstrap)
        second = await members.join(place.bootstrap)
        await until_async(
            lambda: (len(first.assignment()), len(second.assignment())),
            lambda n: n == (32, 32),
            what="two halves",
        )
        one, other = first._coordinator, second._coordinator
        assert one.generation == other.generation > alone.generation
        assert one.member_id != other.member_id
        await second.stop()
        await until_async(lambda: len(first.assignment()), lambda n: n == 64, what="all of them")


@pytest.mark.parametrize("place", SLOW_ON_BOTH, indirect=True)
async def test_a_member_that_says_nothing_is_put_out(place) -> None:
    """And what it commits afterwards is refused: its heartbeats have stopped, as those of a paused process."""
    async with AsyncExit() as members:
        silent = await members.join(place.bootstrap)
        other = await members.join(place.bootstrap)
        await until_async(
            lambda: (len(silent.assignment()), len(other.assignment()), silent._coordinator._heartbeat_task),
            lambda n: n[:2] == (32, 32) and n[2] is not None,
            what="two halves, and a heart that beats",
        )
        was = silent._coordinator.generation, silent._coordinator.member_id
        members.silence(silent)
        await until_async(lambda: len(other.assignment()), lambda n: n == 64, what="all of them")
        async with client_of(place) as client:
            coordinator = await client.coordinator_lookup(0, GROUP)
            code = await beat(client, coordinator, *was)
        assert code in (22, 25)


async def beat(client, coordinator: int, generation: int, name: str) -> int:
    """A heartbeat of this member."""
    from aiokafka.protocol.group import HeartbeatRequest

    return (await client.send(coordinator, HeartbeatRequest(GROUP, generation, name), group=1)).error_code


class AsyncExit:
    """Members of the routers' group, which poll until the end."""

    def __init__(self) -> None:
        self._members: dict = {}
        self._silent: list = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None:
        for consumer, polling in self._members.items():
            polling.cancel()
            await consumer.stop()
        for consumer in self._silent:
            await consumer._client.close()

    async def join(self, bootstrap: str):
        """Another member; it has joined when this returns."""
        from aiokafka import AIOKafkaConsumer

        from broker.router.outboxes import ShardAssignor

        await adapter.share_out(bootstrap)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False, session_timeout_ms=6_000,
            heartbeat_interval_ms=100, partition_assignment_strategy=(ShardAssignor,), metadata_max_age_ms=1_000,
        )  # fmt: skip
        await consumer.start()
        consumer.subscribe([topics.SHARDS])
        self._members[consumer] = asyncio.create_task(self._poll(consumer))
        await until_async(consumer.assignment, what="a share")
        return consumer

    def silence(self, consumer) -> None:
        """It asks for nothing more, and says nothing."""
        coordinator = consumer._coordinator
        for task in (
            self._members.pop(consumer),
            coordinator._heartbeat_task,
            coordinator._coordination_task,
        ):
            task.cancel()
        self._silent.append(consumer)

    @staticmethod
    async def _poll(consumer) -> None:
        while True:
            await consumer.getmany(timeout_ms=50)
