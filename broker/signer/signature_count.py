"""How many signatures a signer has made: a file to which is only added.

    2026-12-01T16:40:07Z 1200 start
    2026-12-01T16:40:09Z 1300 -
    2026-12-01T17:02:11Z 1221 end

One compares it with the ledger: more signatures than batches there, and somebody else had some. Rule: the
file is never behind. A number is written before the signatures up to it are made, a hundred at a time, and
brought to the disk; at an orderly end the exact one is written. After a kill it is up to a hundred too high,
and the line of the next start shows that no `end` stands before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from keys.store import write_all
from protocol.identifiers import Millis
from protocol.times import show_time
from runtime.errors import Misconfigured

AHEAD: Final = 100
_TAIL: Final = 512


class SignatureCount:
    """The count of one signer."""

    def __init__(self, path: Path, clock: Callable[[], Millis]) -> None:
        self._clock = clock
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be written ({error.strerror})",
                hint="correct 'count', or its directory's rights",
            ) from None
        self.total = self._written = self._last(path)
        self._add("start")

    def next(self) -> int:
        """The number of the signature that is made now; it is on the disk before this returns."""
        self.total += 1
        if self.total > self._written:
            self._written = self.total - 1 + AHEAD
            self._add("-")
        return self.total

    def close(self) -> None:
        """Write down the exact number."""
        self._written = self.total
        self._add("end")
        os.close(self._file)

    def _add(self, what: str) -> None:
        write_all(self._file, f"{show_time(self._clock())} {self._written} {what}\n".encode())

    def _last(self, path: Path) -> int:
        size = os.fstat(self._file).st_size
        lines = os.pread(self._file, _TAIL, max(0, size - _TAIL)).decode("ascii", "replace").split("\n")
        if size == 0:
            return 0
        # What was cut off by a power failure is no line: the one before counts, and then a hundred more.
        whole = [line.split(" ") for line in lines[:-1]]
        numbers = [int(parts[1]) for parts in whole if len(parts) == 3 and parts[1].isdecimal()]
        if not numbers:
            raise Misconfigured(
                f"{path} is not a count of signatures", hint="move it away, and note that you did"
            )
        if lines[-1]:
            write_all(self._file, b"\n")
            return numbers[-1] + AHEAD
        return numbers[-1]
