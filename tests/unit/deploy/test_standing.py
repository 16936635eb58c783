"""A process is called still when none of its threads can run, and not before."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka import standing
from tests.waiting import until

MANY_THREADS = """
import threading, time
for _ in range(30):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    """A process of thirty-one threads."""
    with subprocess.Popen([sys.executable, "-c", MANY_THREADS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


pytestmark = pytest.mark.skipif(not standing.PROC.joinpath("self").exists(), reason="needs Linux's /proc")


def test_a_paused_process_stands_still_until_it_is_resumed(sleeper: subprocess.Popen[str]) -> None:
    """SIGSTOP: awaited. SIGCONT: no longer still."""
    assert not standing.still(sleeper.pid)
    sleeper.send_signal(signal.SIGSTOP)
    assert standing.wait_still(sleeper.pid)
    assert standing.still(sleeper.pid)
    sleeper.send_signal(signal.SIGCONT)
    until(lambda: not standing.still(sleeper.pid), what="the process to go on", pause=0.01)


@pytest.mark.parametrize(("states", "still"), [("TT", True), ("TS", False), ("RT", False), ("TD", False)])
def test_one_thread_that_can_run_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: str, still: bool
) -> None:
    """The first thread alone tells nothing about the others; a name may hold anything."""
    for thread, state in enumerate(states):
        stat = tmp_path / "7" / "task" / str(thread) / "stat"
        stat.parent.mkdir(parents=True)
        stat.write_text(f"{thread} (a ) T (name) {state} 1 2 3")
    monkeypatch.setattr(standing, "PROC", tmp_path)
    assert standing.still(7) is still


def test_a_process_that_is_gone_is_still(sleeper: subprocess.Popen[str]) -> None:
    """Nothing of it runs: whoever waits goes on at once."""
    sleeper.kill()
    sleeper.wait()
    assert standing.wait_still(sleeper.pid, within=0)
