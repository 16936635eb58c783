"""The command line as a process of the demo: it ends when the demo does, however that ends.

Standard input is a pipe that only the demo has the other end of. When the demo is gone, killed with SIGKILL
included, the pipe ends, and this process is told to stop as by SIGTERM. A pipe, and not Linux's signal on the
death of a parent: that one comes already when the thread of the demo ends that started this process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

STOP_WITHIN: Final = 30.0
"""Seconds for an orderly end without the demo; a daemon takes 15 at most."""


def end_with_the_demo() -> None:
    """Watch standard input from now on."""
    threading.Thread(target=_watch, name="demo-tether", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_WITHIN)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from clients.cli.main import main

    end_with_the_demo()
    main()
