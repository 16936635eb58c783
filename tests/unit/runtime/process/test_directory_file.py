"""Which statements were verified here: the file is believed by whom it belongs to, or it is as if not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keys.ceremony import write_pin
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.sealed_file import seal_file
from keys.unlock import Credential, Passphrase
from protocol.canonical import encode
from runtime.process import directory_file
from runtime.process.directory_file import (
    VerifiedStatements,
    local_directory,
    verified_statements,
    write_statements,
)
from runtime.process.homes import Home
from tests.unit.keys.world import World, identity

SECRET = Credential(b"\x05" * 32)
DIGESTS = bytes(range(256)) * 32 * 9
"""Of 2,304 statements."""


@pytest.fixture
def root() -> RootOfTrust:
    return RootOfTrust((identity("root").public,))


@pytest.fixture
def path(tmp_path: Path, root: RootOfTrust) -> Path:
    """A file as it was kept."""
    VerifiedStatements(tmp_path / "directory.verified", root, SECRET).write(DIGESTS)
    return tmp_path / "directory.verified"


def test_what_was_kept_is_there_after_a_restart(path: Path, root: RootOfTrust) -> None:
    """However many statements: such a file is larger than one of a key."""
    assert len(path.read_bytes()) > 65_536
    assert VerifiedStatements(path, root, SECRET).read() == DIGESTS
    assert path.stat().st_mode & 0o077 == 0


def test_without_a_file_everything_is_verified(tmp_path: Path, root: RootOfTrust) -> None:
    """The first start knows nothing, and a process without the setting keeps nothing."""
    assert VerifiedStatements(tmp_path / "none", root, SECRET).read() == b""
    assert verified_statements(None, root, SECRET) is None


def test_who_has_not_the_secret_vouches_for_nothing(tmp_path: Path, root: RootOfTrust) -> None:
    """A file that somebody else sealed, with whatever else is right, is as if it were not there."""
    path = tmp_path / "directory.verified"
    for other in (Credential(b"\x06" * 32), Passphrase("six words of another person here")):
        VerifiedStatements(path, root, other).write(DIGESTS)
        assert VerifiedStatements(path, root, SECRET).read() == b""


def test_every_damage_ends_in_nothing(path: Path, root: RootOfTrust) -> None:
    """A torn, changed, emptied or exchanged file is no error: the signatures are verified."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    other = seal_file(encode([1]), purpose="verified-statements", secret=SECRET, entropy=os.urandom)
    for data in (b"", whole[:-1], whole + b"\0", bytes(changed), os.urandom(100), other):
        path.write_bytes(data)
        assert VerifiedStatements(path, root, SECRET).read() == b""
    path.unlink()
    path.mkdir()
    assert VerifiedStatements(path, root, SECRET).read() == b""


def test_a_key_file_is_no_such_file(path: Path, root: RootOfTrust) -> None:
    """Everything that the secret seals is for one purpose."""
    item = encode([1, directory_file._verifier(), directory_file.digest(root.encoded()), DIGESTS])
    path.write_bytes(seal_file(item, purpose="identity", secret=SECRET, entropy=os.urandom))
    assert VerifiedStatements(path, root, SECRET).read() == b""


def test_another_root_begins_anew(path: Path) -> None:
    """What holds from one pinned root says nothing about another one."""
    assert VerifiedStatements(path, RootOfTrust((identity("root", 2).public,)), SECRET).read() == b""


def test_another_version_verifies_everything_once(
    path: Path, root: RootOfTrust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program or a library that is stricter than the one before is not told what that one took."""
    monkeypatch.setattr(directory_file, "version", lambda name: f"{name} of tomorrow")
    assert VerifiedStatements(path, root, SECRET).read() == b""
    VerifiedStatements(path, root, SECRET).write(DIGESTS)
    assert VerifiedStatements(path, root, SECRET).read() == DIGESTS


def test_it_is_written_when_enough_is_new(path: Path, root: RootOfTrust) -> None:
    """It is written as a whole, so its parts are not written for every statement."""
    fresh = VerifiedStatements(path.parent / "fresh", root, SECRET)
    assert (fresh.is_due(255), fresh.is_due(256)) == (False, True)
    kept = VerifiedStatements(path, root, SECRET)
    kept.read()
    assert (kept.is_due(2304 + 287), kept.is_due(2304 + 288)) == (False, True)


def test_a_disk_that_refuses_is_no_failure(tmp_path: Path, root: RootOfTrust) -> None:
    """Nothing but the time of the next start depends on it."""
    kept = VerifiedStatements(tmp_path / "not" / "there", root, SECRET)
    kept.write(DIGESTS)
    assert not kept.is_due(2304)


def test_it_spares_the_next_replica_the_signatures(tmp_path: Path) -> None:
    """From one replica through the file to another: the same directory."""
    world = World()
    world.enrol("fr")
    VerifiedStatements(tmp_path / "kept", world.root, SECRET).write(world.directory.digests)
    read = VerifiedStatements(tmp_path / "kept", world.root, SECRET).read()
    again = Directory.replay(world.root, world.directory.snapshot(), verified=read)
    assert again.head == world.directory.head


def test_a_command_spares_what_its_home_has_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the home's secret; without it, and with another one, every signature is verified."""
    world, home = World(), Home(tmp_path)
    world.enrol("fr")
    write_pin(home.root, world.root, entropy=os.urandom)
    write_statements(home.replica, world.directory.snapshot())
    VerifiedStatements(home.verified, world.root, SECRET).write(world.directory.digests)
    for secret in (SECRET, None, Credential(bytes(32))):
        assert local_directory(home, secret=secret).head == world.directory.head
    monkeypatch.setattr("keys.statements.verify", None)
    assert local_directory(home, secret=SECRET).head == world.directory.head
    with pytest.raises(TypeError):
        local_directory(home)
