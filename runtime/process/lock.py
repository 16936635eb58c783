"""The lock of a home: one process at a time works there.

Owns the file `lock`. The kernel releases it with the process, so a crash leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from runtime.errors import AlreadyRunning


def lock_home(home: Path, *, program: str, hint: str) -> int:
    """Hold the home until the returned descriptor is closed; `AlreadyRunning` if another process has it."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(f"another {program} works on {home}", hint=hint) from None
    return descriptor
