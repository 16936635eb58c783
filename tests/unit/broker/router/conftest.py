"""What tests of the router share: the directory of their ledger's world. Each has a `ledger` of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker.replica import Replica
from tests.unit.broker.router.claims import current_replica
from tests.unit.broker.router.published import Ledger


@pytest.fixture
async def replica(ledger: Ledger) -> AsyncIterator[Replica]:
    """The directory of its world, current."""
    async with current_replica(ledger.world) as replica:
        yield replica
