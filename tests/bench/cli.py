"""How long a person waits for the command line, whole processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.figures import Figure

ROUNDS = 9


def contrada() -> str:
    """The installed console script."""
    return str(Path(sys.executable).with_name("contrada"))


def milliseconds(*command: str) -> float:
    """One run of a whole process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def beside_bare_python(rounds: int, *command: str) -> tuple[float, float]:
    """Medians of the command and of a bare interpreter, run in turn."""
    runs = [(milliseconds(*command), milliseconds(sys.executable, "-c", "")) for _ in range(rounds)]
    ours, bare = zip(*runs, strict=True)
    return statistics.median(ours), statistics.median(bare)


def help_figure() -> Figure:
    """`contrada --help`, beside the bare interpreter."""
    milliseconds(contrada(), "--help")
    return Figure("cli_help_ms", *beside_bare_python(ROUNDS, contrada(), "--help"))
