"""One transaction for what many commit: what goes together, what goes alone, and what a failure costs whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from broker.router import shared_transactions
from broker.router.shared_transactions import SharedTransactions
from runtime.kafka.ports import OutputRecord, Place
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced
from tests.waiting import until_async

FR, IT, DE = ("outbox.fr", 0), ("outbox.it", 0), ("outbox.de", 0)
AUDIT: Place = ("audit", 0)


@dataclass
class Kafka:
    """Transactions that are committed at a test's word. Stands for runtime.kafka.transactions.Transactions."""

    committed: list[tuple[list[bytes], dict[Place, tuple[int, str]]]] = field(default_factory=list)
    refused: set[Place] = field(default_factory=set)
    failures: list[BaseException] = field(default_factory=list)
    opened: int = 0
    away: bool = False
    going: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.going.set()

    async def open(self) -> None:
        self.opened += 1
        if self.away:
            raise KafkaConnectionError("nobody answers")

    async def commit(
        self, outputs: Mapping[Place, Sequence[OutputRecord]], progress: Mapping[Place, tuple[int, str]]
    ) -> None:
        self.begun.set()
        await self.going.wait()
        if self.failures:
            raise self.failures.pop(0)
        if self.refused & progress.keys():
            raise MessageSizeTooLargeError
        self.committed.append(([r.value for r in outputs.get(AUDIT, ())], dict(progress)))

    async def close(self) -> None:
        """Nothing is left."""

    def together(self) -> list[set[Place]]:
        """Whose parts each transaction held."""
        return [set(progress) for _, progress in self.committed]


@asynccontextmanager
async def running(fake: Kafka, **settings: Any) -> AsyncIterator[SharedTransactions]:
    """Committing in the background."""
    shared = SharedTransactions(lambda: fake, **settings)
    task = asyncio.create_task(shared.run())
    try:
        yield shared
    finally:
        task.cancel()
        await asyncio.wait([task])


def part(shared: SharedTransactions, source: Place, position: int = 1, size: int = 1) -> asyncio.Task[None]:
    """A claim that commits."""
    outputs = {AUDIT: [OutputRecord("audit", b"", source[0].encode() * size)]}
    return asyncio.create_task(shared.commit(source, outputs, position=position, state=f"at {position}"))


async def test_what_waits_goes_together(fake: Kafka) -> None:
    """All parts that came while a transaction was under way are one, in the order in which they came."""
    fake.going.clear()
    async with running(fake) as shared:
        first = part(shared, FR)
        await fake.begun.wait()
        rest = [part(shared, IT), part(shared, DE)]
        await asyncio.sleep(0)
        fake.going.set()
        await asyncio.gather(first, *rest)
    assert fake.committed == [
        ([b"outbox.fr"], {FR: (1, "at 1")}),
        ([b"outbox.it", b"outbox.de"], {IT: (1, "at 1"), DE: (1, "at 1")}),
    ]


async def test_it_says_how_long_a_transaction_is_under_way(fake: Kafka) -> None:
    """From its begin to its end, a failed one too."""
    seen: list[str] = []

    @contextmanager
    def under_way() -> Iterator[None]:
        seen.append("begun")
        try:
            yield
        finally:
            seen.append("ended")

    fake.refused.add(FR)
    async with running(fake, under_way=under_way) as shared:
        await part(shared, DE)
        with pytest.raises(MessageSizeTooLargeError):
            await part(shared, FR)
    assert seen == ["begun", "ended"] * 2


async def a_part_that_kafka_refuses_fails_alone(fake: Kafka) -> None:
    fake.refused.add(FR)
    fake.going.clear()
    async with running(fake) as shared:
        first = part(shared, DE)
        await fake.begun.wait()
        lost = [part(shared, FR), part(shared, IT)]
        fake.going.set()
        await first
        for each in lost:
            with pytest.raises(MessageSizeTooLargeError):
                await each
        # Their claims come again. The one that is refused is lost, and the other one is not.
        again = [part(shared, FR), part(shared, DE, 2), part(shared, IT)]
        with pytest.raises(MessageSizeTooLargeError):
            await again[0]
        await asyncio.gather(*again[1:])
    assert fake.together() == [{DE}, {DE}, {IT}]
    assert fake.opened == 3


async def test_a_part_that_kafka_refuses_fails_alone(fake: Kafka) -> None:
    """The others of its transaction are lost with it once, and never again."""
    await a_part_that_kafka_refuses_fails_alone(fake)


