"""What is asked of Kafka for a batch of the outbox, what is asked again, and what ends a connection. No Kafka."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import DefaultRecordBatch

from clients.daemon.sending import kafka_outbox
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import Appended, OutboxRecord
from protocol.identifiers import UnitId
from runtime.errors import Unavailable
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, rewritten

UNKNOWN_TOPIC, NO_LEADER, NOT_LEADER, TOO_FEW_REPLICAS, TOO_LARGE, STAMPED_AHEAD = 3, 5, 6, 19, 10, 32


class Kafka:
    """Stands for the library's client: a leader for each look at the metadata, an answer for each batch."""

    def __init__(self) -> None:
        self.leaders: list[int | None] = [0]
        self.answers: list[Any] = []
        self.asked: list[tuple[int, bytes]] = []
        self.closed = 0
        self.cluster = SimpleNamespace(leader_for_partition=lambda _: self.leaders[0])

    async def bootstrap(self) -> None: ...

    async def close(self) -> None:
        self.closed += 1

    async def _wait_on_metadata(self, _: str) -> set[int]:
        return {0}

    async def force_metadata_update(self) -> None:
        if len(self.leaders) > 1:
            self.leaders.pop(0)

    async def send(self, node: int, question: Any) -> Any:
        await asyncio.sleep(0)
        [(topic, [(partition, batch)])] = question._topics
        self.asked.append((node, batch))
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(topics=[(topic, [(partition, answer, 7, -1, 0)])])


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(kafka_outbox, "AIOKafkaClient", lambda **_: made)
    monkeypatch.setattr(kafka_outbox, "_PAUSE", 0)
    return made


@pytest.fixture
def outbox(brokers: Kafka) -> KafkaOutbox:
    return KafkaOutbox("127.0.0.1:9", UnitId("fr"))


def records(*values: bytes) -> list[OutboxRecord]:
    return [OutboxRecord(b"thread", value) for value in values]


async def test_a_batch_is_acknowledged_with_its_offset(outbox, brokers) -> None:
    """And the connection stays for the next one."""
    done = await outbox.append(0, records(b"a", b"b"))
    assert (done.offset, done.count) == (7, 2)
    await outbox.append(0, records(b"c"))
    assert brokers.closed == 0


@pytest.mark.parametrize("code", [UNKNOWN_TOPIC, NO_LEADER, NOT_LEADER, TOO_FEW_REPLICAS])
async def test_a_refusal_by_which_nothing_was_appended_is_asked_again(outbox, brokers, code) -> None:
    """The same bytes, of whom the metadata name then."""
    brokers.leaders, brokers.answers = [0, None, 2], [code]
    assert (await outbox.append(0, records(b"a"))).count == 1
    (first, batch), (second, again) = brokers.asked
    assert (first, second) == (0, 2)
    assert batch == again
    assert brokers.closed == 0


async def test_a_clock_that_is_ahead_of_kafka_s_does_not_keep_messages_from_the_router(
    outbox, brokers
) -> None:
    """They go without a stamp, the same records, and the router says what is wrong with the clock."""
    brokers.answers = [STAMPED_AHEAD]
    assert await outbox.append(0, records(b"a", b"b")) == Appended(7, 2)
    stamped, unstamped = (list(DefaultRecordBatch(bytearray(batch))) for _, batch in brokers.asked)
    assert [(record.key, record.value) for record in unstamped] == [(b"thread", b"a"), (b"thread", b"b")]
    assert [record.value for record in stamped] == [b"a", b"b"]
    assert {record.timestamp for record in unstamped} == {-1}
    assert all(record.timestamp > 0 for record in stamped)
    assert brokers.closed == 0


async def test_a_refusal_without_a_stamp_is_an_outage(outbox, brokers) -> None:
    """There is nothing more to take away."""
    brokers.answers = [STAMPED_AHEAD, STAMPED_AHEAD]
    with pytest.raises(Unavailable):
        await outbox.append(0, records(b"a"))
    assert len(brokers.asked) == 2


@pytest.mark.parametrize(
    "fault",
    [TOO_LARGE, KafkaConnectionError(), OSError(), KeyError((0, 1)), AssertionError(), TimeoutError()],
)
async def test_anything_else_is_an_outage_asked_once_and_ends_the_connection(outbox, brokers, fault) -> None:
    """Above all what was not answered: the caller begins again with the oldest, and the router drops doubles."""
    brokers.answers = [fault]
    with pytest.raises(Unavailable):
        await outbox.append(0, records(b"a"))
    await asyncio.sleep(0.01)
    assert len(brokers.asked) == 1
    assert brokers.closed == 1


async def test_a_cancelled_batch_ends_its_connection(outbox, brokers) -> None:
    """Nobody waits for its answer any more; what comes of it is a double."""

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    brokers.send = never
    task = asyncio.create_task(outbox.append(0, records(b"a")))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.01)
    assert brokers.closed == 1


async def test_a_topic_without_a_leader_is_an_outage_in_the_end(outbox, brokers, monkeypatch) -> None:
    """Or a partition that the topic does not have."""
    monkeypatch.setattr(kafka_outbox, "ACK_TIMEOUT", 0.05)
    brokers.leaders = [None]
    with pytest.raises(Unavailable):
        await outbox.append(3, records(b"a"))
    assert not brokers.asked


MUTANTS = {
    "an unanswered batch is asked again on the same connection": (
        Mutant(KafkaOutbox.append, forced(True, "acknowledged")),
        lambda o, k: test_anything_else_is_an_outage_asked_once_and_ends_the_connection(o, k, KafkaConnectionError()),
    ),
    "every refusal is asked again": (
        Mutant(KafkaOutbox._produce, forced(False, "code", "_NOT_DONE")),
        lambda o, k: test_anything_else_is_an_outage_asked_once_and_ends_the_connection(o, k, TOO_LARGE),
    ),
    "a stamp is insisted on": (
        Mutant(KafkaOutbox.append, rewritten("NO_STAMP", "now()")),
        test_a_clock_that_is_ahead_of_kafka_s_does_not_keep_messages_from_the_router,
    ),
    "who leads is never asked again": (
        Mutant(KafkaOutbox._produce, dropped("force_metadata_update")),
        lambda o, k: test_a_refusal_by_which_nothing_was_appended_is_asked_again(o, k, NOT_LEADER),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant, outbox, brokers) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    with mutated(changed), pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(outbox, brokers)
