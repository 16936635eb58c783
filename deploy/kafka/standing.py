"""Waiting until a process is stopped after SIGSTOP.

Owns: the look into `/proc`. Rule: `kill` returns when the signal is noted, not when it has worked. On busy
cores the threads of a broker could run for 60 ms more (measured), so a caller that pauses a process waits
here until it is silent.
"""

from __future__ import annotations

import time
from pathlib import Path

PROC = Path("/proc")
STOPPED = "T"
BOUND_S = 60.0
PAUSE_S = 0.001


def wait_still(pid: int, *, within: float = BOUND_S) -> bool:
    """Wait until every thread is stopped or the process is gone; False after `within` seconds.

    Where there is no `/proc` nothing can be seen, and it answers at once.
    """
    deadline = time.monotonic() + within
    while not still(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_S)
    return True


def still(pid: int) -> bool:
    """True where no thread of the process can run."""
    return all(state == STOPPED for state in map(_state, (PROC / str(pid)).glob("task/*/stat")))


def _state(stat: Path) -> str:
    """The one-letter state of a thread (proc(5): behind the name, which may hold any character)."""
    try:
        return stat.read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return STOPPED  # the thread ended between the listing and the look
