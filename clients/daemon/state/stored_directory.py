"""The unit's replica of the key directory, and the file that keeps it over restarts.

    directory.log = ( uint32 big-endian length || statement )*
    directory.log.before     the same, put aside while the topic is read again from its beginning

Owns the files. Every statement is verified again when it is read (keys/directory.py, and for what is spared
runtime/process/directory_file.py), so the file is not trusted: a damaged end is cut off, and what is missing
comes again from the topic. It is written before the topic's position is, so the position never runs ahead of
it. The replica in memory keeps no statements, since they are here.

A program with other rules of what has its place in the directory leaves another file from the same topic.
Then the topic is read again (`begin_again`), and what was known before must come again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from clients.daemon.errors import StoreUnavailable
from keys.directory import Applied, Directory
from keys.root_of_trust import RootOfTrust
from protocol.errors import Rejected
from protocol.identifiers import digest
from runtime.process.directory_file import VerifiedStatements, framed_statements

_LENGTH: Final = 4


class StoredDirectory:
    """A verified directory with its file. Used in the worker's thread only."""

    __slots__ = ("_descriptor", "_good", "_path", "_unwritten", "_verified", "damaged", "directory")

    def __init__(self, path: Path, root: RootOfTrust, *, verified: VerifiedStatements | None = None) -> None:
        """Read the file, or make it."""
        self._path = path
        self._verified = verified
        known = b"" if verified is None else verified.read()
        self.directory = Directory(root, verified=known, keeps=False)
        self._descriptor = _opened(path)
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

    def begin_again(self) -> None:
        """Forget every statement, to read all of the topic; what was known is put aside until `settled`."""
        try:
            # Of two that did not come to their end the first was whole.
            if not self._before.exists():
                os.ftruncate(self._descriptor, self._good)
                self._path.replace(self._before)
            self._path.unlink(missing_ok=True)
            fresh = _opened(self._path)
        except OSError as error:
            raise StoreUnavailable(f"directory.log: {error.strerror}", full=error.errno == 28) from None
        os.close(self._descriptor)
        self._descriptor, self._good = fresh, 0
        self._unwritten.clear()
        known = self.directory.digests
        self.directory = Directory(self.directory.root, verified=known, keeps=False)

    @property
    def is_read_again(self) -> bool:
        """Whether there is something put aside that was not settled."""
        return self._before.exists()

    def missing(self) -> int:
        """How many statements of what was put aside did not come again."""
        with self._before.open("rb") as file:
            return sum(not self.directory.has(digest(statement)) for statement in framed_statements(file))

    def settled(self) -> None:
        """What was put aside came again: it is not needed any more."""
        self._before.unlink(missing_ok=True)

    @property
    def _before(self) -> Path:
        return self._path.with_name(self._path.name + ".before")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
