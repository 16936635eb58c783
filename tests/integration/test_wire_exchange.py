"""A whole exchange over certificates, by command lines alone: founded, used, a unit suspended, and back."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.kafka.launcher import Cluster
from keys.wire.certificates import read_shown
from tests.cli.terminal import EXAMPLES, contrada
from tests.waiting import ended, until

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def _process(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        ended(process)


def _at(home: Path, *words: str) -> str:
    seen = contrada("--home", str(home), *words)
    assert seen.exit == 0, seen
    return seen.out


def _events(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def _certificates(place: Path) -> None:
    for party in ("centre", "unit-fr", "unit-it"):
        _at(
            place,
            "centre",
            "certificate",
            party,
            "--authority",
            str(place / "ca"),
            "--out",
            str(place / party),
        )
    hosts = ("--host", "127.0.0.1")
    _at(
        place,
        "centre",
        "certificate",
        "broker",
        *hosts,
        "--authority",
        str(place / "ca"),
        "--out",
        str(place / "broker"),
    )


def _found(place: Path, kafka: str) -> None:
    """The centre, whose founding gives the router a certificate of its own, and two units."""
    home = place / "c"
    _at(home, "--kafka", kafka, "--kafka-tls", str(place / "centre"), "centre", "init", "--router-port", "0")
    for unit in ("fr", "it"):
        root = str(home / "root.cbor")
        tls = ("--kafka", kafka, "--kafka-tls", str(place / f"unit-{unit}"))
        _at(place / unit, *tls, "unit", "init", unit, "--http-port", "0", "--root", root)
        _at(home, "centre", "enrol", str(place / unit / "enrolment.cbor"), "--yes")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An exchange that runs on a Kafka with certificates."""
    _certificates(tmp_path)
    with ExitStack() as running:
        cluster = running.enter_context(Cluster(tmp_path / "k", tls=tmp_path / "broker"))
        _found(tmp_path, cluster.bootstrap)
        running.enter_context(
            _process(tmp_path / "router.log", "-m", "broker.router", str(tmp_path / "c" / "router.toml"))
        )
        for unit in ("fr", "it"):
            running.enter_context(
                _process(tmp_path / f"{unit}.log", "-m", "clients.daemon", str(tmp_path / unit))
            )
            until((tmp_path / unit / "run" / "api.sock").exists, what=f"the socket of {unit}")
        yield tmp_path


def test_an_exchange_runs_over_certificates_and_cuts_a_unit_off(place: Path) -> None:
    """A message arrives; a suspended unit's daemon is denied what it was reading; resumed, it sends again."""
    home, message = place / "c", f"{EXAMPLES}/vessel.json"

    def send() -> bool:
        return contrada("--home", str(place / "fr"), "send", "--to", "it", "--wait", message).exit == 0

    until(send, what="a message to be accepted")
    until(lambda: json.loads(_at(place / "it", "inbox", "ls", "--json")), what="the message to arrive")
    assert json.loads(_at(home, "centre", "topics", "plan", "--json")) == []
    assert {row["action"] for row in json.loads(_at(home, "centre", "topics", "apply", "--json"))} == {"kept"}
    assert _events(place / "router.log")[0]["event"] == "kafka_over_tls"

    _at(home, "ledger", "init", "--origin", "x.example", "--http-port", "0")
    for role in ("router", "ledger"):
        settings = tomllib.loads((home / f"{role}.toml").read_text())
        assert read_shown(Path(settings["kafka_certificate"]).read_bytes()).principal == role
    checks = json.loads(_at(place / "fr", "unit", "status", "--json"))["checks"]
    assert checks["certificate"]["days_left"] >= 12
    assert checks["broker_certificate"]["days_left"] >= 12

    _at(home, "centre", "suspend", "fr", "--reason", "test", "--yes")
    refused = "a fetch was refused with error 29"
    until(lambda: refused in (place / "fr.log").read_text(), what="the open connection to be denied")
    assert refused not in (place / "it.log").read_text()
    _at(home, "centre", "resume", "fr", "--reason", "test", "--yes")
    until(send, what="a message to be accepted again")
