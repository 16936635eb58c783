"""A process that can be killed, paused and started again, and that never outlives this one.

Like a broker it runs below a tether (deploy/kafka/tether.py): when our process ends, however that happens, the
tether ends it. Signals go only to a child that the tether has not reaped yet.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.kafka.standing import wait_still
from tests.waiting import GENEROUS

ROOT = Path(__file__).resolve().parents[2]
TETHER = ROOT / "deploy" / "kafka" / "tether.py"


def say(text: str) -> None:
    """Tell whoever waits; standard output is for the result alone."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Process:
    """One program with its arguments; its output goes to a log that every start appends to."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, *, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.fallen: list[str] = []
        """Starts that ended before anybody ended them: exit code, and the last words. The log itself goes."""

        self._ending = True
        self._command = list(command)
        self._env = env or {}
        self._tether: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it exists; a paused one counts."""
        return self._tether is not None and self._tether.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        return None if self._tether is None else self._tether.poll()

    def start(self) -> None:
        """Start it, where it does not run."""
        if self.alive:
            return
        self._look()
        self._close()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._tether = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), *self._command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                cwd=ROOT, env={**os.environ, **self._env}, start_new_session=True,
            )  # fmt: skip
        assert self._tether.stdout is not None
        line = self._tether.stdout.readline()
        assert line, f"{self.name} could not be started: see {self.log}"
        self.pid = int(line)
        self.starts += 1
        self._ending = False

    def check(self) -> None:
        """Raise where it has ended."""
        assert self.alive, f"{self.name} ended: {self.last_line()}"

    def send(self, number: signal.Signals) -> None:
        """A signal, where it still lives."""
        if self.alive and self.pid is not None:
            # It may end between the question and the signal: one that dies by itself is not an error.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._look()
        self.send(signal.SIGKILL)
        if self._tether is not None:
            self._tether.wait()

    def pause(self) -> None:
        """SIGSTOP; returns when no thread of it runs any more."""
        self.send(signal.SIGSTOP)
        if self.alive and self.pid is not None:
            assert wait_still(self.pid), f"{self.name} did not stand still"

    def resume(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """SIGTERM alone; a paused one is resumed to hear it."""
        self._look()
        self.send(signal.SIGTERM)
        self.resume()

    def stop(self, *, timeout: float = GENEROUS) -> int | None:
        """SIGTERM, then SIGKILL after the bound; its exit code."""
        self.ask_to_stop()
        if self._tether is not None:
            try:
                self._tether.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        code = self.code
        self._close()
        return code

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def last_line(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else ""

    def _look(self) -> None:
        """Before it is ended or started again: note whether it has ended by itself."""
        if not self._ending and self.code is not None:
            self.fallen.append(f"{self.code}, {self.last_line()[-400:]}")
        self._ending = True

    def _close(self) -> None:
        if self._tether is not None:
            for pipe in (self._tether.stdin, self._tether.stdout):
                if pipe is not None:
                    pipe.close()
