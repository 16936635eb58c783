"""Acts that people at the centre state, on a real Kafka: each becomes a leaf, and nothing is done before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from protocol import topics
from tests.guarded import access_of, shows_its_own, words_as
from tests.waiting import GENEROUS, ended, until

COMMAND = [sys.executable, "-P", "-c", "from clients.cli.main import main; main()"]


def contrada(*arguments: str, code: int = 0) -> dict:
    """One command; what it prints, or what it says of its failure."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], capture_output=True, timeout=GENEROUS, cwd=Path.cwd()
    )
    assert done.returncode == code, done.stderr.decode()[-2000:]
    return json.loads(done.stdout or done.stderr.splitlines()[-1])


@pytest.fixture
def centre(empty_kafka, tmp_path: Path) -> list[str]:
    """An exchange that was just founded, by the commands that people use."""
    home = ["--home", str(tmp_path / "centre"), *words_as(empty_kafka.bootstrap, "centre")]
    contrada(*home, "centre", "init")
    contrada(*home, "ledger", "init", "--origin", "contrada.example", "--http-port", "0")
    shows_its_own(tmp_path / "centre" / "ledger.toml", "ledger")
    return home


def sequenced(centre: list[str]) -> list[dict]:
    """The acts in the ledger, once it has run over the topic to its end."""
    ledger = subprocess.Popen([*COMMAND, *centre, "ledger", "run"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, cwd=Path.cwd())  # fmt: skip
    try:
        return until(
            lambda: _search(Path(centre[1]) / "ledger"),
            lambda rows: {"software_start", "quarantine_release"} <= {row["type"] for row in rows},
            what="the last act to be in the ledger",
        )
    finally:
        ledger.terminate()
        ended(ledger)


def _search(directory: Path) -> list[dict]:
    done = subprocess.run([*COMMAND, "audit", "search", str(directory), "--json"], capture_output=True,
                          timeout=GENEROUS, cwd=Path.cwd())  # fmt: skip
    return json.loads(done.stdout) if done.stdout.strip() else []


@pytest.mark.kafka
@pytest.mark.slow
async def test_what_people_do_is_stated_and_logged(centre: list[str], tmp_path: Path) -> None:
    """Policy change, break-glass, auditor access, release from quarantine: one leaf each, signed by the registrar."""
    policy = tmp_path / "policy"
    policy.write_text("quorum none\n")
    contrada(*centre, "centre", "act", "policy-change", str(policy), "--why", "a third witness")
    contrada(*centre, "centre", "act", "break-glass", "--who", "duty", "--why", "life in danger", "--yes")
    contrada(*centre, "centre", "act", "auditor-access", "--who", "EDPS", "--asked", "2026h2")
    from protocol.canonical import encode
    from runtime.kafka.partition_log import KafkaLog

    row = encode([1, ["fr", 0, 7, 1], 2, "E_CBOR", bytes(32), 4, b"evil"])
    await KafkaLog(access_of(centre), topics.QUARANTINE).append([row])
    out = tmp_path / "record.bin"
    release = ("centre", "quarantine", "release", "0", "--out", str(out), "--by", "Costa", "--yes")
    contrada(*centre, *release, "--second", "costa", code=9)
    assert not out.exists()
    contrada(*centre, *release, "--second", "Smit")
    assert out.read_bytes() == b"evil"

    stated = [row["type"] for row in sequenced(centre)]
    for act in ("policy_change", "break_glass", "auditor_access", "quarantine_release"):
        assert stated.count(act) == 1
    assert "unverified" not in stated
