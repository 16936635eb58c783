"""What aiokafka 0.14 does wrong on a real Kafka, each with the proof that our adapter is safe from it.

Each trap has two tests or two halves. The first pins the library's behaviour: when an upgrade changes it, the
test fails and somebody decides anew whether the rule of broker/kafka.py is still needed. The second drives
broker/kafka.py into the same situation.
"""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiokafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata

from broker.kafka import KafkaOutboxes, PartitionClaim
from broker.ports import OutputRecord
from deploy.kafka import wire
from deploy.kafka.cluster import Cluster
from protocol import topics
from protocol.identifiers import UnitId

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SMALL = {"max.message.bytes": "2000"}
TOO_LARGE = b"x" * 5000
GROUP = topics.ROUTER_GROUP

END_TXN = 26
CREATE_ACLS = 30


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A broker of this module's own: the adapter works on every outbox that it finds."""
    with tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as directory:
        with Cluster(Path(directory)) as cluster:
            yield cluster


@pytest.fixture(autouse=True)
async def no_late_tracebacks() -> None:
    """aiokafka leaves futures with exceptions that nobody retrieves.

    When one is collected, asyncio would log a traceback, and Python 3.11 parses source for it; inside of a
    parse that is under way, such as pytest's own, that ends in a SystemError.
    """
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)


@pytest.fixture
def bootstrap(cluster: Cluster) -> str:
    """Where that broker listens."""
    return cluster.bootstrap


@pytest.fixture
def unit(unique: Callable[[str], str]) -> UnitId:
    """A unit that no other test has."""
    return UnitId(unique("fr"))


async def create(bootstrap: str, **wanted: dict[str, str]) -> None:
    """Make topics of one partition and wait until they have leaders."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=c) for name, c in wanted.items()])
        while True:
            rows = await admin.describe_topics(list(wanted))
            if all(r["partitions"] and r["partitions"][0]["leader"] >= 0 for r in rows):
                return
            await asyncio.sleep(0.02)
    finally:
        await admin.close()


@asynccontextmanager
async def producing(bootstrap: str, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as aiokafka ships it, but for a request size above the topics'."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=transactional_id, acks="all", max_request_size=4_000_000
    )
    await producer.start()
    try:
        yield producer
    finally:
        with suppress(KafkaError):
            await asyncio.wait_for(producer.stop(), 5)


@asynccontextmanager
async def consuming(bootstrap: str, **settings: object) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that sees what is committed."""
    settings = {"isolation_level": "read_committed", **settings}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **settings)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def committed(bootstrap: str, topic: str) -> list[bytes]:
    """Every committed record of a topic, once the last transaction on it has its markers."""
    source = TopicPartition(topic, 0)
    async with consuming(bootstrap) as consumer, consuming(bootstrap, isolation_level="read_uncommitted") as all_:
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        values: list[bytes] = []
        while await consumer.position(source) < (await all_.end_offsets([source]))[source]:
            found = await consumer.getmany(source, timeout_ms=200)
            values += [record.value for record in found.get(source, ())]
        return values


async def put(bootstrap: str, topic: str, *values: bytes) -> None:
    """Write records outside of any transaction."""
    async with producing(bootstrap) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


class Attempts:
    """Work for the adapter on one unit's outbox: each claim runs the next of the given attempts."""

    def __init__(self, unit: UnitId, *attempts: Callable[[PartitionClaim], Awaitable[None]]) -> None:
        self.errors: list[Exception] = []
        self.done = asyncio.Event()
        self._unit = unit
        self._attempts = list(attempts)

    async def __call__(self, claim: PartitionClaim) -> None:
        if claim.owner == self._unit and self._attempts:
            try:
                await self._attempts.pop(0)(claim)
            except Exception as error:
                self.errors.append(error)
                raise
            if not self._attempts:
                self.done.set()
        await asyncio.Event().wait()

    async def run(self, bootstrap: str) -> None:
        """Let the adapter of a router run until every attempt was made."""
        task = asyncio.create_task(KafkaOutboxes(bootstrap, fetch_wait_ms=25).run(self))
        try:
            await asyncio.wait_for(self.done.wait(), 40)
        finally:
            task.cancel()
            await asyncio.wait([task])


