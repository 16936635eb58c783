"""A program of ours whose clock is wrong: `off_clock FILE MODULE ARGUMENT`, such as `broker.router` and its settings.

FILE has the milliseconds by which it is ahead now. It is read anew at each look at the clock, so a test sets it while
the program runs. All else is the real program.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path


def go_wrong(off: Path) -> None:
    """From here on the wall clock is ahead by what stands in this file."""
    real = time.time_ns

    def wrong() -> int:
        try:
            ahead = int(off.read_text() or "0")
        except (OSError, ValueError):
            ahead = 0  # it is being written
        return real() + ahead * 1_000_000

    time.time_ns = wrong


if __name__ == "__main__":
    file, module, *sys.argv[1:] = sys.argv[1:]
    go_wrong(Path(file))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
