"""Who holds a claim: only the task of a partition that is ours."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from broker.router.outboxes import KafkaOutboxes
from broker.statement_feed import KafkaStatements
from runtime.errors import Unavailable
from runtime.kafka.transactions import Transactions
from tests.waiting import GENEROUS

SOURCE = TopicPartition("outbox.fr", 0)


class Losing(KafkaOutboxes):
    """An adapter over a client that loses a cancellation: it comes out as an error of a connection."""

    attempts = 0

    async def _claim_and_work(self, source: TopicPartition, transactions: Transactions) -> None:
        self.attempts += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.attempts > 1:
                raise
            raise KafkaConnectionError("the connection failed in the same moment") from None


async def test_a_partition_that_was_taken_away_is_not_claimed_again() -> None:
    """A lost cancellation ends the task all the same: going on, it would fence the partition's new owner for ever."""
    outboxes = Losing("127.0.0.1:9", fetch_wait_ms=25)
    task = outboxes._tasks[SOURCE] = asyncio.create_task(outboxes._hold(SOURCE))
    await asyncio.sleep(0)
    await outboxes._drop([SOURCE])
    await asyncio.wait([task], timeout=GENEROUS)
    assert task.done()
    assert outboxes.attempts == 1


async def failing_with(monkeypatch: pytest.MonkeyPatch, *failures: BaseException) -> None:
    """A partition of ours whose claims end in these failures; the next one works until it is taken away."""
    outboxes = KafkaOutboxes("127.0.0.1:9", fetch_wait_ms=25)
    left, reached = list(failures), asyncio.Event()

    async def claim(source: TopicPartition, transactions: Transactions) -> None:
        if left:
            raise left.pop()
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(outboxes, "_claim_and_work", claim)
    task = outboxes._tasks[SOURCE] = asyncio.create_task(outboxes._hold(SOURCE))
    await asyncio.wait_for(reached.wait(), GENEROUS)
    assert not task.done()
    await outboxes._drop([SOURCE])
    assert task.cancelled()


async def test_a_partition_that_is_ours_is_claimed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After any failure the same task claims anew, as long as the partition is ours."""
    await failing_with(monkeypatch, KafkaConnectionError(), ValueError(), TimeoutError())


async def test_a_foreign_cancellation_ends_no_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka lets cancellations of its own tasks out of its calls: nobody has taken the partition away by that."""
    await failing_with(monkeypatch, asyncio.CancelledError())


@pytest.mark.parametrize("leak", ["start", "stop"])
async def test_a_foreign_cancellation_is_an_outage_of_the_directory(
    monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    """A reader that ends in a cancellation which nobody asked for is unavailable, and the router lives on."""

    async def leaking(_: AIOKafkaConsumer) -> None:
        raise asyncio.CancelledError

    async def failing(_: AIOKafkaConsumer) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(AIOKafkaConsumer, "start", leaking if leak == "start" else failing)
    monkeypatch.setattr(AIOKafkaConsumer, "stop", leaking)
    with pytest.raises(Unavailable):
        await KafkaStatements("127.0.0.1:9").run(lambda _: None, lambda: None)
