"""Files are written whole or not at all: on a full disk, over another's name, and by a process that is killed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime import files
from runtime.errors import Conflict
from runtime.files import new_file, new_folder, replace_file, write_new_file, write_new_files
from tests.full_disk import room
from tests.waiting import ended

ROOT = Path(__file__).resolve().parents[3]
BIG = os.urandom(300_000)


def _unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on this disk."""


def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has no files without names."""
    monkeypatch.setattr(os, "O_TMPFILE", 1 << 40 | os.O_DIRECTORY, raising=False)
    real = os.open

    def refuse(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & 1 << 40:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported", str(path))
        return real(path, flags, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)


def _linkless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has no links either, as the file systems of sticks."""
    _named(monkeypatch)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


DISKS = (_unnamed, _named, _linkless)


@pytest.fixture(params=DISKS, ids=lambda disk: disk.__name__[1:])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of disk."""
    request.param(monkeypatch)


def there(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden files included."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("disk")
def test_new_files_are_all_there(tmp_path: Path) -> None:
    """With the rights that the person's umask leaves, and nothing beside them; the longest name works."""
    wanted = {tmp_path / "a": b"first", tmp_path / ("b" * 255): b"", tmp_path / "c": BIG}
    before = os.umask(0o027)
    try:
        write_new_files(wanted)
    finally:
        os.umask(before)

    assert there(tmp_path) == {path.name: data for path, data in wanted.items()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in wanted} == {0o640}


@pytest.mark.usefixtures("disk")
def test_a_full_disk_at_the_second_file_leaves_none_and_the_retry_works(tmp_path: Path) -> None:
    """Half a file under its name would be taken for the whole, and would block the next attempt."""
    wanted = {tmp_path / "a": b"small", tmp_path / "b": BIG, tmp_path / "c": b"small, too"}

    with room(100_000), pytest.raises(OSError, match="File too large") as caught:
        write_new_files(wanted)
    assert caught.value.filename == str(tmp_path / "b")
    assert there(tmp_path) == {}
    write_new_files(wanted)
    assert there(tmp_path) == {path.name: data for path, data in wanted.items()}


