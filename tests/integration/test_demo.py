"""`contrada demo --once --json`, as the README promises it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.listeners import listeners_of
from tests.waiting import GENEROUS, ended, until


@pytest.mark.kafka
@pytest.mark.slow
def test_the_demo_plays_every_act_as_expected() -> None:
    """Every act comes as it must, the exit code is 0, and no process is left behind. Stopped, it goes on."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        command = [sys.executable, "-P", "-c", "from clients.cli.main import main; main()"]
        done = subprocess.run(
            [*command, "demo", "--once", "--json", "--dir", f"{directory}/demo"],
            capture_output=True, timeout=4 * GENEROUS, cwd=Path.cwd(),
        )  # fmt: skip

        assert done.returncode == 0, done.stderr.decode()[-2000:]
        report = json.loads(done.stdout)
        assert report["ok"] is True
        assert [act["expected"] for act in report["acts"]] == [act["seen"] for act in report["acts"]]
        assert len(report["acts"]) == 11
        assert not _processes_of(directory)
        for log in ("router", "ledger", "console", "unit-fr"):
            said = (Path(directory) / "demo" / "logs" / f"{log}.log").read_text()
            assert "kafka_over_tls" in said
            assert "kafka_is_plain" not in said

        again = subprocess.run(
            [*command, "demo", "--resume", "--once", "--json", "--dir", f"{directory}/demo"],
            capture_output=True, timeout=4 * GENEROUS, cwd=Path.cwd(),
        )  # fmt: skip
        assert again.returncode == 0, again.stderr.decode()[-2000:]
        assert b"founding" not in again.stderr
        assert [act["seen"] for act in json.loads(again.stdout)["acts"]] == ["there", "read by it, centre"]
        assert not _processes_of(directory)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_of_the_demo_outlives_it(number: signal.Signals) -> None:
    """The terminal is closed, or the demo is killed: router, ledger, daemons and Kafka end with it.

    Meanwhile a second demo leaves its directory alone, and none of its listeners speaks in plain. One that is asked for a plain
    Kafka says so in every log.
    """
    plain = number == signal.SIGHUP
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        command = [sys.executable, "-P", "-c", "from clients.cli.main import main; main()"]
        command += ["demo", "--dir", f"{directory}/demo", *(["--plain"] if plain else [])]
        logs = Path(directory) / "demo" / "logs"
        started = {f"unit-{unit}.log" for unit in ("fr", "it", "de", "centre")} | {
            "kafka.log",
            "ledger.log",
            "console.log",
        }
        with (Path(directory) / "said").open("wb") as said:
            demo = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        until(
            lambda: {path.name for path in logs.glob("*") if path.stat().st_size or path.name == "kafka.log"},
            lambda names: names >= started,
            what="the demo's processes",
            alive=lambda: demo.poll() is None or pytest.fail((Path(directory) / "said").read_text()),
        )
        second = subprocess.run(command, capture_output=True, timeout=GENEROUS, text=True)
        assert second.returncode == 9
        assert f"another demo works on {directory}/demo: process {demo.pid}" in second.stderr
        assert {path.name for path in logs.glob("*")} >= started

        found = listeners_of(map(int, _processes_of(directory)))
        assert (len(found.plain), len(found.tls)) == ((2, 0) if plain else (0, 2)), "Kafka and its controller"

        demo.send_signal(number)
        assert ended(demo) == (130 if number == signal.SIGHUP else -signal.SIGKILL)
        until(lambda: not _processes_of(directory), what="everything to end")
        stopped = [name for name in started - {"kafka.log"} if '"stopped"' in (logs / name).read_text()]
        assert set(stopped) == started - {"kafka.log"}
        said = {name for name in started if "kafka_is_plain" in (logs / name).read_text()}
        assert said == (started - {"kafka.log"} if plain else set())
        assert ("Kafka is plain" in (logs / "kafka.log").read_text()) is plain


def _processes_of(directory: str) -> dict[str, str]:
    """The command line of each by its number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if directory in line:
            found[path.parent.name] = line
    return found
