"""The calls by which our code writes files and databases, watched: what is on the disk, and what fails.

Owns which of Python's calls these are (`os.open`, `os.write`, `os.fsync`, `os.link`, `os.replace` and the like, and
`sqlite3.connect`), and what each disk knows of them. What a power cut makes of it is tests/years/disks.py.
SQLite's own calls are not seen; a full disk and a read-only one are made by its own means (max_page_count, query_only),
so that its errors are its own.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

NORMAL: Final = 1
_WAL_HEADER, _FRAME_HEADER = 32, 24
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Name:
    """One change of a name that its directory may not have on the disk yet."""

    path: Path
    before: bytes | None
    """What had the name before; None where nothing had."""

    moved_from: Path | None = None


@dataclass(frozen=True, slots=True)
class WalEnd:
    """How far a write-ahead log is on the disk."""

    header: bytes
    end: int


class Database(sqlite3.Connection):
    """A connection that can be found again."""


@dataclass(eq=False)
class Calls:
    """What one disk knows, and whether it works."""

    full: bool = False
    locked: bool = False
    lost: bool = False
    countdown: int = 0
    at_loss: Callable[[], object] | None = None
    synced: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By inode: size and time of change when it was brought to the disk."""

    flushed: dict[Path, WalEnd] = field(default_factory=dict)
    names: list[Name] = field(default_factory=list)
    _databases: list[tuple[Path, weakref.ref[Database]]] = field(default_factory=list)

    def settle(self, home: Path) -> None:
        """All that is there is on the disk."""
        self.names.clear()
        self.synced.clear()
        for entry in _files(home):
            found = entry.stat()
            self.synced[found.st_ino] = (found.st_size, found.st_mtime_ns)
            if entry.name.endswith("-wal"):
                self._flush(Path(entry.path))

    def step(self, *, grows: bool = False) -> None:
        """A call that changes something; `OSError` where the disk does not take it."""
        if self.countdown:
            self.countdown -= 1
            if not self.countdown:
                self.lost = True
                if self.at_loss is not None:
                    self.at_loss()
        if self.lost:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.locked:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if self.full and grows:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, descriptor: int, path: Path) -> None:
        """`fsync` of a file or of a directory."""
        self.step()
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self.names = [name for name in self.names if name.path.parent != path]
            return
        self.synced[found.st_ino] = (found.st_size, found.st_mtime_ns)
        if path.name.endswith("-wal"):
            self._flush(path)

    def changes(self, path: Path, *, moved_from: Path | None = None) -> None:
        """A name is made, replaced or removed: what it was before is remembered until the directory is synced."""
        before = None
        with suppress(OSError):
            if path.is_file():
                before = path.read_bytes()
        self.names.append(Name(path, before, moved_from))

    # Databases.

    def opened(self, path: Path, database: Database) -> None:
        """A database of this disk was opened."""
        self._databases.append((path, weakref.ref(database)))
        if self.full or self.locked:
            self._tell(database)

    def tell_databases(self) -> None:
        """They have room or not, and may write or not."""
        for _, database in self._alive():
            self._tell(database)

    def close_databases(self) -> None:
        """Those that a process left open when it was killed; the files are to be replaced."""
        for _, database in self._alive():
            with suppress(sqlite3.Error):
                database.close()
        self._databases.clear()

    def levels(self) -> dict[Path, int]:
        """How much each open database brings to the disk by itself: PRAGMA synchronous."""
        found: dict[Path, int] = {}
        for path, database in self._alive():
            with suppress(sqlite3.Error):
                found[path] = database.execute("PRAGMA synchronous").fetchone()[0]
        return found

    def _tell(self, database: Database) -> None:
        with suppress(sqlite3.Error):
            pages = database.execute("PRAGMA page_count").fetchone()[0] if self.full else 2**32 - 2
            database.execute(f"PRAGMA max_page_count={pages}").fetchone()
            database.execute(f"PRAGMA query_only={int(self.locked)}")

    def _alive(self) -> list[tuple[Path, Database]]:
        alive = [(path, database) for path, ref in self._databases if (database := ref()) is not None]
        self._databases = [(path, weakref.ref(database)) for path, database in alive]
        return alive

    def _flush(self, path: Path) -> None:
        known = self.flushed.get(path)
        with path.open("rb") as file:
            header = file.read(_WAL_HEADER)
            begin = known.end if known is not None and known.header == header else 0
            self.flushed[path] = WalEnd(header, _end_of(file, header, begin))


