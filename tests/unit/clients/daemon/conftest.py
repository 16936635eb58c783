"""The units of these tests: Spain's and, where there are two, Portugal's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.daemon.daemon import Daemon
from protocol.identifiers import UnitId
from runtime.process.worker import Worker
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import Silent, UnitFixture


@pytest.fixture
def world() -> World:
    """An exchange."""
    return World()


@pytest.fixture
def es(world: World, tmp_path: Path) -> UnitFixture:
    return UnitFixture(world, UnitId("es"), tmp_path / "es")


@pytest.fixture
def pt(world: World, es: UnitFixture, tmp_path: Path) -> UnitFixture:
    made = UnitFixture(world, UnitId("pt"), tmp_path / "pt")
    es.learn()
    return made


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that no Kafka answers."""
    worker = Worker()
    unit = await worker.do(lambda: UnitFixture(World(), UnitId("es"), tmp_path / "es"))
    made = Daemon(unit.context, worker, log_=None, feeds=Silent(), directory=None, marks=Silent())
    yield made
    made.disk.close()
    await worker.do(unit.context.store.close)
    worker.close()
