"""Lanes: what is large keeps nobody else's messages waiting, and either is committed under its own id."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from broker.router.lanes import WIDE_BYTES, TransactionLanes, lane_ids
from runtime.kafka.ports import OutputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.unit.broker.router.test_shared_transactions import AUDIT, FR, IT, Kafka

USUAL, WIDE = lane_ids("router-ours")


async def what_is_small_does_not_wait() -> None:
    """A large part is under way for as long as it takes; a small one is committed meanwhile."""
    kafka: dict[str, Kafka] = defaultdict(Kafka)
    for name in (USUAL, WIDE):
        kafka[name].going.clear()
    lanes = TransactionLanes(lambda name: kafka[name], "router-ours")

    def commit(source, size: int) -> asyncio.Task[None]:
        outputs = {AUDIT: [OutputRecord("audit", b"", bytes(size))]}
        return asyncio.create_task(lanes.commit(source, outputs, position=1, state=""))

    running = asyncio.create_task(lanes.run())
    try:
        large, small = commit(FR, WIDE_BYTES + 1), commit(IT, WIDE_BYTES)
        for name in (WIDE, USUAL):
            await asyncio.wait_for(kafka[name].begun.wait(), 5)
        kafka[USUAL].going.set()
        await asyncio.wait_for(small, 5)
        assert not large.done()
        kafka[WIDE].going.set()
        await large
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert (kafka[USUAL].together(), kafka[WIDE].together()) == ([{IT}], [{FR}])


async def test_what_is_small_does_not_wait_for_what_is_large() -> None:
    """Two ids: what one holds open the other does not wait for."""
    await what_is_small_does_not_wait()


@pytest.mark.slow
async def test_one_lane_for_all_is_noticed() -> None:
    """The promise's own test fails where everything goes one way."""
    with (
        mutated(Mutant(TransactionLanes.commit, forced(False, "size > WIDE_BYTES"))),
        pytest.raises(TimeoutError),
    ):
        await what_is_small_does_not_wait()
