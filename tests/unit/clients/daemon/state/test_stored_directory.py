"""The file of the directory's replica: whatever happens to it, what is read from it was verified."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clients.daemon.errors import StoreUnavailable
from clients.daemon.state.stored_directory import StoredDirectory
from keys.unlock import Credential
from protocol.errors import Rejected
from runtime.errors import NotVerified
from runtime.process.directory_file import VerifiedStatements, read_statements
from tests.sim.world import World


@pytest.fixture
def written(tmp_path: Path) -> tuple[World, Path, list[bytes]]:
    """A replica file with all statements of a world."""
    world = World()
    statements = world.directory.snapshot()
    replica = StoredDirectory(tmp_path / "directory.log", world.directory.root)
    for statement in statements:
        replica.apply(statement)
    replica.flush()
    replica.close()
    return world, tmp_path / "directory.log", statements


def test_it_is_there_after_a_restart(written):
    """The same statements, the same head, and nothing to read again."""
    world, path, _ = written
    replica = StoredDirectory(path, world.directory.root)
    assert replica.directory.head == world.directory.head
    assert not replica.damaged


def test_a_torn_end_is_cut_off_and_written_anew(written):
    """However many bytes a crash left of the last write, the rest holds and the file heals."""
    world, path, statements = written
    whole = path.read_bytes()
    for kept in (len(whole) - 1, len(whole) - len(statements[-1]) - 3, len(whole) - len(statements[-1])):
        path.write_bytes(whole[:kept])
        replica = StoredDirectory(path, world.directory.root)
        assert replica.damaged
        assert replica.directory.head.size == len(statements) - 1
        replica.apply(statements[-1])
        replica.flush()
        replica.close()
        assert path.read_bytes() == whole


def test_a_file_of_zeros_is_not_read_to_its_end(written):
    """However long it is: no statement is empty, so nothing of it is taken, and it heals."""
    world, path, statements = written
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    replica = StoredDirectory(path, world.directory.root)
    assert (replica.damaged, replica.directory.head.size) == (True, 0)
    with pytest.raises(NotVerified):
        read_statements(path)
    replica.apply(statements[0])
    replica.flush()
    replica.close()
    assert read_statements(path) == statements[:1]


def test_a_changed_byte_is_found(written):
    """The file is not trusted: from the first statement that does not verify, nothing is taken."""
    world, path, statements = written
    data = bytearray(path.read_bytes())
    third = sum(4 + len(statement) for statement in statements[:2])
    data[third + 300] ^= 1
    path.write_bytes(data)
    replica = StoredDirectory(path, world.directory.root)

    assert replica.damaged
    assert replica.directory.head.size == 2


def test_a_statement_that_does_not_hold_leaves_no_trace(written):
    """Neither in memory nor in the file."""
    world, path, statements = written
    replica = StoredDirectory(path, world.directory.root)
    before = path.read_bytes()
    with pytest.raises(Rejected):
        replica.apply(statements[0][:-1] + bytes([statements[0][-1] ^ 1]))
    replica.apply(statements[0])  # known already
    replica.flush()
    assert path.read_bytes() == before


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What could not be written is written by the next flush, whole."""
    world = World()
    replica = StoredDirectory(tmp_path / "directory.log", world.directory.root)
    for statement in world.directory.snapshot():
        replica.apply(statement)
    real = os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        if at > 5000:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:5000], at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StoreUnavailable) as error:
            replica.flush()
    assert error.value.status == 507
    replica.flush()
    replica.close()

    assert (
        StoredDirectory(tmp_path / "directory.log", world.directory.root).directory.head
        == world.directory.head
    )


def test_signatures_are_verified_once(written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The next start reads the same statements without a signature; what is new is verified and remembered."""
    monkeypatch.setattr("runtime.process.directory_file._WORTH_WRITING", 1)
    world, path, _ = written
    root, kept = world.directory.root, tmp_path / "directory.verified"

    def opened() -> StoredDirectory:
        return StoredDirectory(path, root, verified=VerifiedStatements(kept, root, Credential(bytes(32))))

    opened().close()
    with monkeypatch.context() as without_signatures:
        without_signatures.setattr("keys.statements.verify", None)
        replica = opened()
    world.enrol("se")
    for statement in world.directory.snapshot():
        replica.apply(statement)
    replica.flush()
    replica.close()
    monkeypatch.setattr("keys.statements.verify", None)
    assert opened().directory.head == world.directory.head
