"""A witness that dies once, at a named point: `failing_witness HOME POINT MARKER`. All else is the real witness.

POINT is `before commit` (the new head is written, and not yet committed) or `after commit` (it is on disk, and
the answer has not left). It kills itself with SIGKILL, and only where MARKER does not exist yet.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from clients.witness.app import run_witness
from clients.witness.head_store import HeadStore
from clients.witness.service import WitnessService

POINTS = {"before commit": (HeadStore, "move"), "after commit": (WitnessService, "answer")}


def install(point: str, marker: Path) -> None:
    """The named method, done to its end, and then death."""
    owner, name = POINTS[point]
    real = getattr(owner, name)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    install(sys.argv[2], Path(sys.argv[3]))
    run_witness(Path(sys.argv[1]))
