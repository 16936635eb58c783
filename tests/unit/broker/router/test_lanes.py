"""Lanes: what is large keeps nobody else's messages waiting, and either is committed under its own id."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaConnectionError

from broker.router.lanes import WIDE_BYTES, TransactionLanes, lane_ids
from broker.router.shared_transactions import SharedTransactions
from protocol import topics
from protocol.topics import Operation, ResourceKind
from runtime.kafka.ports import OutputRecord, Place
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, rewritten
from tests.unit.broker.router.test_shared_transactions import AUDIT, DE, FR, IT, Kafka

USUAL, WIDE = lane_ids("router-ours")
LARGE = WIDE_BYTES + 1


@dataclass
class Lanes:
    """Both lanes, each over a Kafka that commits at the test's word."""

    kafka: dict[str, Kafka] = field(default_factory=lambda: defaultdict(Kafka))

    def __post_init__(self) -> None:
        self.lanes = TransactionLanes(lambda name: self.kafka[name], "router-ours")

    def commit(self, source: Place, size: int = 1, *, position: int = 1) -> asyncio.Task[None]:
        """A claim that commits so many bytes."""
        outputs = {AUDIT: [OutputRecord("audit", b"", bytes(size))]}
        return asyncio.create_task(self.lanes.commit(source, outputs, position=position, state=""))

    def hold(self, *names: str) -> None:
        """What these ids begin does not end before `go`."""
        for name in names:
            self.kafka[name].going.clear()

    async def begun(self, name: str) -> None:
        """A transaction of this id is under way."""
        await asyncio.wait_for(self.kafka[name].begun.wait(), 5)

    def go(self, name: str) -> None:
        """What this id has begun ends."""
        self.kafka[name].going.set()


@asynccontextmanager
async def running() -> AsyncIterator[Lanes]:
    """Committing in the background."""
    made = Lanes()
    task = asyncio.create_task(made.lanes.run())
    try:
        yield made
    finally:
        for name in (USUAL, WIDE):
            made.go(name)
        task.cancel()
        await asyncio.wait([task])


async def what_is_small_does_not_wait() -> None:
    """A large part is under way for as long as it takes; a small one is committed meanwhile."""
    async with running() as lanes:
        lanes.hold(USUAL, WIDE)
        large, small = lanes.commit(FR, LARGE), lanes.commit(IT, WIDE_BYTES)
        for name in (WIDE, USUAL):
            await lanes.begun(name)
        lanes.go(USUAL)
        await asyncio.wait_for(small, 5)
        assert not large.done()
        lanes.go(WIDE)
        await large
    assert (lanes.kafka[USUAL].together(), lanes.kafka[WIDE].together()) == ([{IT}], [{FR}])


async def test_what_is_small_does_not_wait_for_what_is_large() -> None:
    """Two ids: what one holds open the other does not wait for."""
    await what_is_small_does_not_wait()


async def a_claim_commits_one_part_after_the_other() -> None:
    """Not by two ids at once: a small part that overtakes a large one would be committed without it."""
    async with running() as lanes:
        lanes.hold(WIDE)
        large = lanes.commit(FR, LARGE)
        await lanes.begun(WIDE)
        with pytest.raises(AssertionError):
            await lanes.commit(FR, position=2)
        lanes.go(WIDE)
        await large
        await lanes.commit(FR, position=2)
    assert (lanes.kafka[WIDE].together(), lanes.kafka[USUAL].together()) == ([{FR}], [{FR}])


async def test_a_claim_commits_one_part_after_the_other() -> None:
    """And after a failure too: the one that failed is not under way any more."""
    await a_claim_commits_one_part_after_the_other()
    async with running() as lanes:
        lanes.kafka[WIDE].failures.append(KafkaConnectionError())
        with pytest.raises(KafkaConnectionError):
            await lanes.commit(FR, LARGE)
        await lanes.commit(FR)