def committing(*outputs: tuple[str, bytes], position: int = 1, state: str = "") -> Callable:
    """An attempt that commits these outputs."""

    async def attempt(claim: PartitionClaim) -> None:
        await claim.commit([OutputRecord(t, b"", v) for t, v in outputs], position=position, state=state)

    return attempt


async def seen_by_adapter(claim: PartitionClaim) -> list[bytes]:
    """What a claim fetches first."""
    return [record.value for record in await claim.fetch(wait_ms=3000, most=100)]


# --- the library itself ---------------------------------------------------------------------------------


def test_this_is_the_version_that_was_measured() -> None:
    """Every claim below was made for aiokafka 0.14.0."""
    assert aiokafka.__version__ == "0.14.0"


def test_the_c_extension_is_in_use() -> None:
    """Records are built and parsed in C: without it a router does a third of the work."""
    import aiokafka.record._crecords  # noqa: F401
    from aiokafka.record import default_records

    assert default_records.DefaultRecordBatchBuilder is not default_records._DefaultRecordBatchBuilderPy
    assert default_records.DefaultRecordBatch is not default_records._DefaultRecordBatchPy


def test_the_hidden_sleep_between_transactions_is_shortened() -> None:
    """aiokafka sleeps BACKOFF_OVERRIDE = 20 ms between transactions; our adapter makes that 2 ms."""
    program = (
        "from aiokafka.producer import sender\n"
        "assert sender.BACKOFF_OVERRIDE == 0.02, 'upstream changed the constant'\n"
        "import broker.kafka\n"
        "assert sender.BACKOFF_OVERRIDE == 0.002, 'the adapter does not set it'\n"
        "used = sender.AddPartitionsToTxnHandler.handle_response.__code__.co_names\n"
        "assert 'BACKOFF_OVERRIDE' in used, 'upstream sleeps by another name'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- trap 1: silent loss --------------------------------------------------------------------------------


async def test_a_failed_send_that_nobody_awaits_is_lost_in_silence(bootstrap: str, unique) -> None:
    """aiokafka: a commit succeeds although one of its records never reached Kafka."""
    small, other = unique("small"), unique("other")
    await create(bootstrap, **{small: SMALL, other: {}})
    async with producing(bootstrap, unique("loss")) as producer:
        await producer.begin_transaction()
        lost = await producer.send(small, TOO_LARGE, partition=0)
        await producer.send(other, b"kept", partition=0)
        await producer.commit_transaction()
        assert isinstance(lost.exception(), MessageSizeTooLargeError)
    assert await committed(bootstrap, small) == []
    assert await committed(bootstrap, other) == [b"kept"]


async def test_the_adapter_commits_nothing_when_one_record_fails(bootstrap: str, unique, unit) -> None:
    """Our commit raises when any record fails, and neither its other records nor its position exist."""
    small, other, outbox = unique("small"), unique("other"), topics.outbox(unit)
    await create(bootstrap, **{small: SMALL, other: {}, outbox: {}})
    await put(bootstrap, outbox, b"submission")
    again: list[bytes] = []

    async def look(claim: PartitionClaim) -> None:
        again.extend(await seen_by_adapter(claim))

    attempts = Attempts(unit, committing((small, TOO_LARGE), (other, b"half of it"), position=1), look)
    await attempts.run(bootstrap)
    assert [type(error) for error in attempts.errors] == [MessageSizeTooLargeError]
    assert again == [b"submission"]
    assert await committed(bootstrap, other) == []


# --- trap 2: poisoned partition -------------------------------------------------------------------------


async def test_a_failed_batch_poisons_its_partition(bootstrap: str, unique) -> None:
    """aiokafka: after one failed batch every later batch to that partition fails, abort or not."""
    small = unique("small")
    await create(bootstrap, **{small: SMALL})
    async with producing(bootstrap, unique("poison")) as producer:
        await producer.begin_transaction()
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(small, TOO_LARGE, partition=0)
        await producer.abort_transaction()
        await producer.begin_transaction()
        with pytest.raises(OutOfOrderSequenceNumber):
            await producer.send_and_wait(small, b"innocent", partition=0)


async def test_the_adapter_is_clean_after_a_failed_batch(bootstrap: str, unique, unit) -> None:
    """After a failed commit our next claim writes to the same partition as if nothing had happened."""
    small = unique("small")
    await create(bootstrap, **{small: SMALL, topics.outbox(unit): {}})
    attempts = Attempts(unit, committing((small, TOO_LARGE)), committing((small, b"innocent")))
    await attempts.run(bootstrap)
    assert len(attempts.errors) == 1
    assert await committed(bootstrap, small) == [b"innocent"]


# --- trap 3: an abort that does not abort ---------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A broker that asks its authorizer; without ACLs everything is allowed."""
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as directory:
        with Cluster(Path(directory), settings=settings) as cluster:
            yield cluster.bootstrap


def deny_writing(bootstrap: str, topic: str) -> None:
    """Add ACLs: everybody may see this topic, nobody may write to it.

    aiokafka has no call for it, so this is CreateAcls v1 by hand.
    """

    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    topic_type, literal, write, describe, deny, allow = 2, 3, 4, 8, 2, 3
    body = struct.pack(">i", 2)
    for operation, permission in ((write, deny), (describe, allow)):
        body += struct.pack(">b", topic_type) + text(topic) + struct.pack(">b", literal)
        body += text("User:ANONYMOUS") + text("*") + struct.pack(">bb", operation, permission)
    host, port = bootstrap.split(":")
    answer = wire.ask((host, int(port)), CREATE_ACLS, 1, body)
    answer.take("i")

    def code() -> int:
        found = answer.take("h")
        answer.text()
        return found

    assert answer.array(code) == [0, 0], "the broker did not take the ACLs"


async def test_an_abort_after_an_authorization_failure_does_not_abort(guarded: str, unique) -> None:
    """aiokafka: what such a transaction wrote becomes committed by the next commit of the same producer."""
    open_topic, closed = unique("open"), unique("closed")
    await create(guarded, **{open_topic: {}, closed: {}})
    deny_writing(guarded, closed)
    async with producing(guarded, unique("abort")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(open_topic, b"aborted", partition=0)
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(closed, b"denied", partition=0)
        await producer.abort_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(open_topic, b"committed", partition=0)
        await producer.commit_transaction()
    assert await committed(guarded, open_topic) == [b"aborted", b"committed"]


async def test_the_adapter_really_drops_a_transaction_that_was_denied(guarded: str, unique, unit) -> None:
    """After an authorization failure nothing of that commit is ever seen, whatever is committed later."""
    open_topic, closed = unique("open"), unique("closed")
    await create(guarded, **{open_topic: {}, closed: {}, topics.outbox(unit): {}})
    deny_writing(guarded, closed)
    attempts = Attempts(
        unit,
        committing((open_topic, b"aborted"), (closed, b"denied")),
        committing((open_topic, b"committed")),
    )
    await attempts.run(guarded)
    assert [type(error) for error in attempts.errors] == [TopicAuthorizationFailedError]
    assert await committed(guarded, open_topic) == [b"committed"]


# --- trap 4: zombies and stale offsets ------------------------------------------------------------------


async def take_over(bootstrap: str, source: TopicPartition, output: str, ids: tuple[str, str]) -> list[bytes]:
    """A member of the group works on a record, loses its place, and commits after its successor did."""
    position = {source: OffsetAndMetadata(1, "")}
    async with producing(bootstrap, ids[0]) as zombie:
        async with consuming(bootstrap, group_id=GROUP + source.topic) as member:
            member.subscribe([source.topic])
            await member.getmany(timeout_ms=2000)
            await zombie.begin_transaction()
            await zombie.send_and_wait(output, b"by the zombie", partition=0)
        # It has left the group; a new member takes the same record.
        async with (
            consuming(bootstrap, group_id=GROUP + source.topic) as member,
            producing(bootstrap, ids[1]) as heir,
        ):
            member.subscribe([source.topic])
            await member.getmany(timeout_ms=2000)
            await heir.begin_transaction()
            await heir.send_and_wait(output, b"by the heir", partition=0)
            await heir.send_offsets_to_transaction(position, GROUP + source.topic)
            await heir.commit_transaction()
        with suppress(ProducerFenced):
            await zombie.send_offsets_to_transaction(position, GROUP + source.topic)
            await zombie.commit_transaction()
    return await committed(bootstrap, output)


async def test_the_group_does_not_fence_a_zombie(bootstrap: str, unique) -> None:
    """aiokafka: with an id per process, a router that lost its partition still commits: a duplicate."""
    source, output = TopicPartition(unique("in"), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    await put(bootstrap, source.topic, b"submission")
    seen = await take_over(bootstrap, source, output, (unique("router"), unique("router")))
    assert sorted(seen) == [b"by the heir", b"by the zombie"]


async def test_the_transactional_id_fences_a_zombie(bootstrap: str, unique) -> None:
    """Kafka: with one id per input partition the zombie's records are aborted and its commit refused."""
    source, output = TopicPartition(unique("in"), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    await put(bootstrap, source.topic, b"submission")
    name = unique("router")
    assert await take_over(bootstrap, source, output, (name, name)) == [b"by the heir"]


class Claimant:
    """A router that is about to claim, whatever the group thinks; its claim is held as long as the test wants."""

    def __init__(self, bootstrap: str, source: TopicPartition, consumer: AIOKafkaConsumer) -> None:
        self._source = source
        self._outboxes = KafkaOutboxes(bootstrap, fetch_wait_ms=25)
        self._outboxes._consumer, self._outboxes._work = consumer, self._hold
        self._producer = self._outboxes._new_producer(source)
        self._held: asyncio.Future[PartitionClaim] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def claim(self) -> PartitionClaim:
        """Claim as the adapter does."""
        self._task = asyncio.create_task(self._outboxes._claim_and_work(self._source, self._producer))
        return await asyncio.wait_for(self._held, 20)

    async def close(self) -> None:
        """Let go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        with suppress(KafkaError):
            await asyncio.wait_for(self._producer.stop(), 5)

    async def _hold(self, claim: PartitionClaim) -> None:
        self._held.set_result(claim)
        await asyncio.Event().wait()


@asynccontextmanager
async def claimant(bootstrap: str, source: TopicPartition) -> AsyncIterator[Claimant]:
    """A router that is ready to claim."""
    async with consuming(bootstrap, group_id=GROUP) as consumer:
        consumer.assign([source])
        await consumer.committed(source)  # its connections are there
        ready = Claimant(bootstrap, source, consumer)
        try:
            yield ready
        finally:
            await ready.close()


@asynccontextmanager
async def claiming(bootstrap: str, source: TopicPartition) -> AsyncIterator[PartitionClaim]:
    """A claim."""
    async with claimant(bootstrap, source) as ready:
        yield await ready.claim()


async def test_a_claim_fences_the_claim_before_it(bootstrap: str, unique, unit) -> None:
    """A claim that was taken over commits nothing any more; its successor does."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with claiming(bootstrap, source) as zombie, claiming(bootstrap, source) as heir:
        assert zombie._producer._txn_manager.transactional_id == topics.transactional_id(source.topic, 0)
        with pytest.raises(ProducerFenced):
            await committing((output, b"by the zombie"))(zombie)
        await committing((output, b"by the heir"))(heir)
    assert await committed(bootstrap, output) == [b"by the heir"]


async def test_the_position_may_be_stale_after_a_commit(bootstrap: str, unique) -> None:
    """aiokafka asks for offsets without `require_stable`: right after a commit it may get the one before.

    What a commit has written is visible only when its markers are: a race, so one stale answer suffices.
    """
    source, output = TopicPartition(unique("in"), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with producing(bootstrap, unique("stale")) as producer, consuming(bootstrap, group_id=GROUP) as reader:
        reader.assign([source])
        for position in range(1, 151):
            await producer.begin_transaction()
            await producer.send_and_wait(output, b"x", partition=0)
            await producer.send_offsets_to_transaction({source: OffsetAndMetadata(position, "")}, GROUP)
            await producer.commit_transaction()
            if await reader.committed(source) != position:
                return
    pytest.fail("150 positions were all fresh: perhaps aiokafka asks for stable offsets now")


async def test_a_claim_never_starts_from_a_stale_position(bootstrap: str, unique, unit) -> None:
    """Our claim initialises its producer first, and then always reads what was committed last.

    Each claim begins in the moment in which the commit of the one before it returns.
    """
    source, output, turns = TopicPartition(topics.outbox(unit), 0), unique("out"), 25
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with AsyncExitStack() as stack:
        routers = [await stack.enter_async_context(claimant(bootstrap, source)) for _ in range(turns)]
        for turn, router in enumerate(routers):
            claim = await router.claim()
            assert claim.state == (f"state {turn - 1}" if turn else "")
            await committing((output, b"x"), position=turn + 1, state=f"state {turn}")(claim)


# --- trap 5: after an abort the consumer stands behind what was aborted ---------------------------------


async def test_a_consumer_does_not_go_back_after_an_abort(bootstrap: str, unique) -> None:
    """aiokafka: records of an aborted transaction are not fetched again by themselves."""
    source = TopicPartition(unique("in"), 0)
    await create(bootstrap, **{source.topic: {}})
    await put(bootstrap, source.topic, b"submission")
    async with consuming(bootstrap) as consumer, producing(bootstrap, unique("back")) as producer:
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        assert await consumer.getmany(source, timeout_ms=3000)
        await producer.begin_transaction()
        await producer.abort_transaction()
        assert not await consumer.getmany(source, timeout_ms=300)


async def test_the_adapter_fetches_again_what_was_not_committed(bootstrap: str, unit) -> None:
    """A claim that failed after fetching gives the same records to the next one."""
    outbox, seen = topics.outbox(unit), []
    await create(bootstrap, **{outbox: {}})
    await put(bootstrap, outbox, b"one", b"two")

    async def fail(claim: PartitionClaim) -> None:
        seen.append(await seen_by_adapter(claim))
        raise RuntimeError("a fault behind the fetch")

    async def look(claim: PartitionClaim) -> None:
        seen.append(await seen_by_adapter(claim))

    await Attempts(unit, fail, look).run(bootstrap)
    assert seen == [[b"one", b"two"], [b"one", b"two"]]


# --- trap 6: an EndTxn that comes late ------------------------------------------------------------------


def end_late(bootstrap: str, producer: AIOKafkaProducer) -> int:
    """Send the commit of this producer's last transaction once more, as a retry would; Kafka's error code."""
    manager = producer._txn_manager
    name = manager.transactional_id.encode()
    host, port = bootstrap.split(":")
    body = struct.pack(">h", len(name)) + name
    body += struct.pack(">qhb", manager.producer_id, manager.producer_epoch, 1)
    answer = wire.ask((host, int(port)), END_TXN, 1, body)
    answer.take("i")
    return answer.take("h")


async def test_a_late_commit_ends_the_next_transaction(bootstrap: str, unique) -> None:
    """Kafka's old transaction protocol: a commit that is delivered again commits whatever is open now."""
    output = unique("out")
    await create(bootstrap, **{output: {}})
    async with producing(bootstrap, unique("late")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(output, b"first", partition=0)
        await producer.commit_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(output, b"not to be committed", partition=0)
        assert end_late(bootstrap, producer) == 0
        await asyncio.sleep(0.2)
        assert await committed(bootstrap, output) == [b"first", b"not to be committed"]


async def test_a_late_commit_of_an_earlier_claim_ends_nothing(bootstrap: str, unique, unit) -> None:
    """Every claim has an epoch of its own: a commit that is delivered late belongs to an older one."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with claiming(bootstrap, source) as first, claiming(bootstrap, source) as second:
        await second._producer.begin_transaction()
        await second._producer.send_and_wait(output, b"not to be committed", partition=0)
        assert end_late(bootstrap, first._producer) != 0
        await second._producer.abort_transaction()
    assert await committed(bootstrap, output) == []


# --- the state beside the position ----------------------------------------------------------------------


@pytest.mark.parametrize(("size", "fits"), [(3_900, True), (4_200, False)])
async def test_the_state_travels_with_the_position_up_to_4096_bytes(bootstrap, unit, size, fits) -> None:
    """Offset metadata comes back as it was; text that Kafka refuses fails the commit and moves nothing."""
    await create(bootstrap, **{topics.outbox(unit): {}})
    await put(bootstrap, topics.outbox(unit), b"submission")
    text, found = os.urandom(size // 2).hex(), []

    async def look(claim: PartitionClaim) -> None:
        found.append((claim.state, len(await claim.fetch(wait_ms=500, most=10))))

    write = committing(state=text)
    attempts = Attempts(unit, write, look) if not fits else Attempts(unit, write)
    await attempts.run(bootstrap)
    if fits:
        await Attempts(unit, look).run(bootstrap)
    assert found == [(text, 0) if fits else ("", 1)]
