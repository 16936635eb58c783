"""What a broker of a test cannot show in a test's time, or cannot be made to do: the model alone, with its faults.

That a fault does what it says: a lost answer is a request that was done, a late one is done late, and so on. And the
rules about days: transactional ids, positions and records that are forgotten.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import InvalidProducerIdMapping, KafkaConnectionError, KafkaError, RequestTimedOutError
from aiokafka.protocol.fetch import FetchRequest_v11

from runtime.errors import Unavailable
from runtime.kafka.client import ProduceRequest
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.partition_log import KafkaLog
from runtime.kafka.ports import Fetched, OutputRecord
from runtime.kafka.positions import Positions
from runtime.kafka.record_batches import batch_of
from runtime.kafka.transactions import Transactions
from tests.integration import adapter
from tests.waiting import GENEROUS, until_async
from tests.years.kafka.broker import handle
from tests.years.kafka.cluster import KafkaModel
from tests.years.kafka.codes import BEAT, FETCH, Refusal
from tests.years.kafka.connection import PARTY, installed

no_late_tracebacks = adapter.no_late_tracebacks

DAY = 24 * 3_600_000
TOPIC = "topic"
PLACE = (TOPIC, 0)


class Clock:
    """The brokers' clock, at the test's hand."""

    def __init__(self) -> None:
        self.now = int(time.time() * 1000)  # our own stamps are the machine's

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def model(clock: Clock) -> Iterator[KafkaModel]:
    """Three brokers and a topic."""
    made = KafkaModel(random.Random(3), clock=clock)
    made.failover = 0.05
    with installed(made):
        made.create(TOPIC)
        yield made


@asynccontextmanager
async def client_of(model: KafkaModel, *, timeout_ms: int = 150):
    """A client that does not wait for long."""
    client = AIOKafkaClient(bootstrap_servers=model.bootstrap, request_timeout_ms=timeout_ms)
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def opened(model: KafkaModel, name: str = "id"):
    """A transactional id."""
    transactions = Transactions(model.bootstrap, name)
    try:
        await transactions.open()
        yield transactions
    finally:
        await transactions.close()


async def produce(client: AIOKafkaClient, model: KafkaModel, value: bytes) -> int:
    """One record, sent once."""
    batch, _ = batch_of([OutputRecord(TOPIC, b"", value)], now=model.clock())
    answer = await client.send(
        model.log_at(PLACE).leader, ProduceRequest(None, -1, 5_000, [(TOPIC, [(0, batch)])])
    )
    return answer.topics[0][1][0][1]


def values(model: KafkaModel) -> list[bytes]:
    """The committed records."""
    return [record.value for record in model.records(TOPIC)]


def outputs(value: bytes) -> dict:
    """One record of a transaction."""
    return {PLACE: [OutputRecord(TOPIC, b"", value)]}


# Requests and answers.


async def test_a_lost_answer_is_a_request_that_was_done(model: KafkaModel) -> None:
    async with client_of(model) as client:
        model.faults.lose_answer, model.faults.only = 1.0, frozenset({"Produce"})
        with pytest.raises(RequestTimedOutError):
            await produce(client, model, b"value")
    assert values(model) == [b"value"]
    assert model.faults.seen["lose_answer"] == 1


async def test_a_lost_request_was_never_done(model: KafkaModel) -> None:
    async with client_of(model) as client:
        model.faults.lose_request, model.faults.only = 1.0, frozenset({"Produce"})
        with pytest.raises(RequestTimedOutError):
            await produce(client, model, b"value")
    assert values(model) == []


@pytest.mark.parametrize(("fault", "expected"), [("break_before", []), ("break_after", [b"value"])])
async def test_a_connection_breaks_before_or_after(
    model: KafkaModel, fault: str, expected: list[bytes]
) -> None:
    async with client_of(model) as client:
        setattr(model.faults, fault, 1.0)
        model.faults.only = frozenset({"Produce"})
        with pytest.raises(KafkaConnectionError):
            await produce(client, model, b"value")
    assert values(model) == expected


async def test_a_late_request_is_done_after_its_client_has_given_up(model: KafkaModel) -> None:
    async with client_of(model) as client:
        model.faults.late_request, model.faults.only = (1.0, 0.05, 0.06), frozenset({"Produce"})
        with pytest.raises(KafkaConnectionError):
            await produce(client, model, b"late")
        model.faults.clear()
        assert await produce(client, model, b"again") == 0
        await until_async(lambda: values(model), lambda v: v == [b"again", b"late"], what="the late one")


async def test_a_late_answer_comes_late_or_not_at_all(model: KafkaModel) -> None:
    async with client_of(model) as client:
        model.faults.late_answer, model.faults.only = (1.0, 0.02, 0.03), frozenset({"Produce"})
        assert await produce(client, model, b"one") == 0
        model.faults.late_answer = (1.0, 1.0, 2.0)
        with pytest.raises(RequestTimedOutError):
            await produce(client, model, b"two")
    assert values(model) == [b"one", b"two"]


async def test_an_answer_that_comes_twice_ends_the_connection(model: KafkaModel) -> None:
    async with client_of(model) as client:
        model.faults.answer_twice, model.faults.only = 1.0, frozenset({"Produce"})
        assert await produce(client, model, b"one") == 0
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        model.faults.clear()
        assert await produce(client, model, b"two") == 0
    assert values(model) == [b"one", b"two"]


async def test_transactions_are_whole_whatever_is_refused(model: KafkaModel) -> None:
    model.faults.refuse, model.faults.spread_markers = 0.3, 0.5
    async with opened(model) as transactions:
        for number in range(10):
            await transactions.commit(outputs(b"%d" % number))
    model.faults.clear()
    await until_async(lambda: len(values(model)), lambda n: n == 10, what="the last marker")
    assert values(model) == [b"%d" % number for number in range(10)]
    assert model.faults.seen["refuse"]


async def test_an_idle_connection_is_closed_as_the_library_does(model: KafkaModel) -> None:
    async with client_of(model) as client:
        assert await produce(client, model, b"one") == 0
        before = next(conn for conn in client._conns.values() if conn._used)
        for connection in client._conns.values():
            connection._idle = 0.0
        assert await produce(client, model, b"two") == 0
        assert before not in client._conns.values()
    assert values(model) == [b"one", b"two"]


# Brokers.


async def follow(model: KafkaModel, seen: list[bytes]) -> None:
    async def take(fetched: Fetched) -> None:
        seen.extend(record.value for record in fetched.records)

    await KafkaFeeds(model.bootstrap).follow(TOPIC, 0, start=0, take=take)


@pytest.mark.parametrize("how", ["move", "kill", pytest.param("freeze", marks=pytest.mark.slow), "all"])
async def test_writers_and_readers_follow_the_leader(model: KafkaModel, how: str) -> None:
    seen: list[bytes] = []
    following = asyncio.create_task(follow(model, seen))
    try:
        async with opened(model) as transactions:
            await transactions.commit(outputs(b"one"))
            await until_async(lambda: seen == [b"one"], what="the first")
            leader = model.log_at(PLACE).leader
            if how == "move":
                model.move_leader(TOPIC)
                await transactions.commit(outputs(b"two"))
        if how == "kill":
            model.stop_broker(leader)
        elif how == "freeze":
            model.freeze(leader)
            await until_async(lambda: model.log_at(PLACE).leader != leader, what="another leader")
            for connection in list(model.nodes[leader].connections):
                connection.break_off()  # its clients would wait for five seconds
        elif how == "all":
            model.stop()
            await asyncio.sleep(0.1)
            assert model.log_at(PLACE).leader < 0
            model.start()
        if how != "move":
            await until_async(lambda: model.log_at(PLACE).leader >= 0, what="a leader")

            async def committed() -> bool:
                async with opened(model, "other") as transactions:
                    await transactions.commit(outputs(b"two"))
                return True

            await until_async(committed, what="a commit", despite=(KafkaError, Unavailable, OSError))
        await until_async(lambda: seen[:2] == [b"one", b"two"], what="the second")
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_what_a_broker_that_stood_still_does_late_is_refused_where_another_leads(
    model: KafkaModel,
) -> None:
    leader = model.log_at(PLACE).leader
    async with client_of(model) as client:
        assert await produce(client, model, b"one") == 0
        model.freeze(leader)
        with pytest.raises(RequestTimedOutError):
            await produce(client, model, b"two")
        await until_async(lambda: model.log_at(PLACE).leader != leader, what="another leader")
        model.thaw(leader)
        await asyncio.sleep(0.02)
    assert values(model) == [b"one"]


# Parties.


@asynccontextmanager
async def joined(model: KafkaModel, party: str):
    """A member of a group, that asks all the time."""
    token = PARTY.set(party)
    try:
        consumer = AIOKafkaConsumer(
            TOPIC, bootstrap_servers=model.bootstrap, group_id="group", enable_auto_commit=False,
            session_timeout_ms=300, heartbeat_interval_ms=50, retry_backoff_ms=20,
        )  # fmt: skip
        await consumer.start()
    finally:
        PARTY.reset(token)
    try:
        await until_async(lambda: party in model.members("group").values(), what="a member")
        yield consumer
    finally:
        with suppress(KafkaError):
            await consumer.stop()


@pytest.mark.parametrize("how", ["cut", "silent", "pause"])
async def test_a_party_that_is_not_heard_is_put_out_and_comes_back(model: KafkaModel, how: str) -> None:
    async with joined(model, "one"), joined(model, "two"):
        if how == "pause":
            model.pause("one")
        else:
            model.cut("one", silent=how == "silent")
        await until_async(
            lambda: set(model.members("group").values()), lambda m: m == {"two"}, what="one to be out"
        )
        model.resume("one") if how == "pause" else model.heal("one")
        if how == "silent":
            model.kill("one")  # its requests would time out after the library's forty seconds
        await until_async(
            lambda: set(model.members("group").values()), lambda m: m == {"one", "two"}, what="one to be back"
        )


async def test_time_passes_until_a_broker_says_that_it_leads_no_more(model: KafkaModel) -> None:
    """The library asks again at once: without a moment between, virtual time would stand still for ever."""
    log = model.topics[TOPIC].logs[0]
    other = next(node for node in model.nodes if node.number != log.leader)
    answers: list[tuple[object, ...]] = []
    asked = FetchRequest_v11(-1, 100, 1, 1_000, 0, 0, -1, [(TOPIC, [(0, -1, 0, -1, 1_000)])], [], "")
    handle(model, other, asked, "", lambda *fields: answers.append(fields))
    assert not answers
    await until_async(lambda: answers, what="an answer")
    assert answers[0][3][0][1][0][1] == Refusal.NOT_LEADER


async def test_patience_spares_heartbeats_and_fetches(model: KafkaModel) -> None:
    """And a member that is killed, paused or called back is noticed as it was before."""
    model.patience = 60.0
    async with joined(model, "one"):
        await asyncio.sleep(0.2)
        model.requests.clear()
        await asyncio.sleep(0.6)
        assert model.requests[BEAT] + model.requests[FETCH] <= 3
        async with joined(model, "two"):
            await until_async(lambda: len(model.members("group")), lambda n: n == 2, what="two members")
            model.pause("two")
            await until_async(
                lambda: set(model.members("group").values()), lambda m: m == {"one"}, what="one"
            )
            model.resume("two")


async def test_time_that_leaps_puts_nobody_out(model: KafkaModel) -> None:
    async with joined(model, "one"):
        generation = model.generation("group")
        for group in model.groups.groups.values():
            for member in group.members.values():
                member.heard -= 1_000.0
        model.leap(1_000.0)
        await asyncio.sleep(0.4)
        assert model.generation("group") == generation


# Copies, days and numbers.


async def test_an_older_copy_takes_all_back(model: KafkaModel) -> None:
    async with opened(model) as transactions:
        await transactions.commit(outputs(b"one"))
    await until_async(lambda: values(model) == [b"one"], what="the marker")
    model.groups.commit("readers", -1, "", {PLACE: (1, "one", model.clock())})
    copy = model.copy()
    async with opened(model) as transactions:
        await transactions.commit(outputs(b"two"))
        await until_async(lambda: values(model) == [b"one", b"two"], what="the marker")
        model.groups.commit("readers", -1, "", {PLACE: (2, "two", model.clock())})
        for _ in range(2):
            model.restore(copy)
            assert values(model) == [b"one"]
            assert model.position("readers", TOPIC) == (1, "one")
    found: list[Fetched] = []

    async def take(fetched: Fetched) -> None:
        found.append(fetched)

    task = asyncio.create_task(KafkaFeeds(model.bootstrap).follow(TOPIC, 0, start=4, take=take))
    await until_async(lambda: found, what="what was lost")
    task.cancel()
    await asyncio.wait([task])
    assert (found[0].rewound_from, found[0].position) == (4, 0)
    await KafkaLog(model.bootstrap, TOPIC).append([b"three"])
    assert values(model) == [b"one", b"three"]
    assert copy.topics[TOPIC].logs[0].end == 2


async def test_an_id_that_rested_for_a_week_is_forgotten(model: KafkaModel, clock: Clock) -> None:
    async with opened(model) as transactions:
        await transactions.commit(outputs(b"one"))
        await until_async(lambda: values(model) == [b"one"], what="the marker")
        clock.now += 8 * DAY
        with pytest.raises(InvalidProducerIdMapping):
            await transactions.commit(outputs(b"two"))
    async with opened(model) as transactions:
        await transactions.commit(outputs(b"two"))
    await until_async(lambda: values(model)[-1:] == [b"two"], what="the marker")


async def test_an_epoch_that_ends_goes_over_to_another_producer(model: KafkaModel) -> None:
    async with opened(model) as transactions:
        one = model.transactions.ids["id"]
        one.epoch = 32_764
        transactions._producer = (one.producer, one.epoch)
        for number in range(5):
            await transactions.commit(outputs(b"%d" % number))
        assert transactions._producer[0] != one.producer or one.epoch < 10
    await until_async(lambda: values(model), lambda v: v == [b"%d" % n for n in range(5)], what="the markers")


async def test_positions_are_kept_for_ten_years(model: KafkaModel, clock: Clock) -> None:
    model.groups.commit("readers", -1, "", {PLACE: (1, "", clock.now)})
    async with client_of(model, timeout_ms=int(GENEROUS * 1000)) as client:
        positions = Positions(client, "readers")
        clock.now += 9 * 365 * DAY
        assert await positions.read(PLACE, stable=False) == (1, "")
        clock.now += 2 * 365 * DAY
        assert await positions.read(PLACE, stable=False) is None


def days(model: KafkaModel, clock: Clock, make: Callable[[int], bytes], count: int) -> None:
    """A record a day."""
    for number in range(count):
        model.write(TOPIC, make(number))
        clock.now += DAY


def test_records_go_when_their_time_has_come(model: KafkaModel, clock: Clock) -> None:
    model.topics[TOPIC].config.update({"retention.ms": str(30 * DAY), "segment.ms": str(30 * DAY // 8)})
    days(model, clock, lambda number: b"%d" % number, 100)
    model.expire()
    kept = len(values(model))
    assert 30 <= kept <= 30 + 30 // 8 + 2
    assert model.beginning(TOPIC) == 100 - kept
    clock.now += 40 * DAY
    model.expire()
    assert (values(model), model.beginning(TOPIC), model.end(TOPIC)) == ([], 100, 100)


def test_too_many_bytes_go_from_the_beginning(model: KafkaModel, clock: Clock) -> None:
    model.topics[TOPIC].config.update(
        {"retention.ms": "-1", "retention.bytes": "50000", "segment.ms": str(2 * DAY)}
    )
    days(model, clock, lambda _: bytes(1_000), 100)
    model.expire()
    kept = len(values(model))
    assert 46 <= kept <= 50
    model.topics[TOPIC].config["retention.bytes"] = "-1"
    clock.now += 4_000 * DAY
    model.expire()
    assert len(values(model)) == kept


async def test_where_no_broker_is_up_no_leader_moves(model: KafkaModel) -> None:
    """Whoever moves leaders goes on while another fault has stopped the cluster."""
    before = model.move_leader(TOPIC)
    model.stop()
    assert model.move_leader(TOPIC) == before
    model.start()
