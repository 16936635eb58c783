"""The lock of a home: one process at a time works there.

Owns the file `lock`, with the id of the process that holds it. The kernel releases it with the process, so a
crash leaves nothing to clean up.

Two locks, because a name can be removed: whoever deletes the file `lock` while a daemon runs would let a
second one in, which makes the file anew and locks that. So the directory is locked as well, which nobody can
exchange while the home is in it. Some network file systems lock no directories: there the file alone counts.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime.errors import AlreadyRunning

LOCK: Final = "lock"
_MOST_DIGITS: Final = 32

_NO_LOCKS_HERE: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})


class HomeLock:
    """A home that this process holds."""

    __slots__ = ("descriptors",)

    def __init__(self, *descriptors: int) -> None:
        self.descriptors = descriptors
        """A process that inherits one of them holds the home, too, until it ends."""

    def close(self) -> None:
        """Leave the home to others."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def lock_home(home: Path, *, program: str, hint: str) -> HomeLock:
    """Hold the home until it is closed; `AlreadyRunning` if another process has it."""
    taken: list[int] = []
    try:
        taken.append(_locked_directory(home))
        taken.append(_locked_file(home / LOCK))
    except BlockingIOError:
        HomeLock(*taken).close()
        holder = holder_of(home)
        whose = "" if holder is None else f": process {holder}"
        raise AlreadyRunning(f"another {program} works on {home}{whose}", hint=hint) from None
    except BaseException:
        HomeLock(*taken).close()
        raise
    with suppress(OSError):  # on a full disk it is held all the same, and nobody learns by whom
        os.ftruncate(taken[-1], 0)
        os.pwrite(taken[-1], b"%d\n" % os.getpid(), 0)
    return HomeLock(*taken)


def _locked_directory(home: Path) -> int:
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            os.close(descriptor)
            raise
    return descriptor


def _locked_file(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two calls somebody may have removed the file: what is locked is what has the name.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def holder_of(home: Path) -> int | None:
    """The process that wrote itself down as the holder, if it still lives. For people: the lock decides."""
    try:
        with (home / LOCK).open("rb") as file:
            holder = int(file.read(_MOST_DIGITS))
        if holder > 0:  # others are groups of processes
            os.kill(holder, 0)
            return holder
    except PermissionError:  # another user's, which lives
        return holder
    except (OSError, ValueError, OverflowError):
        pass
    return None
