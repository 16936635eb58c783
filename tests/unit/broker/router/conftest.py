"""What tests of the router share: the directory of their ledger's world. Each has a `ledger` of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from broker.replica import Replica
from tests.unit.broker.router.claims import replica_of
from tests.unit.broker.router.published import Ledger


@pytest.fixture
async def replica(ledger: Ledger) -> AsyncIterator[Replica]:
    """The directory of its world, current."""
    replica = replica_of(ledger.world)
    task = asyncio.create_task(replica.run())
    await replica.usable()
    yield replica
    task.cancel()
    await asyncio.wait([task])
