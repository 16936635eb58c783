"""Private files on disk: who may read them, and what a crash leaves."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keys.errors import (
    CredentialError,
    KeyFileExists,
    KeyFileExposed,
    KeyFileMissing,
    KeyFileUnreadable,
    KeyStoreError,
)
from keys.sealed_file import MAX_SEALED
from keys.store import (
    check_private_directory,
    destroy_private,
    move_private,
    prepare_directory,
    read_credential,
    read_passphrase,
    read_private,
    read_public,
    write_new,
    write_private,
    write_public,
    write_whole,
)
from tests.unit.keys.world import entropy_of

ENTROPY = entropy_of("store")


def test_written_file_is_ours_alone(tmp_path: Path) -> None:
    """A private file has mode 0600, whatever the umask, and is read back as it was written."""
    path = tmp_path / "a.key"
    before = os.umask(0)
    try:
        write_private(path, b"content", entropy=ENTROPY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private(path) == b"content"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_exposed_file_is_refused(tmp_path: Path, mode: int) -> None:
    """A file that others have any access to is not read; the error says what is and what to do."""
    path = tmp_path / "a.key"
    write_private(path, b"content", entropy=ENTROPY)
    path.chmod(mode)
    with pytest.raises(KeyFileExposed, match=f"0{mode:o}") as caught:
        read_private(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o770])
def test_exposed_directory_is_refused(tmp_path: Path, mode: int) -> None:
    """A directory that others can enter holds no keys."""
    directory = tmp_path / "keys"
    prepare_directory(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(mode)
    with pytest.raises(KeyFileExposed):
        check_private_directory(directory)
    with pytest.raises(KeyFileExposed):
        prepare_directory(directory)


def test_link_is_not_followed(tmp_path: Path) -> None:
    """A link in the place of a key file is refused, for reading and for destroying."""
    path, link = tmp_path / "a.key", tmp_path / "b.key"
    write_private(path, b"content", entropy=ENTROPY)
    link.symlink_to(path)
    with pytest.raises(KeyFileExposed, match="symbolic link"):
        read_private(link)
    with pytest.raises(KeyFileExposed):
        destroy_private(link, entropy=ENTROPY)
    assert read_private(path) == b"content"


def test_pipe_in_the_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    """What is not a regular file is refused at once."""
    path = tmp_path / "a.key"
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyFileExposed, match="not a regular file"):
        read_private(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """A file that somebody else owns is somebody else's to change."""
    path = tmp_path / "a.key"
    write_private(path, b"content", entropy=ENTROPY)
    os.chown(path, 4242, -1)
    with pytest.raises(KeyFileExposed, match="belongs to user 4242"):
        read_private(path)


