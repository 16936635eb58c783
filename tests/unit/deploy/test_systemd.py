"""The service files agree with what the programs do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.cli.exits import Exit

UNITS = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
MOST_EXPOSED = {name: 14 if "ledger" in name else 12 for name in SERVICES}
WATCHED = [name for name in SERVICES if name not in ("contrada-signer.service", "contrada-watch.service")]
"""Whose loop systemd asks after. A signer that hangs is its router's to notice, and the watch is Prometheus's."""

SECRET = [name for name in SERVICES if name not in ("contrada-console.service", "contrada-watch.service")]
"""Who is brought what opens keys. The console has none, and the watch does without."""
"""In tenths: 1.2 is what a service that speaks to a network has when everything else is taken from it. The ledger may lower its
own priority besides."""

FOR_A_PERSON = {Exit.USAGE, Exit.NOT_AUTHORISED, Exit.NOT_FOUND, Exit.VERIFICATION}


def settings(name: str) -> dict[str, str]:
    """The settings of a service; those that stand twice with their last value."""
    lines = (UNITS / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_person_must_mend_is_not_tried_for_ever(name: str) -> None:
    """Wrong settings, keys that are missing or exposed and failed proofs stop a service; the rest starts it again."""
    found = settings(name)
    assert found["Restart"] == "always"
    assert {int(code) for code in found["RestartPreventExitStatus"].split()} == FOR_A_PERSON


def test_a_daemon_that_hangs_is_noticed() -> None:
    """systemd waits for each one's READY and asks for its watchdog (tests/unit/runtime/process/test_notify.py)."""
    for name in WATCHED:
        found = settings(name)
        assert found["Type"] == "notify"
        assert int(found["WatchdogSec"]) > 0


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What systemd itself says of the files."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: the package systemd has it")
    environment = {**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    line = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_no_fault(name: str, tmp_path: Path) -> None:
    """No setting is misspelt, none is unknown to Debian 12's systemd. The program itself is not installed here."""
    copy = tmp_path / name
    copy.write_text((UNITS / name).read_text().replace("/usr/bin/contrada", "/bin/true"))
    done = analyze("verify", "--man=no", str(copy))
    assert [line for line in done.stderr.splitlines() if name in line] == []


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_could_harm_stays_small(name: str) -> None:
    """systemd counts what a service is allowed: 10 is everything. What is left here is the network."""
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED[name]}", str(UNITS / name))
    assert done.returncode == 0, done.stdout[-600:]


@pytest.mark.parametrize("name", SECRET)
def test_the_secret_comes_sealed(name: str) -> None:
    """No file with the secret in plain is named; where the sealed one is missing, the program says what it lacks."""
    role = name.removeprefix("contrada-").removesuffix(".service")
    found = settings(name)
    assert found["LoadCredentialEncrypted"] == f"{role}.secret:contrada.{role}.secret"
    assert "LoadCredential" not in found


def test_the_signer_reaches_no_network_and_sees_who_asks() -> None:
    """It has a socket and nothing else; and no namespace of users, in which the kernel would call the router nobody."""
    found = settings("contrada-signer.service")
    assert found["PrivateNetwork"] == "yes"
    assert found["RestrictAddressFamilies"] == "AF_UNIX"
    assert "PrivateUsers" not in found
    assert found["User"] not in settings("contrada-router.service")["User"]
