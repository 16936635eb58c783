"""A real Prometheus asks the demo's exchange, and real faults fire the real alerts.

The rules are those of deploy/prometheus, with all their times divided by thirty: a test cannot wait for a quarter of
an hour. What each expression says at its true times is tried by promtool (tests/unit/deploy/test_alerts.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from clients.demo.exchange import Exchange
from clients.demo.free_ports import free_port
from clients.demo.monitoring import RULES, scrape_settings, targets
from deploy.grafana.panels import BOARDS
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import OutputRecord
from tests.integration.units import draft
from tests.waiting import GENEROUS, until

QUICKER = 30
NOT_YET = (URLError, OSError, ValueError, KeyError)


def quicker(rules: str) -> str:
    """The same rules with all their times divided."""
    rules = re.sub(r"\b(\d+)m\b", lambda found: f"{int(found[1]) * 60 // QUICKER}s", rules)
    return re.sub(r"> (300|600|900)\b", lambda found: f"> {int(found[1]) // QUICKER}", rules)


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> dict:
        with urlopen(f"{self.url}/api/v1/{path}", timeout=GENEROUS) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire, each with what it is about."""
        found = set()
        for alert in self.get("alerts")["alerts"]:
            if alert["state"] == "firing":
                labels = alert["labels"]
                about = labels.get("unit") or labels.get("witness") or labels.get("code") or ""
                found.add(f"{labels['alertname']} {about}".strip())
        return found

    def until_known(self, name: str) -> None:
        """Wait until this question has an answer."""
        until(lambda: self.get(f"query?query={quote(name)}")["result"], what=name, despite=NOT_YET)

    def until_firing(self, *names: str, no_more: tuple[str, ...] = ()) -> None:
        """Wait until these fire, and those do not."""
        until(
            self.firing,
            lambda seen: seen >= set(names) and not seen & set(no_more),
            what=f"{names} to fire, and not {no_more}",
            despite=NOT_YET,
            pause=0.5,
        )


@contextlib.contextmanager
def prometheus(directory: Path, exchange: Exchange) -> Iterator[Prometheus]:
    """Debian's, with the demo's own settings, asking every second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed; Debian has it in the package 'prometheus'")
    rules = directory / "rules"
    rules.mkdir()
    for name in ("recording.yml", "alerts.yml"):
        (rules / name).write_text(quicker((RULES / name).read_text()))
    homes = [(unit, exchange.home(unit)) for unit in exchange.daemons]
    asked = targets(centre=exchange.centre, homes=homes, witnesses=("fr", "it"))
    (directory / "prometheus.yml").write_text(scrape_settings(asked, every="1s", rules=rules))
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    made = Prometheus(f"http://127.0.0.1:{port}", process)
    try:
        until(
            lambda: made.get("targets")["activeTargets"],
            lambda there: len(there) == len(asked) and all(one["health"] == "up" for one in there),
            what="every process to be asked",
            despite=NOT_YET,
            alive=lambda: process.poll() is None or pytest.fail((directory / "log").read_text()[-2000:]),
        )
        yield made
    finally:
        process.kill()
        process.wait()


@pytest.mark.kafka
@pytest.mark.slow
def test_real_faults_fire_real_alerts() -> None:
    """Nothing fires while all is well; each fault fires its own alerts; what was mended fires no more."""
    with (
        tempfile.TemporaryDirectory(prefix="cp-") as name,
        running(Exchange(Path(name) / "demo", guarded=True)) as exchange,
        prometheus(Path(name), exchange) as seen,
    ):
        send(exchange, "fr", "it")
        for recorded in ("contrada:messages_routed:rate5m", "contrada:ledger_leaves:rate5m"):
            seen.until_known(recorded)
        assert seen.firing() == set()
        for board in BOARDS:
            for ask in (ask for panel in board.panels for ask, _ in panel.asks):
                seen.until_known(ask.replace("$unit", "fr"))

        asyncio.run(write_garbage(exchange, "fr"))
        seen.until_firing("QuarantineUnseen")
        rows = json.loads(contrada(exchange, "centre", "alarms", "ls", "--state", "open", "--json"))
        (number,) = (row["id"] for row in rows if row["code"] == "quarantined")
        contrada(exchange, "centre", "alarms", "close", str(number), "--note", "a test")
        seen.until_firing(no_more=("QuarantineUnseen",))

        # With its witness: the next head lacks a cosignature.
        with stopped(exchange, "unit-it"):
            send(exchange, "fr", "centre")
            seen.until_firing("UnitSilent it", "WitnessSilent it.example/witness", "UnitUnheard it")
        seen.until_firing(no_more=("UnitSilent it", "WitnessSilent it.example/witness", "UnitUnheard it"))

        with stopped(exchange, "ledger"):
            seen.until_firing("LedgerDown")
            with stopped(exchange, "router"):
                send(exchange, "fr", "it")
                seen.until_firing("RouterDown", "NoRouter", "MessagesUndecided fr")
        seen.until_firing(no_more=("LedgerDown", "RouterDown", "NoRouter", "MessagesUndecided fr"))


@contextlib.contextmanager
def running(exchange: Exchange) -> Iterator[Exchange]:
    try:
        exchange.start()
        yield exchange
    finally:
        exchange.stop()


def send(exchange: Exchange, sender: str, to: str) -> None:
    exchange.daemon(sender).post("/v1/messages", {"kind": "information", "to": [to], "draft": draft()})


async def write_garbage(exchange: Exchange, unit: str) -> None:
    """What is no message, into a unit's own outbox."""
    async with KafkaTopics(exchange.access(f"unit-{unit}")).writing() as writer:
        await writer.write([OutputRecord(f"outbox.{unit}", b"garbage", b"garbage")])


def contrada(exchange: Exchange, *arguments: str) -> str:
    """What a command at the centre prints."""
    command = [sys.executable, "-m", "clients.cli.main", "--home", str(exchange.centre), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=RULES.parents[1]).stdout


@contextlib.contextmanager
def stopped(exchange: Exchange, name: str) -> Iterator[None]:
    """A process that stands still, and goes on afterwards."""
    (process,) = (one.popen for one in exchange.processes._running if one.name == name)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
