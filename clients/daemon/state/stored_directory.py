"""The unit's replica of the key directory, and the file that keeps it over restarts.

    directory.log = ( uint32 big-endian length || statement )*

Owns the file. Every statement is verified again when it is read (keys/directory.py), so the file is not
trusted: a damaged end is cut off, and what is missing comes again from the topic. It is written before
the topic's position is, so the position never runs ahead of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clients.daemon.errors import StoreUnavailable
from keys.directory import Applied, Directory
from keys.root_of_trust import RootOfTrust
from protocol.errors import Rejected
from protocol.limits import MAX_STATEMENT

_LENGTH: Final = 4


class StoredDirectory:
    """A verified directory with its file. Used in the worker's thread only."""

    __slots__ = ("_descriptor", "_good", "_unwritten", "damaged", "directory")

    def __init__(self, path: Path, root: RootOfTrust) -> None:
        """Read the file, or make it."""
        self.directory = Directory(root)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._good = 0
        self._unwritten: list[bytes] = []
        data = path.read_bytes()
        for statement, end in _frames(data):
            try:
                self.directory.apply(statement)
            except Rejected:
                break
            self._good = end
        self.damaged = self._good != len(data)
        """Whether something was cut off: then the topic is to be read from its beginning."""

    def apply(self, statement: bytes) -> Applied:
        """Take a statement in, or `Rejected`. It is on disk after `flush`."""
        applied = self.directory.apply(statement)
        if applied.new:
            self._unwritten.append(statement)
        return applied

    def flush(self) -> None:
        """Write what was taken in; returns when it is durable."""
        if not self._unwritten:
            return
        data = b"".join(len(s).to_bytes(_LENGTH, "big") + s for s in self._unwritten)
        try:
            # Behind the last good frame: what a full disk left of an earlier attempt is written over.
            os.ftruncate(self._descriptor, self._good)
            view, at = memoryview(data), self._good
            while view:
                written = os.pwrite(self._descriptor, view, at)
                view, at = view[written:], at + written
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise StoreUnavailable(f"directory.log: {error.strerror}", full=error.errno == 28) from None
        self._good += len(data)
        self._unwritten.clear()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _frames(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Each whole statement with the place where it ends."""
    at = 0
    while at + _LENGTH <= len(data):
        size = int.from_bytes(data[at : at + _LENGTH], "big")
        at += _LENGTH
        if size > MAX_STATEMENT or at + size > len(data):
            return
        yield data[at : at + size], at + size
        at += size