@pytest.mark.usefixtures("disk")
def test_nothing_is_written_over(tmp_path: Path) -> None:
    """One name that is taken, and none of the files is written; a link that leads nowhere is taken, too."""
    for number, make in enumerate((lambda p: p.write_bytes(b"mine"), lambda p: p.symlink_to("nowhere"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / "b")
        with pytest.raises(Conflict, match="b is there already"):
            write_new_files({folder / "a": b"first", folder / "b": b"second"})
        assert [path.name for path in folder.iterdir()] == ["b"]
        assert not (folder / "nowhere").exists()


@pytest.mark.usefixtures("disk")
def test_what_an_attempt_left_whole_is_no_conflict(tmp_path: Path) -> None:
    """Killed between two names: the same once more completes it, and another content does not pass."""
    (tmp_path / "a").write_bytes(b"first")
    write_new_files({tmp_path / "a": b"first", tmp_path / "b": b"second"})
    assert there(tmp_path) == {"a": b"first", "b": b"second"}
    (tmp_path / "b").unlink()
    for other in (b"firs", b"first "):
        with pytest.raises(Conflict):
            write_new_files({tmp_path / "a": other, tmp_path / "b": b"second"})
    assert there(tmp_path) == {"a": b"first"}
    with pytest.raises(Conflict):
        write_new_file(tmp_path / "a", b"first")
    write_new_files({tmp_path / "a": b"first"}, again=True)
    with pytest.raises(Conflict):
        write_new_files({tmp_path / "a": b"other"}, again=True)


@pytest.mark.usefixtures("disk")
def test_a_name_that_is_taken_meanwhile_takes_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the naming another process may be faster."""
    real = files._prepared

    @contextmanager
    def slow(path: Path, data: bytes, mode: int) -> Iterator[files.Naming]:
        with real(path, data, mode) as naming:
            if path.name == "b":
                path.write_bytes(b"another's")
            yield naming

    monkeypatch.setattr(files, "_prepared", slow)
    with pytest.raises(Conflict, match="b is there already"):
        write_new_files({tmp_path / "a": b"first", tmp_path / "b": b"second"})
    assert there(tmp_path) == {"b": b"another's"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says what was to be written, not what it was called on the way."""
    path = tmp_path / "no" / "file"
    for write in (write_new_file, replace_file):
        with pytest.raises(FileNotFoundError) as caught:
            write(path, b"")
        assert caught.value.filename == str(path)


def test_a_share_that_cannot_sync_its_names_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing more to ask of it; a disk that fails is another matter, and leaves nothing."""
    for code, written in ((errno.EINVAL, True), (errno.EIO, False)):

        def fail(_: Path, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(files, "sync_directory", fail)
        path = tmp_path / str(code)
        try:
            write_new_file(path, b"data")
        except OSError as error:
            assert error.filename == str(tmp_path)
        assert path.exists() is written


def test_a_replacement_is_whole(tmp_path: Path) -> None:
    """The old file or the new one, and no other."""
    path = tmp_path / "settings"
    replace_file(path, b"old")
    with room(1000), pytest.raises(OSError, match="File too large") as caught:
        replace_file(path, BIG)
    assert caught.value.filename == str(path)
    assert there(tmp_path) == {"settings": b"old"}
    replace_file(path, BIG, mode=0o600)
    assert there(tmp_path) == {"settings": BIG}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_library_writes_has_its_name_at_the_end(tmp_path: Path) -> None:
    """Whatever goes wrong in between, what was there stays, and no part is left beside it."""
    path = tmp_path / "copy.sqlite"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), new_file(path) as beside:
        beside.write_bytes(b"half")
        raise KeyError
    assert there(tmp_path) == {"copy.sqlite": b"old"}
    with new_file(path) as beside:
        beside.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert there(tmp_path) == {"copy.sqlite": b"new"}


def test_a_folder_is_there_with_all_that_is_in_it(tmp_path: Path) -> None:
    """Or not at all."""
    path = tmp_path / "piece"
    with room(1000), pytest.raises(OSError, match="File too large"), new_folder(path) as beside:
        (beside / "a").write_bytes(b"small")
        (beside / "b").write_bytes(BIG)
    assert list(tmp_path.iterdir()) == []
    with new_folder(path) as beside:
        (beside / "a").write_bytes(b"small")
        assert not path.exists()
    assert there(path) == {"a": b"small"}
    assert list(tmp_path.iterdir()) == [path]


def _new(path: Path) -> None:
    write_new_file(path, b"data")


def _library(path: Path) -> None:
    with new_file(path) as beside:
        beside.write_bytes(b"data")


def _folder(path: Path) -> None:
    with new_folder(path) as beside:
        (beside / "a").write_bytes(b"data")


@pytest.mark.parametrize("write", [_new, _library, _folder, lambda path: replace_file(path, b"data")])
def test_what_has_its_name_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    """A power failure leaves no empty file under a name: the content first, then the name, then its folder."""
    path, seen, real = tmp_path / "file", [], os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        is_folder = os.fstat(descriptor).st_ino == tmp_path.stat().st_ino
        seen.append((is_folder, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write(path)
    assert seen[0] == (False, False)
    assert seen[-1] == (True, True)


KILLED = """
import os, sys, time
from pathlib import Path
from runtime import files
real = files._link_unnamed
def link(descriptor, target):
    if target.name == "b":
        print("now", flush=True)
        time.sleep(600)
    real(descriptor, target)
files._link_unnamed = link
folder = Path(sys.argv[1])
files.write_new_files({folder / "a": b"first", folder / "b": b"second" * 100_000})
"""


def test_a_process_that_is_killed_leaves_no_part(tmp_path: Path) -> None:
    """SIGKILL between two names: what has its name is whole, nothing else is there, and the retry completes it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"now\n"
    process.kill()
    ended(process)

    assert there(tmp_path) == {"a": b"first"}
    write_new_files({tmp_path / "a": b"first", tmp_path / "b": b"second"})
    assert there(tmp_path) == {"a": b"first", "b": b"second"}
