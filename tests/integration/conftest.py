"""What several modules here begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Kafka
from tests.integration.exchange import Exchange, present
from tests.sim.world import World


@pytest.fixture
async def exchange(empty_kafka: Kafka, tmp_path: Path) -> AsyncIterator[Exchange]:
    """A world on a broker that is empty, since topics have fixed names."""
    made = Exchange(World(now=present()), empty_kafka.bootstrap, tmp_path / "centre")
    await made.found()
    try:
        yield made
    finally:
        made.stop()
