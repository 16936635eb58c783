"""Every attack is stopped, and by the code that says so."""

from __future__ import annotations

import pytest

from tests.unit.protocol.attacks import ATTACKS


@pytest.mark.parametrize("name", ATTACKS)
def test_is_stopped(name):
    """The attack fails, and its code names the reason."""
    code, attack = ATTACKS[name]

    assert attack() == code
