"""One broker process: format its directory, start, pause, kill, stop.

Owns: `DIR/broker-N/` (server.properties, data, server.log) and the process. Knows nothing of the cluster
around.
Rule: signals go only to a process that its tether has not yet reaped, never to another process with the same
id.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.kafka.faults import Fault
from deploy.kafka.settings import Node, Plan, properties
from deploy.kafka.standing import wait_still

TETHER = Path(__file__).resolve().parent / "tether.py"
STOP_S = 15.0


class Broker:
    """One node of the plan, stopped or running."""

    def __init__(
        self, plan: Plan, node: Node, *, directory: Path, java: Sequence[str], tls: Path | None = None
    ) -> None:
        self.tls = tls
        self.node = node
        self.plan = plan
        self.directory = directory
        self.java = list(java)
        self.pid: int | None = None
        self._tether: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where the broker writes."""
        return self.directory / "server.log"

    @property
    def alive(self) -> bool:
        """True while the process exists (paused counts)."""
        return self._tether is not None and self._tether.poll() is None

    def configure(self, extra: Mapping[str, str]) -> None:
        """Write server.properties."""
        self.directory.mkdir(parents=True, exist_ok=True)
        text = properties(self.plan, self.node, data=self.directory / "data", extra=extra, tls=self.tls)
        (self.directory / "server.properties").write_text(text)

    def formatting(self) -> subprocess.Popen[bytes] | None:
        """The running format command, or None where the directory is formatted already."""
        if (self.directory / "data" / "meta.properties").exists():
            return None
        words = ("format", "--cluster-id", self.plan.cluster_id, "--initial-controllers", self.plan.voters)
        return self.storage_tool(*words)

    def storage_tool(self, *words: str) -> subprocess.Popen[bytes]:
        """Kafka's own tool for a node's disk, running, with the settings that lie in the directory."""
        line = [
            *self.java,
            "kafka.tools.StorageTool",
            *words,
            "--config",
            str(self.directory / "server.properties"),
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, *flags: str) -> None:
        """Start the process; it serves some time later."""
        with self.log.open("ab") as log:
            self._tether = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), self.java[0], *flags, *self.java[1:], "kafka.Kafka",
                 str(self.directory / "server.properties")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        assert self._tether.stdout is not None
        line = self._tether.stdout.readline()
        if not line:
            raise self.fault("could not be started")
        self.pid = int(line)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal where the process still lives."""
        if self.alive and self.pid is not None:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """SIGSTOP; returns when no thread of it runs any more."""
        self.signal(signal.SIGSTOP)
        if self.alive and self.pid is not None and not wait_still(self.pid):
            raise self.fault("did not stand still when it was paused")

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.signal(signal.SIGKILL)
        self._reap(None)

    def stop(self, *, timeout: float = STOP_S) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds (0: at once); returns when the process is gone."""
        if timeout > 0:
            self.ask_to_stop()
        try:
            self._reap(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask_to_stop(self) -> None:
        """SIGTERM alone; a paused process is resumed to hear it."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)

    def check(self) -> None:
        """Raise where the process has ended by itself."""
        if not self.alive:
            raise self.fault("ended while it was starting")

    def fault(self, problem: str) -> Fault:
        """What went wrong, with the end of the broker's own log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        if "Address already in use" in text or "BindException" in text:
            return Fault(
                f"Broker {self.node.index}: port {self.node.port} or {self.node.controller_port} is in use.",
                remedy="Stop the program that listens there (`ss -ltnp` names it) or give another --port.",
            )
        if "No space left on device" in text:
            remedy = "Free some space and start again."
            return Fault(f"The disk with {self.directory} is full.", remedy=remedy)
        tail = "\n  ".join(text.splitlines()[-15:])
        return Fault(
            f"Broker {self.node.index} {problem}. The end of {self.log}:\n  {tail}",
            remedy="Read that log; a directory that another Kafka version wrote must be removed.",
        )

    def _reap(self, timeout: float | None) -> None:
        if self._tether is None:
            return
        self._tether.wait(timeout)
        for pipe in (self._tether.stdin, self._tether.stdout):
            if pipe is not None:
                pipe.close()
        self.pid = None
