"""The units of these tests: Spain's and, where there are two, Portugal's."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.identifiers import UnitId
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture


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
