"""The demo's processes: started here, logged to files, stopped by their process ids.

Owns starting, waiting and stopping. Every wait is bounded. A process that ends before its time is an
error that shows the last line of its log. Each has a pipe as its standard input, and ends when that does:
none outlives the demo (tethered.py; deploy/kafka/launcher.py does the same for Kafka).
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.demo.errors import DemoError
from runtime.cli.errors import CommandError

START_S = 180.0
STOP_S = 60.0

CONTRADA: tuple[str, ...] = (sys.executable, "-P", "-c", "from clients.cli.main import main; main()")
"""The command line as a user types it, whatever the PATH."""

TETHERED: tuple[str, ...] = (sys.executable, "-P", "-m", "clients.demo.tethered")
"""The same for what runs as long as the demo."""


@dataclass(slots=True)
class Process:
    """One process and its log."""

    name: str
    command: tuple[str, ...]
    piped: bool
    log: Path
    popen: subprocess.Popen[bytes]

    def check(self) -> None:
        """Raise if it has ended."""
        code = self.popen.poll()
        if code is not None:
            raise DemoError(f"{self.name} ended with {code}: {last_line(self.log)}", hint=f"see {self.log}")


class Processes:
    """Everything that the demo started, in that order; stopped in the other."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Process] = []
        self.inherited: tuple[int, ...] = ()
        """Descriptors that every process keeps open: the lock of the demo's directory."""

    @property
    def were_started(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._running)

    def start(self, name: str, command: Sequence[str], *, piped: bool = False) -> Process:
        """Start one; its standard error goes to its log, and its output too unless it is `piped`."""
        self._logs.mkdir(parents=True, exist_ok=True)
        path = self._logs / f"{name}.log"
        process = Process(name, tuple(command), piped, path, self._launch(command, path, piped=piped))
        self._running.append(process)
        return process

    def revive(self) -> list[str]:
        """Start ended processes again; returns what to report."""
        said = []
        for process in self._running:
            code = process.popen.poll()
            if code is not None:
                process.popen = self._launch(process.command, process.log, piped=process.piped)
                said.append(f"{process.name} ended with {code} and was started again")
        return said

    def check(self) -> None:
        """Raise if any has ended."""
        for process in self._running:
            process.check()

    def wait_until(self, what: str, ready: Callable[[], bool], *, within: float = START_S) -> None:
        """Poll until `ready`; a process that ends meanwhile, or the bound, is an error."""
        until = time.monotonic() + within
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise DemoError(
                    f"{what} was not ready within {within:.0f} s", hint=f"see the logs in {self._logs}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End all: SIGTERM newest first, then SIGKILL to what is left after the bound."""
        until = time.monotonic() + STOP_S
        for process in reversed(self._running):
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0.1, until - time.monotonic()))
        for process in self._running:
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()
        self._running.clear()

    def _launch(self, command: Sequence[str], log: Path, *, piped: bool) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(  # noqa: S603 - our own program
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if piped else file,
                stderr=file,
                start_new_session=True,  # Ctrl-C goes to this process, which ends them in order
                pass_fds=self.inherited,
            )


def run_contrada(*arguments: str) -> dict[str, object]:
    """Run one command of the command line with `--json`, and return what it prints."""
    done = subprocess.run(  # noqa: S603 - our own program
        [*CONTRADA, *arguments, "--json"], capture_output=True, check=False, timeout=START_S
    )
    if done.returncode:
        raise DemoError(
            f"'contrada {' '.join(arguments)}' ended with {done.returncode}: {_sentence(done.stderr)}"
        )
    found = json.loads(done.stdout or b"null")
    return found if isinstance(found, dict) else {"items": found}


def eventually(condition: Callable[[], bool], *, within: float) -> bool:
    """Whether it became true in time. A daemon that does not answer yet counts as false."""
    until = time.monotonic() + within
    while True:
        with contextlib.suppress(CommandError):
            if condition():
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.05)


def last_line(path: Path) -> str:
    """The last line of a log, or that there is none."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _sentence(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return " / ".join(lines[-3:])[:500] if lines else "it said nothing"