async def test_what_succeeded_alone_goes_with_the_others_again(fake: Kafka) -> None:
    """Being alone is no punishment for ever."""
    fake.failures.append(KafkaConnectionError())
    async with running(fake) as shared:
        for source in (FR, FR):
            task = part(shared, source)
            await asyncio.wait([task])
            task.exception()
        await asyncio.gather(part(shared, FR, 2), part(shared, IT))
    assert fake.together() == [{FR}, {FR, IT}]


@pytest.mark.parametrize(
    "failure", [KafkaConnectionError(), TimeoutError(), ValueError(), asyncio.CancelledError()]
)
async def test_after_any_failure_the_id_is_opened_anew(fake: Kafka, failure: BaseException) -> None:
    """Also after a cancellation of the library's own tasks, which nobody meant for us."""
    fake.failures.append(failure)
    async with running(fake) as shared:
        lost = part(shared, FR)
        await asyncio.wait([lost])
        assert lost.exception() is not None
        await part(shared, FR)
    assert fake.opened == 2
    assert fake.together() == [{FR}]


async def test_an_outage_is_waited_out(fake: Kafka) -> None:
    """Parts wait while the id cannot be opened, and are committed then."""
    fake.away = True
    async with running(fake) as shared:
        waiting = part(shared, FR)
        await until_async(lambda: fake.opened, lambda times: times >= 2, what="a second attempt")
        assert not waiting.done()
        fake.away = False
        await waiting
    assert fake.together() == [{FR}]


async def test_a_transaction_is_bounded(fake: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """By bytes and by parts; what does not fit comes next, in order, and a part that is too large goes alone."""
    monkeypatch.setattr(shared_transactions, "MOST_BYTES", 50)
    monkeypatch.setattr(shared_transactions, "MOST_PARTS", 3)
    sources = [(f"outbox.u{number}", 0) for number in range(8)]
    fake.going.clear()
    async with running(fake) as shared:
        parts = [part(shared, FR)]
        await fake.begun.wait()
        parts += [part(shared, IT, size=9)]
        parts += [part(shared, source) for source in sources]
        await asyncio.sleep(0)
        fake.going.set()
        await asyncio.gather(*parts)
    assert fake.together()[:2] == [{FR}, {IT}]
    assert [len(group) for group in fake.together()[2:]] == [3, 3, 2]
    assert [source for group in fake.committed[2:] for source in group[1]] == sources


async def test_a_claim_that_is_given_up_takes_its_part_away(fake: Kafka) -> None:
    """Before its transaction has begun: nobody commits for a claim that is not held any more."""
    fake.going.clear()
    async with running(fake) as shared:
        first = part(shared, FR)
        await fake.begun.wait()
        gone = part(shared, IT)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        fake.going.set()
        await asyncio.gather(first, part(shared, DE))
    assert fake.together() == [{FR}, {DE}]


async def the_end_waits_for_what_is_under_way(fake: Kafka) -> None:
    fake.going.clear()
    async with running(fake) as shared:
        under_way = part(shared, FR)
        await fake.begun.wait()
        asyncio.get_running_loop().call_later(0.05, fake.going.set)
    await under_way
    assert fake.together() == [{FR}]


async def test_the_end_waits_for_what_is_under_way(fake: Kafka) -> None:
    """Left open, a transaction would hold up every reader of what it touched; and its claim is told."""
    await the_end_waits_for_what_is_under_way(fake)


async def test_the_end_tells_those_who_wait(fake: Kafka) -> None:
    """Their claims are given up, and nothing waits for ever."""
    fake.away = True
    async with running(fake) as shared:
        waiting = part(shared, FR)
        await asyncio.sleep(0)
    await asyncio.wait([waiting])
    assert waiting.exception() is not None


@pytest.fixture
def fake() -> Kafka:
    return Kafka()


MUTANTS = {
    "nobody goes alone": (
        Mutant(SharedTransactions._lose, dropped("_alone")),
        a_part_that_kafka_refuses_fails_alone,
    ),
    "whoever was alone takes others along": (
        Mutant(SharedTransactions._next_group, forced(False, "first.source")),
        a_part_that_kafka_refuses_fails_alone,
    ),
    "the end waits for nothing": (
        Mutant(SharedTransactions._commit_group, dropped("CLOSE_TIMEOUT")),
        the_end_waits_for_what_is_under_way,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant: str, fake: Kafka) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    with mutated(changed), pytest.raises((Exception, pytest.fail.Exception)):
        await promise(fake)
