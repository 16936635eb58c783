"""What tests of the directory share. Some have a `world` of their own."""

from __future__ import annotations

import pytest

from tests.unit.keys.world import World


@pytest.fixture
def world() -> World:
    """An exchange with two units."""
    world = World()
    world.enrol("fr")
    world.enrol("it")
    return world
