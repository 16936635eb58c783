"""The lock of a home: one process at a time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from clients.witness.home import WitnessHome
from runtime.errors import AlreadyRunning
from runtime.process.homes import UnitHome

HOMES = [
    (UnitHome, "daemon", "two would break the order"),
    (WitnessHome, "witness", "inside the unit's daemon"),
]


@pytest.mark.parametrize(("home", "program", "hint"), HOMES, ids=[program for _, program, _ in HOMES])
def test_a_home_has_one_process(
    tmp_path: Path, home: type[UnitHome | WitnessHome], program: str, hint: str
) -> None:
    """Who comes second is told who is there; afterwards the home is free again."""
    held = home(tmp_path).hold()

    with pytest.raises(AlreadyRunning, match=f"another {program} works on {tmp_path}") as caught:
        home(tmp_path).hold()
    os.close(held)
    os.close(home(tmp_path).hold())

    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_daemon_and_its_witness_do_not_lock_each_other_out(tmp_path: Path) -> None:
    """A unit's home and the witness's home inside it have a lock each."""
    (tmp_path / "witness").mkdir()

    for held in (UnitHome(tmp_path).hold(), WitnessHome(tmp_path / "witness", unit=tmp_path).hold()):
        os.close(held)
