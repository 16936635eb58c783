"""Writing files, whole or not at all: what a person asked for, settings, evidence, copies.

    write_new_files    new ones, all of them or none; never over another
    replace_file       one in the place of what is there
    new_file, new_folder    for what another library writes by name: given its name when it is complete

Everything is on the disk before it has its name, so a full disk, a crash or SIGKILL leaves no part of a file,
and nothing that keeps the next attempt from succeeding. What is new has no name at all meanwhile, where the
file system can do that: a process that is killed leaves no copy of an attachment behind.

Owns how, for every file of the program but keys and other private files (keys/store.py), databases, and tiles
in the ledger's store. An error is an `OSError` that names the file.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from keys.store import sync_directory, sync_file, write_all, write_whole
from runtime.errors import Conflict

_READABLE: Final = 0o644
_OPEN, _PRIVATE = 0o666, 0o600
_CANNOT: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
"""What a file system says that has no files without names; ENOENT where /proc is not there."""

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})

Naming = Callable[[Path], None]
"""Gives a finished file its name; `FileExistsError` where there is one of that name."""


def write_new_file(
    path: Path, data: bytes, *, hint: str = "name another directory", private: bool = False
) -> None:
    """Write a new file; `Conflict` where there is one of that name."""
    write_new_files({path: data}, hint=hint, private=private)


def write_new_files(
    files: Mapping[Path, bytes],
    *,
    hint: str = "name another directory",
    again: bool = False,
    private: bool = False,
) -> None:
    """Write new files, all or none; `Conflict` where there is one of such a name.

    `private`: nobody but their owner reads them (0600). Others have what the umask leaves of 0666.

    Where only some are there, with the same content, the others are added: a process that was killed between
    two names has left them so. `again` is for what may be done twice: there, all of them may be there.
    """
    wanted = {path: data for path, data in files.items() if not _is_there(path, data)}
    wanted = wanted if wanted or again else dict(files)
    for path in wanted:
        if os.path.lexists(path):
            raise Conflict(f"{path} is there already", hint=hint)
    named: list[Path] = []
    mode = _PRIVATE if private else _OPEN
    try:
        with ExitStack() as prepared:
            naming = {
                path: prepared.enter_context(_prepared(path, data, mode)) for path, data in wanted.items()
            }
            for path, give_name in naming.items():
                with _naming_the(path):
                    give_name(path)
                named.append(path)
        for folder in {path.parent for path in named}:
            _settle(folder)
    except BaseException as error:
        for path in named:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise Conflict(f"{error.filename} is there already", hint=hint) from None
        raise


def replace_file(path: Path, data: bytes, *, mode: int = _READABLE) -> None:
    """Write a file in the place of what is there, if anything is."""
    with _naming_the(path):
        write_whole(path, data, entropy=os.urandom, mode=mode, replace=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A name beside this one to write a file under; it is in the place of what is there at the end."""
    beside = _beside(path)
    try:
        yield beside
        with _naming_the(path):
            sync_file(beside)
            beside.replace(path)
        _settle(path.parent)
    finally:
        for left in beside.parent.glob(f"{beside.name}*"):  # a database leaves its log beside it
            left.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside this one to write files into; it has the name at the end, with all that is in it."""
    beside = _beside(path)
    beside.mkdir(mode=0o700)
    try:
        yield beside
        with _naming_the(path):
            for each in beside.iterdir():
                sync_file(each)
            sync_directory(beside)
            beside.rename(path)
        _settle(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _settle(folder: Path) -> None:
    """Bring the names to the disk, where that can be asked for: some network shares do not know how."""
    try:
        sync_directory(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise OSError(error.errno, error.strerror, str(folder)) from None


def _is_there(path: Path, data: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False


def _beside(path: Path) -> Path:
    # Not the name itself with more to it: that may be too long for the disk.
    return path.with_name(f".{os.urandom(8).hex()}.tmp")


@contextmanager
def _prepared(path: Path, data: bytes, mode: int) -> Iterator[Naming]:
    """The content on the disk, without its name."""
    try:
        with _naming_the(path):
            descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno not in _CANNOT or not path.parent.is_dir():
            raise
        with _prepared_by_name(path, data, mode) as naming:
            yield naming
        return
    try:
        with _naming_the(path):
            write_all(descriptor, data)
        yield lambda target: _link_unnamed(descriptor, target)
    finally:
        os.close(descriptor)


def _link_unnamed(descriptor: int, target: Path) -> None:
    # linkat(2), which follows the link that /proc has; the directory's descriptor makes Python call it.
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{descriptor}", target.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


@contextmanager
def _prepared_by_name(path: Path, data: bytes, mode: int) -> Iterator[Naming]:
    beside = _beside(path)
    try:
        with _naming_the(path):
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                write_all(descriptor, data)
            finally:
                os.close(descriptor)
        yield lambda target: _link(beside, target)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def _link(beside: Path, target: Path) -> None:
    try:
        os.link(beside, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A disk without links, such as a stick: the name is taken first, and what has it then is replaced.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        beside.replace(target)


@contextmanager
def _naming_the(path: Path) -> Iterator[None]:
    """An error of the system names this file, and not what it was called on the way."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
