"""What tests of the router share: an exchange, and its directory. Who has a `ledger` has the exchange of that."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker.replica import Replica
from tests.sim.world import World
from tests.unit.broker.router.claims import current_replica


@pytest.fixture
def world() -> World:
    """A fresh exchange."""
    return World()


@pytest.fixture
async def replica(world: World) -> AsyncIterator[Replica]:
    """Its directory, current."""
    async with current_replica(world) as replica:
        yield replica
