"""The lock of a home: one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.witness.home import WitnessHome
from runtime.errors import AlreadyRunning
from runtime.process.homes import CentreHome, UnitHome
from runtime.process.lock import LOCK, holder_of

HOMES = [
    (UnitHome, "daemon", "two would break the order"),
    (CentreHome, "command", "wait until that one has ended"),
    (WitnessHome, "witness", "inside the unit's daemon"),
]


@pytest.mark.parametrize(("home", "program", "hint"), HOMES, ids=[program for _, program, _ in HOMES])
def test_a_home_has_one_process(
    tmp_path: Path, home: type[UnitHome | WitnessHome], program: str, hint: str
) -> None:
    """Who comes second is told who is there; afterwards the home is free again."""
    held = home(tmp_path).hold()

    with pytest.raises(
        AlreadyRunning, match=f"another {program} works on {tmp_path}: process {os.getpid()}"
    ) as caught:
        home(tmp_path).hold()
    held.close()
    home(tmp_path).hold().close()

    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_whoever_comes_second_is_told_who_is_there(tmp_path: Path) -> None:
    """Also where an earlier holder wrote a longer id, or none; nobody is named who is gone."""
    for left in ("", "4194304000\n", "none"):
        (tmp_path / LOCK).write_text(left)
        assert holder_of(tmp_path) is None
        held = UnitHome(tmp_path).hold()
        assert holder_of(tmp_path) == os.getpid()
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        held.close()


def test_a_daemon_and_its_witness_do_not_lock_each_other_out(tmp_path: Path) -> None:
    """A unit's home and the witness's home inside it have a lock each."""
    (tmp_path / "witness").mkdir()

    for held in (UnitHome(tmp_path).hold(), WitnessHome(tmp_path / "witness", unit=tmp_path).hold()):
        held.close()


def _remove(path: Path) -> None:
    path.unlink()


def _exchange(path: Path) -> None:
    other = path.with_name("other")
    other.touch()
    other.replace(path)


@pytest.mark.parametrize("wrong", [_remove, _exchange], ids=["removed", "exchanged"])
def test_a_name_that_is_gone_lets_nobody_in(tmp_path: Path, wrong: Callable[[Path], None]) -> None:
    """Whoever removes the file, or puts another in its place, has removed a name and not the lock."""
    held = UnitHome(tmp_path).hold()
    wrong(tmp_path / "lock")

    with pytest.raises(AlreadyRunning):
        UnitHome(tmp_path).hold()
    held.close()
    UnitHome(tmp_path).hold().close()


def test_where_directories_have_no_locks_the_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS gives locks only to what is open for writing: the home is held all the same."""
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    held = UnitHome(tmp_path).hold()

    with pytest.raises(AlreadyRunning):
        UnitHome(tmp_path).hold()
    held.close()


def test_a_file_that_is_removed_while_it_is_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking it may lose its name: then the file that has the name is taken."""
    real, removed = fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and not removed:
            removed.append(True)
            (tmp_path / "lock").unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    held = UnitHome(tmp_path).hold()

    assert os.path.samestat(os.fstat(held.descriptors[-1]), (tmp_path / "lock").stat())
    held.close()


def test_a_full_disk_does_not_keep_a_home_from_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process id is for people; the lock needs no room."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    UnitHome(tmp_path).hold().close()
