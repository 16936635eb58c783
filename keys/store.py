"""Files on disk: private ones, and atomic writing of any. All of this package's file access is here.

Rules:
- A private file belongs to the user who runs this, in a directory that nobody else can write to, and has
  mode 0600 or less. It is checked on the open descriptor, so it cannot be exchanged in between; links are
  not followed.
- Writing is atomic and durable: temporary file, fsync, link or rename, fsync of the directory. A crash
  leaves the old file or the new one. A forgotten temporary file has the same mode, and a key in it is sealed.
- Nothing is overwritten unless the caller says so.
- What fails ends in an error of this package. `write_whole`, `write_new`, `write_all`, `sync_file` and
  `sync_directory` know nothing of keys, and end in `OSError`: runtime/files.py is made of them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keys.errors import (
    CredentialError,
    KeyFileExists,
    KeyFileExposed,
    KeyFileMissing,
    KeyFileUnreadable,
    KeyStoreError,
)
from keys.sealed_file import MAX_SEALED
from keys.unlock import CREDENTIAL_SIZE, Credential, Passphrase, Secret
from protocol.identifiers import Entropy

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700
_PUBLIC_MODE = 0o644
_TO_OTHERS = 0o077
_WRITE_TO_OTHERS = 0o022
_TOKEN = b"pkcs11:"


def prepare_directory(directory: Path) -> None:
    """Make the directory if need be, and refuse one that others can enter."""
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyStoreError(
            f"{directory} cannot be made: {(error.strerror or type(error).__name__).lower()}",
            hint="choose another place, or take what is there away",
        ) from None
    check_private_directory(directory)


def check_private_directory(directory: Path) -> None:
    """Refuse a key directory that others can enter or that belongs to somebody else."""
    with _as_our_error(directory):
        found = directory.stat()
    _check_owner(found, directory)
    if found.st_mode & _TO_OTHERS:
        raise _exposed(directory, found, _DIRECTORY_MODE)


def read_private(path: Path) -> bytes:
    """The file's bytes, if only its owner can read it."""
    with _as_our_error(path), _opened(path, os.O_RDONLY) as descriptor:
        found = os.fstat(descriptor)
        _check_regular(found, path)
        _check_owner(found, path)
        if found.st_mode & _TO_OTHERS:
            raise _exposed(path, found, _FILE_MODE)
        return _read(descriptor, path, found, KeyFileUnreadable)


def write_private(path: Path, data: bytes, *, entropy: Entropy, replace: bool = False) -> None:
    """Write the file atomically; `KeyFileExists` unless it may replace one."""
    with _as_our_error(path):
        write_whole(path, data, entropy=entropy, replace=replace)


def write_public(path: Path, data: bytes, *, entropy: Entropy) -> None:
    """The same for a file that everybody may read."""
    with _as_our_error(path):
        write_whole(path, data, mode=_PUBLIC_MODE, entropy=entropy)