def test_keys_are_not_overwritten(tmp_path: Path) -> None:
    """Writing over a key needs the caller's word, and a refused write leaves nothing behind."""
    path = tmp_path / "a.key"
    write_private(path, b"first", entropy=ENTROPY)
    with pytest.raises(KeyFileExists):
        write_private(path, b"second", entropy=ENTROPY)
    assert read_private(path) == b"first"
    write_private(path, b"second", entropy=ENTROPY, replace=True)
    assert read_private(path) == b"second"
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, failing: str) -> Iterator[None]:
    """While it lasts, this call of the system fails."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        yield


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_interrupted_replacement_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """A full disk, or an error at any step, leaves the file that was there and no other."""
    path = tmp_path / "a.key"
    write_private(path, b"first", entropy=ENTROPY)

    with full_disk(monkeypatch, failing), pytest.raises(KeyStoreError, match="No space left on device"):
        write_private(path, b"second", entropy=ENTROPY, replace=True)
    assert read_private(path) == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_file_that_is_not_about_keys_fails_in_the_systems_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The same guarantees for a caller who has no keys: the old file stays, and the error is the system's."""
    path = tmp_path / "tile"
    write_whole(path, b"first", entropy=ENTROPY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with full_disk(monkeypatch, failing), pytest.raises(OSError, match="No space left on device"):
        write_whole(path, b"second", entropy=ENTROPY, replace=True)
    with pytest.raises(FileExistsError):
        write_whole(path, b"second", entropy=ENTROPY)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_new(tmp_path: Path) -> None:
    """It is made with its mode, whatever the umask, and never in the place of another or through a link."""
    path, link = tmp_path / "note", tmp_path / "link"
    before = os.umask(0)
    try:
        write_new(path, b"content")
    finally:
        os.umask(before)
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (path, link):
        with pytest.raises(FileExistsError):
            write_new(taken, b"other")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"content"
    assert not (tmp_path / "elsewhere").exists()


def test_destroyed_file_is_overwritten_first(tmp_path: Path) -> None:
    """Before the name is gone, the content is: another link to the same file shows it."""
    path, witness = tmp_path / "a.key", tmp_path / "witness"
    write_private(path, b"content" * 10, entropy=ENTROPY)
    os.link(path, witness)
    destroy_private(path, entropy=ENTROPY)
    assert not path.exists()
    assert len(witness.read_bytes()) == 70
    assert b"content" not in witness.read_bytes()
    with pytest.raises(KeyFileMissing):
        destroy_private(path, entropy=ENTROPY)


def test_missing_file_says_so(tmp_path: Path) -> None:
    """The error of a missing file is ours and names the path."""
    for read in (read_private, read_public, read_credential, read_passphrase, check_private_directory):
        with pytest.raises(KeyFileMissing, match="nothing-here"):
            read(tmp_path / "nothing-here")  # type: ignore[operator]
    with pytest.raises(KeyFileMissing):
        move_private(tmp_path / "nothing-here", tmp_path / "b")


def test_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    """It is refused by its size, as a key and as a secret: its beginning is neither."""
    path = tmp_path / "a.key"
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.truncate(10**12)
    with pytest.raises(KeyFileUnreadable, match=f"at most {MAX_SEALED} bytes.* has {10**12} bytes"):
        read_private(path)
    with pytest.raises(CredentialError, match="bytes"):
        read_passphrase(path)


def test_public_file_may_be_read_but_not_written_by_others(tmp_path: Path) -> None:
    """The pinned root is no secret, but nobody else may exchange it."""
    path = tmp_path / "root.pin"
    write_public(path, b"root", entropy=ENTROPY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert read_public(path) == b"root"
    path.chmod(0o664)
    with pytest.raises(KeyFileExposed):
        read_public(path)


def test_credential_as_a_service_manager_gives_it(tmp_path: Path) -> None:
    """0400 and 0440 are what systemd makes; a link is what orchestrators make; more access is refused."""
    path = tmp_path / "credential"
    path.write_bytes(bytes(range(32)))
    link = tmp_path / "link"
    link.symlink_to(path)
    for mode in (0o400, 0o440, 0o600):
        path.chmod(mode)
        assert read_credential(path).kek(bytes(16)) == read_credential(link).kek(bytes(16))
    for mode in (0o444, 0o460, 0o404, 0o644):
        path.chmod(mode)
        with pytest.raises(KeyFileExposed):
            read_credential(path)


def test_one_line_end_is_no_part_of_the_passphrase(tmp_path: Path) -> None:
    """One line end is not part of the passphrase; what is not text is refused."""
    path = tmp_path / "passphrase"
    path.write_bytes(b"long enough words\n")
    path.chmod(0o400)
    salt = bytes(16)
    with_line_end = read_passphrase(path).kek(salt)
    path.chmod(0o600)
    path.write_bytes(b"long enough words")
    assert read_passphrase(path).kek(salt) == with_line_end
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeyStoreError):
        read_passphrase(path)
    path.write_bytes(b"short\n")
    with pytest.raises(CredentialError):
        read_passphrase(path)