def frames_until(data: bytes) -> int:
    """Where the frames of a write-ahead log end that belong to its header."""
    import io

    return _end_of(io.BytesIO(data), data[:_WAL_HEADER], 0)


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """All files below a folder."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.is_file():
                yield entry


def _end_of(file: Any, header: bytes, begin: int) -> int:
    if len(header) < _WAL_HEADER:
        return 0
    size = _FRAME_HEADER + (int.from_bytes(header[8:12], "big") or 65_536)
    place, salt = max(begin, _WAL_HEADER), header[16:24]
    while True:
        file.seek(place)
        frame = file.read(_FRAME_HEADER)
        if len(frame) < _FRAME_HEADER or frame[8:16] != salt:
            return place
        place += size


CallsOf = Callable[[Path], Calls | None]


@contextmanager
def watching(calls_of: CallsOf) -> Iterator[None]:
    """These calls go through their disk, until the end."""
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "link", "unlink")}
    connect = sqlite3.connect

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & _WRITES and dir_fd is None:
            name = _path(path)
            calls = calls_of(name)
            if calls is not None:
                is_named = flags & os.O_CREAT and not name.exists()
                calls.step(grows=bool(flags & (os.O_CREAT | os.O_TMPFILE)))
                if is_named:
                    calls.changes(name)
        return real["open"](path, flags, mode, dir_fd=dir_fd)

    def write(descriptor: int, data: Any) -> int:
        calls = calls_of(_of_descriptor(descriptor))
        if calls is not None:
            calls.step(grows=True)
        return real["write"](descriptor, data)

    def sync(descriptor: int) -> None:
        path = _of_descriptor(descriptor if isinstance(descriptor, int) else descriptor.fileno())
        calls = calls_of(path)
        if calls is None:
            real["fsync"](descriptor)
        else:
            calls.sync(descriptor, path)

    def replace(
        source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        name = _path(target, dst_dir_fd)
        calls = calls_of(name)
        if calls is not None:
            calls.step()
            calls.changes(name, moved_from=_path(source, src_dir_fd))
        real["replace"](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def link(
        source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:  # fmt: skip
        name = _path(target, dst_dir_fd)
        calls = calls_of(name)
        real["link"](
            source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks
        )
        if calls is not None:
            try:
                calls.step()
            except OSError:
                real["unlink"](target, dir_fd=dst_dir_fd)
                raise
            calls.names.append(Name(name, None))

    def unlink(path: Any, *, dir_fd: int | None = None) -> None:
        name = _path(path, dir_fd)
        calls = calls_of(name)
        if calls is not None:
            calls.step()
            if name.exists():
                calls.changes(name)
        real["unlink"](path, dir_fd=dir_fd)

    def connect_(database: Any, *given: Any, **settings: Any) -> sqlite3.Connection:
        settings.setdefault("factory", Database)
        made: sqlite3.Connection = connect(database, *given, **settings)
        path = _database_path(database)
        calls = calls_of(path)
        if calls is not None and isinstance(made, Database):
            calls.opened(path, made)
        return made

    with ExitStack() as patched:
        for name, function in (
            ("open", open_), ("write", write), ("fsync", sync), ("fdatasync", sync), ("replace", replace),
            ("rename", replace), ("link", link), ("unlink", unlink), ("remove", unlink),
        ):  # fmt: skip
            patched.enter_context(patch.object(os, name, function))
        patched.enter_context(patch.object(sqlite3, "connect", connect_))
        patched.enter_context(patch.object(sqlite3.dbapi2, "connect", connect_))
        yield


def _path(path: Any, directory: int | None = None) -> Path:
    name = Path(os.fsdecode(path))
    return (_of_descriptor(directory) / name if directory is not None else name).absolute()


def _of_descriptor(descriptor: int) -> Path:
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    except OSError:
        return Path("/")


def _database_path(database: Any) -> Path:
    text = os.fsdecode(database)
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    return Path(text).absolute()
