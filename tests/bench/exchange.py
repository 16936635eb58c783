"""An exchange as the load generator sees it: where its daemons listen, and what its processes have used.

It is served by a process of its own (served.py), from this tree or from another one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import served
from tests.bench.stage import cpu_seconds

HERE = Path(__file__).resolve().parents[2]
HUB = ("kafka", "router")
"""What stands between two units."""


@dataclass(frozen=True)
class Exchange:
    """A running exchange of two units, one of which sends to the other."""

    kafka: str
    tls: bool
    """Whether Kafka knows its clients by certificates, with rights; else all is plain."""

    homes: dict[str, str]
    sockets: dict[str, str]
    pids: dict[str, list[int]]

    @property
    def home(self) -> Path:
        """The sender's."""
        return Path(self.homes["sender"])

    def cpu(self, *processes: str) -> float:
        """Seconds of CPU that these have used so far; all of the exchange's where none is named."""
        return cpu_seconds(*(pid for name in processes or self.pids for pid in self.pids[name]))


@contextlib.contextmanager
def exchange(*, ledger: bool = False, tls: bool = False, of: Path = HERE) -> Iterator[Exchange]:
    """An exchange on a broker of its own, warmed by nothing yet; of this tree or another one with its own .venv."""
    options = [*["--ledger"] * ledger, *["--tls"] * tls]
    command = [str(of / ".venv" / "bin" / "python"), "-P", str(served.__file__), *options]
    with subprocess.Popen(command, cwd=of, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the exchange of {of} did not start: see above")
            yield Exchange(**json.loads(line))
        finally:
            process.stdin.close()
            process.wait(120)
