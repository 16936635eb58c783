"""What the tests ask of the machine so that they are quick: memory for their files, and compiled modules that are kept.

Owns both choices, made once before the first test; every process that a test starts inherits them. Rules:
- Files stand in memory only where there is room for all of them and programs may run from there. `TMPDIR`, where it is set,
  decides instead. Nothing is proved less: a killed process leaves in the page cache what it leaves in memory, and a power cut
  is shown by neither. A full disk is a limit of the process (tests/full_disk.py).
- Compiled modules are kept beside their sources even where the environment forbids it: every process of the tests would
  compile the program again, and every worker all tests. `make clean` removes them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""What all tests leave at once, brokers and kept directories included, several times over."""


def settle() -> None:
    """Make both choices for this process and for those that it starts."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def has_room(place: Path) -> bool:
    """Whether this is a file system in memory with room enough, from which programs may run."""
    if not any(line.split()[1:3] == [str(place), "tmpfs"] for line in _lines("/proc/mounts")):
        return False
    found = os.statvfs(place)
    free = min(found.f_bavail * found.f_frsize, _memory_available())
    return free >= ROOM and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY) and os.access(place, os.W_OK)


def _memory_available() -> int:
    return next(
        (int(line.split()[1]) << 10 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")),
        0,
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # not Linux
        return []