def write_whole(
    path: Path, data: bytes, *, entropy: Entropy, mode: int = _FILE_MODE, replace: bool = False
) -> None:
    """The same for a file that need not be about keys; `OSError` where it fails."""
    # Not the name itself with more to it: that may be too long for the disk.
    temporary = path.with_name(f".{entropy(8).hex()}.tmp")
    try:
        write_new(temporary, data, mode=mode)
        if replace:
            temporary.replace(path)
        else:
            # A link fails where a rename would overwrite: two processes cannot both make this key.
            os.link(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    sync_directory(path.parent)


def write_new(path: Path, data: bytes, *, mode: int = _FILE_MODE) -> None:
    """Make a file and bring its content to the disk; `OSError` where it fails, or where there is one.

    A crash leaves a part of it, and its name is on the disk only after `sync_directory`: it is for files that
    are not read before they are renamed, by themselves or with their folder.
    """
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        os.fchmod(descriptor, mode)
        write_all(descriptor, data)


def write_all(descriptor: int, data: bytes) -> None:
    """Write it, however many calls that takes, and bring it to the disk; `OSError` where it fails."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Bring to the disk what somebody else wrote into a file; `OSError` where it fails."""
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def sync_directory(directory: Path) -> None:
    """Bring to the disk which files a directory has: `fsync` of a file does not. `OSError` where it fails."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_private(source: Path, target: Path) -> None:
    """Put one private file in the place of another, atomically."""
    with _as_our_error(source):
        source.replace(target)
        sync_directory(target.parent)


def destroy_private(path: Path, *, entropy: Entropy) -> None:
    """Overwrite and remove. Overwriting is best effort: a disk may keep old blocks, which are sealed."""
    with _as_our_error(path):
        with _opened(path, os.O_WRONLY) as descriptor:
            write_all(descriptor, entropy(os.fstat(descriptor).st_size))
        path.unlink()
        sync_directory(path.parent)


def read_public(path: Path) -> bytes:
    """A file that everybody may read, but only its owner may change."""
    with _as_our_error(path), _opened(path, os.O_RDONLY) as descriptor:
        found = os.fstat(descriptor)
        _check_regular(found, path)
        _check_owner(found, path)
        if found.st_mode & _WRITE_TO_OTHERS:
            raise _exposed(path, found, _PUBLIC_MODE)
        return _read(descriptor, path, found, KeyFileUnreadable)


def read_credential(path: Path) -> Secret:
    """A credential from a file, as in `$CREDENTIALS_DIRECTORY/<name>` (the caller knows the path).

    The file may name a token instead, by one line `pkcs11:...` (keys/token): then that opens the keys.
    """
    data = _read_secret(path)
    if data.startswith(_TOKEN) and len(data) != CREDENTIAL_SIZE:
        from keys.token.named import token_of  # noqa: PLC0415 - only in a process that has a token

        return token_of(data, path)
    return Credential(data)


def read_pin_file(path: Path) -> str:
    """A token's PIN from a file; one line end behind it is not part of it."""
    try:
        return _read_secret(path).decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CredentialError(f"{path} is not text", hint="write the PIN alone, in UTF-8") from None


def read_passphrase(path: Path) -> Passphrase:
    """A passphrase from a file; one line end behind it is not part of it."""
    try:
        text = _read_secret(path).decode()
    except UnicodeDecodeError:
        raise KeyStoreError(f"{path} is not text", hint="write the passphrase in UTF-8") from None
    return Passphrase(text.removesuffix("\n").removesuffix("\r"))


def _read_secret(path: Path) -> bytes:
    # Orchestrators hand secrets out as links into a volume that they exchange as a whole.
    with _as_our_error(path), _opened(path, os.O_RDONLY, follow=True) as descriptor:
        found = os.fstat(descriptor)
        _check_regular(found, path)
        # systemd gives the service's user access by an ACL, which shows as a group bit for reading, and
        # the file is root's. So the group may read here, but nobody else, and only the owner writes.
        if found.st_mode & 0o037:
            raise _exposed(path, found, 0o400)
        return _read(descriptor, path, found, CredentialError)


@contextmanager
def _opened(path: Path, flags: int, *, follow: bool = False) -> Iterator[int]:
    # O_NONBLOCK: a named pipe in the place of a key file must not block before it is refused.
    links = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, flags | links | os.O_CLOEXEC | os.O_NONBLOCK, _FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _as_our_error(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise KeyFileMissing(f"there is no {path}", hint="check the path, or create the keys first") from None
    except FileExistsError:
        raise KeyFileExists(
            f"{path} is there already", hint="move it away first; keys are not overwritten"
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise KeyFileExposed(f"{path} is a symbolic link", hint="put the file itself there") from None
        raise KeyStoreError(
            f"{path}: {error.strerror}", hint="check the path, its owner and the disk"
        ) from None


def _read(descriptor: int, path: Path, found: os.stat_result, fault: type[KeyStoreError]) -> bytes:
    # Refused, never cut: the beginning of a wrong file must not become somebody's passphrase.
    if found.st_size > MAX_SEALED:
        raise fault(
            f"such a file has at most {MAX_SEALED} bytes, and {path} has {found.st_size} bytes",
            hint="is it the right file?",
        )
    data = b""
    while chunk := os.read(descriptor, MAX_SEALED - len(data)):
        data += chunk
    return data


def _check_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileExposed(f"{path} is not a regular file", hint="put the file itself there")


def _check_owner(found: os.stat_result, path: Path) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise KeyFileExposed(
            f"{path} belongs to user {found.st_uid}, and user {os.geteuid()} runs this",
            hint=f"chown {os.geteuid()} {path}",
        )


def _exposed(path: Path, found: os.stat_result, wanted: int) -> KeyFileExposed:
    return KeyFileExposed(
        f"{path} has mode {stat.S_IMODE(found.st_mode):04o}: others have access",
        hint=f"chmod {wanted:o} {path}",
    )
