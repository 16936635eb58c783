"""The unit's replica of the key directory, and the file that keeps it over restarts.

    directory.log = ( uint32 big-endian length || statement )*

Owns the file. Every statement is verified again when it is read (keys/directory.py, and for what is spared
runtime/process/directory_file.py), so the file is not trusted: a damaged end is cut off, and what is missing
comes again from the topic. It is written before the topic's position is, so the position never runs ahead of
it. The replica in memory keeps no statements, since they are here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from clients.daemon.errors import StoreUnavailable
from keys.directory import Applied, Directory
from keys.root_of_trust import RootOfTrust
from protocol.errors import Rejected
from runtime.process.directory_file import VerifiedStatements, framed_statements

_LENGTH: Final = 4


class StoredDirectory:
    """A verified directory with its file. Used in the worker's thread only."""

    __slots__ = ("_descriptor", "_good", "_unwritten", "_verified", "damaged", "directory")

    def __init__(self, path: Path, root: RootOfTrust, *, verified: VerifiedStatements | None = None) -> None:
        """Read the file, or make it."""
        self._verified = verified
        known = b"" if verified is None else verified.read()
        self.directory = Directory(root, verified=known, keeps=False)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._good = 0
        self._unwritten: list[bytes] = []
        with path.open("rb") as file:
            for statement in framed_statements(file):
                try:
                    self.directory.apply(statement)
                except Rejected:
                    break
                self._good = file.tell()
        self.damaged = self._good != os.fstat(self._descriptor).st_size
        """Whether something was cut off: then the topic is to be read from its beginning."""
        self._keep_verified()

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
        self._keep_verified()

    def _keep_verified(self) -> None:
        if self._verified is not None and self._verified.is_due(self.directory.head.size):
            self._verified.write(self.directory.digests)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
