"""Acts that people at the centre state, on a real Kafka: each becomes a leaf, and nothing is done before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from protocol import topics
from protocol.canonical import encode
from runtime.kafka.partition_log import KafkaLog
from runtime.kafka.security.access import KafkaAddress
from tests.guarded import access_of, shows_its_own, words_as
from tests.waiting import GENEROUS, ended, until

COMMAND = [sys.executable, "-P", "-c", "from clients.cli.main import main; main()"]


def contrada(*arguments: str, code: int = 0) -> dict:
    """One command; what it prints, or what it says of its failure."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], capture_output=True, timeout=GENEROUS, cwd=Path.cwd()
    )
    assert done.returncode == code, (done.stderr + done.stdout).decode()[-4000:]
    return json.loads(done.stdout or done.stderr.splitlines()[-1])


def founded(kafka: KafkaAddress, home: Path, *options: str) -> list[str]:
    """An exchange that was just founded, by the commands that people use."""
    centre = ["--home", str(home), *words_as(kafka, "centre")]
    contrada(*centre, "centre", "init", *options)
    contrada(*centre, "ledger", "init", "--origin", "contrada.example", "--http-port", "0")
    shows_its_own(home / "ledger.toml", "ledger")
    return centre


@pytest.fixture
def centre(empty_kafka, tmp_path: Path) -> list[str]:
    """One that has one registrar."""
    return founded(empty_kafka.bootstrap, tmp_path / "centre")


async def quarantined(kafka: KafkaAddress, content: bytes) -> None:
    """A router has put a record into quarantine."""
    row = encode([1, ["fr", 0, 7, 1], 2, "E_CBOR", bytes(32), len(content), content])
    await KafkaLog(kafka, topics.QUARANTINE).append([row])


def sequenced(centre: list[str], *, statements: int = 0) -> list[dict]:
    """The acts in the ledger, once it has run over the topic, and has announced so many statements."""
    ledger = subprocess.Popen([*COMMAND, *centre, "ledger", "run"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, cwd=Path.cwd())  # fmt: skip
    try:
        return until(
            lambda: _search(Path(centre[1]) / "ledger"),
            lambda rows: (
                {"software_start", "quarantine_release"} <= {row["type"] for row in rows}
                and sum(row["type"] == "directory_statement" for row in rows) >= statements
            ),
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
    await quarantined(access_of(centre), b"evil")
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


@pytest.mark.kafka
@pytest.mark.slow
async def test_with_two_registrars_one_takes_nothing_out(empty_kafka, tmp_path: Path) -> None:
    """One states it, the other reads it, agrees with another key and takes it out; an auditor sees both."""
    centre = founded(empty_kafka.bootstrap, tmp_path / "centre", "--registrars", "2")
    keys, out = tmp_path / "centre" / "keys", tmp_path / "record.bin"
    await quarantined(access_of(centre), b"evil")
    release = ("centre", "quarantine", "release", "0", "--out", str(out), "--by", "Costa", "--second", "Smit")
    made = contrada(*centre, *release, "--yes")
    assert not out.exists()
    (waits,) = contrada(*centre, "centre", "agree", "ls")
    assert waits["ballot"] == made["ballot"] == contrada(*centre, *release, "--yes")["ballot"]
    assert contrada(*centre, "centre", "status", code=3)["directory"]["waiting"] == 1

    def agree(key: str, *options: str, code: int = 0) -> dict:
        named = (made["ballot"][:10], "--registrar-key", str(keys / key), *options, "--yes")
        return contrada(*centre, "centre", "agree", "to", *named, code=code)

    agree("registrar", "--out", str(out), code=9)
    agree("registrar-2", code=9)
    assert not out.exists()
    await _half_alone(centre)
    agree("registrar-2", "--out", str(out))
    assert out.read_bytes() == b"evil"
    assert contrada(*centre, "centre", "agree", "ls") == []

    stated = [row["type"] for row in sequenced(centre, statements=6)]
    assert (stated.count("quarantine_release"), stated.count("unverified")) == (1, 1)
    ledger = tmp_path / "centre" / "ledger"
    trust = ("--root", str(tmp_path / "centre" / "root.cbor"), "--policy", str(ledger / "policy"))
    told = contrada("audit", "fsck", str(ledger), *trust, "--live")
    assert told["findings"] == []
    notices = {row["kind"]: row["what"] for row in told["notices"]}
    assert notices["signed-by"].endswith("quarantine_release, signed by registrar and registrar-2")
    assert "E_AGREEMENT" in notices["unverified"]


async def _half_alone(centre: list[str]) -> None:
    """Somebody publishes what one has signed: it is a leaf that says what it lacks, and no act."""
    (half,) = (Path(centre[1]) / "acts").glob("*.half")
    await KafkaLog(access_of(centre), topics.AUDIT).append([half.read_bytes()])
