"""The service files agree with what the programs do."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cli.exits import Exit

UNITS = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
FOR_A_PERSON = {Exit.USAGE, Exit.NOT_AUTHORISED, Exit.NOT_FOUND, Exit.VERIFICATION}


def settings(name: str) -> dict[str, str]:
    """The settings of a service; those that stand twice with their last value."""
    lines = (UNITS / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize(
    "name",
    [
        "contrada-unit.service",
        "contrada-router.service",
        "contrada-ledger.service",
        "contrada-witness.service",
        "contrada-watch.service",
    ],
)
def test_what_a_person_must_mend_is_not_tried_for_ever(name: str) -> None:
    """Wrong settings, keys that are missing or exposed and failed proofs stop a service; the rest starts it again."""
    found = settings(name)
    assert found["Restart"] == "always"
    assert {int(code) for code in found["RestartPreventExitStatus"].split()} == FOR_A_PERSON


def test_a_daemon_that_hangs_is_noticed() -> None:
    """systemd waits for the daemon's READY and asks for its watchdog (tests/unit/runtime/process/test_notify.py)."""
    for name in ("contrada-unit.service", "contrada-witness.service"):
        found = settings(name)
        assert found["Type"] == "notify"
        assert int(found["WatchdogSec"]) > 0
