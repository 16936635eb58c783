"""What several modules here begin with."""

from __future__ import annotations

import pytest

from tests.sim.world import World


@pytest.fixture
def world() -> World:
    """A directory with some units."""
    return World()