async def large_ones_go_in_turns() -> None:
    """Whoever has large parts without end is behind each other sender after every one of them."""
    async with running() as lanes:
        lanes.hold(WIDE)
        flood = asyncio.create_task(_flood(lanes, FR, 3))
        await lanes.begun(WIDE)
        others = [lanes.commit(IT, LARGE), lanes.commit(DE, LARGE)]
        await asyncio.sleep(0)
        lanes.go(WIDE)
        await asyncio.gather(flood, *others)
    assert lanes.kafka[WIDE].together() == [{FR}, {IT}, {DE}, {FR}, {FR}]


async def _flood(lanes: Lanes, source: Place, count: int) -> None:
    for position in range(1, count + 1):
        await lanes.commit(source, LARGE, position=position)


async def test_large_ones_of_several_senders_go_in_turns() -> None:
    """A claim has one part waiting at the most: nobody's large message waits for more than one of each other's."""
    await large_ones_go_in_turns()


async def what_failed_goes_alone_in_either_lane() -> None:
    """What Kafka does not take fails others once, and not once in each lane."""
    async with running() as lanes:
        lanes.kafka[WIDE].failures.append(KafkaConnectionError())
        with pytest.raises(KafkaConnectionError):
            await lanes.commit(FR, LARGE)
        lanes.hold(USUAL)
        first = lanes.commit(DE)
        await lanes.begun(USUAL)
        rest = [lanes.commit(FR), lanes.commit(IT)]
        await asyncio.sleep(0)
        lanes.go(USUAL)
        await asyncio.gather(first, *rest)
    assert lanes.kafka[USUAL].together() == [{DE}, {FR}, {IT}]


async def test_what_failed_goes_alone_in_either_lane() -> None:
    """Its next part may be smaller, and come by the other id."""
    await what_failed_goes_alone_in_either_lane()


async def test_a_failure_of_one_lane_ends_nothing_of_the_other() -> None:
    """Its id is opened anew, and only its own."""
    async with running() as lanes:
        lanes.hold(USUAL)
        small = lanes.commit(IT)
        await lanes.begun(USUAL)
        lanes.kafka[WIDE].failures.append(KafkaConnectionError())
        with pytest.raises(KafkaConnectionError):
            await lanes.commit(FR, LARGE)
        await lanes.commit(FR, LARGE)
        lanes.go(USUAL)
        await small
    assert (lanes.kafka[WIDE].opened, lanes.kafka[USUAL].opened) == (2, 1)


def test_a_router_may_use_both_ids() -> None:
    """Rights in Kafka are by the beginning of the name, and no other role has one that fits."""
    for name in lane_ids(topics.ROUTER_TRANSACTIONS + "0123456789abcdef"):
        allowed = {
            (right.principal, right.operation)
            for right in topics.role_rights() | topics.unit_rights(topics.outbox_owner("outbox.fr"))
            if right.kind is ResourceKind.TRANSACTIONS
            and (name.startswith(right.name) if right.prefixed else name == right.name)
        }
        assert allowed == {("router", Operation.WRITE)}


MUTANTS: dict[str, tuple[Mutant, Callable[[], Awaitable[None]]]] = {
    "one lane for all": (
        Mutant(TransactionLanes.commit, forced(False, "size > WIDE_BYTES")),
        what_is_small_does_not_wait,
    ),
    "all goes where the large goes": (
        Mutant(TransactionLanes.commit, forced(True, "size > WIDE_BYTES")),
        what_is_small_does_not_wait,
    ),
    "one id for both": (
        Mutant(TransactionLanes.__init__, rewritten("open_one(wide)", "open_one(usual)")),
        what_is_small_does_not_wait,
    ),
    "two parts of a claim at once": (
        Mutant(TransactionLanes.commit, dropped("self._committing.add")),
        a_claim_commits_one_part_after_the_other,
    ),
    "who comes last goes first": (
        Mutant(
            SharedTransactions.commit, rewritten("self._queue.append(part)", "self._queue.appendleft(part)")
        ),
        large_ones_go_in_turns,
    ),
    "each lane has its own that go alone": (
        Mutant(SharedTransactions.__init__, rewritten("set() if alone is None else alone", "set()")),
        what_failed_goes_alone_in_either_lane,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant: str) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    with mutated(changed), pytest.raises((Exception, pytest.fail.Exception)):
        await asyncio.wait_for(promise(), 20)
