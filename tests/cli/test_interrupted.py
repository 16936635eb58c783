"""What was interrupted is made by the same command once more: homes, and copies that a command writes.

Every call of the disk fails once, one after the other, as on a full disk; then there is room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from clients.cli.unit_status import write_evidence
from clients.witness.head_store import HeadStore
from tests.cli.homes import world
from tests.cli.terminal import Seen, contrada
from tests.sim.witnessing import logs_policy

pytestmark = pytest.mark.slow


@contextmanager
def failing(at: int) -> Iterator[list[int]]:
    """The call number `at` to bring something to the disk fails; yields a list of how many there were."""
    real, called = os.fsync, [0]

    def fsync(descriptor: int) -> None:
        called[0] += 1
        if called[0] == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield called


def attempts(make: Callable[[Path], Seen], tmp_path: Path) -> Iterator[Path]:
    """A home for each call that can fail: interrupted there, and then made."""
    for at in count(1):
        home = tmp_path / str(at)
        with failing(at) as called:
            seen = make(home)
        if called[0] < at:
            assert seen.exit == 0, seen
            return
        if seen.exit != 0:  # what fails after the settings are there leaves a home
            assert "o space left on device" in seen.err
            assert make(home).exit in (0, 9)
        yield home


def test_a_units_home_is_made_in_the_end(tmp_path: Path) -> None:
    """Keys, request, root, policy and settings: whatever of it was there is kept, and the rest is added."""
    root, policy, secret = tmp_path / "root.cbor", tmp_path / "policy", tmp_path / "secret"
    root.write_bytes(world().root.encoded())
    policy.write_text(logs_policy())
    secret.write_bytes(os.urandom(32))
    secret.chmod(0o600)

    def make(home: Path) -> Seen:
        return contrada(
            "--home", str(home), "--kafka", "127.0.0.1:9", "--kafka-security", "plain", "unit", "init", "fr", "--root", str(root),
            "--ledger-policy", str(policy), "--secret", str(secret),
        )  # fmt: skip

    made = list(attempts(make, tmp_path / "homes"))
    assert len(made) > 10
    for home in made:
        assert contrada("--home", str(home), "unit", "run", "--check-config").exit == 0
        assert (home / "ledger-policy").read_bytes() == policy.read_bytes()
        assert not list(home.rglob("*.tmp"))


def test_a_witnesss_home_is_made_in_the_end(tmp_path: Path) -> None:
    """Its key and its memory are made once."""

    def make(home: Path) -> Seen:
        return contrada("--home", str(home), "witness", "init", "fr.example/witness", "--policy", str(policy))

    policy = tmp_path / "policy"
    policy.write_text(logs_policy())
    made = list(attempts(make, tmp_path / "homes"))
    assert len(made) > 8
    for home in made:
        assert contrada("--home", str(home), "witness", "run", "--check-config").exit == 0
        assert not list(home.rglob("*.tmp*"))


def test_keys_of_another_unit_are_not_taken_over(tmp_path: Path) -> None:
    """What another unit's init left is not this one's."""
    root = tmp_path / "root.cbor"
    root.write_bytes(world().root.encoded())
    line = [
        "--home",
        str(tmp_path / "home"),
        "--kafka",
        "127.0.0.1:9",
        "--kafka-security",
        "plain",
        "unit",
        "init",
    ]
    assert contrada(*line, "fr", "--root", str(root)).exit == 0
    (tmp_path / "home" / "unit.toml").unlink()

    seen = contrada(*line, "it", "--root", str(root))
    assert seen.exit != 0
    assert "fr" in seen.err or "storage.key" in seen.err
    assert contrada(*line, "fr", "--root", str(root)).exit == 0


def test_what_a_witness_signed_is_not_forgotten_by_a_second_init(tmp_path: Path) -> None:
    """Without its settings it is no witness; made again, it has the memory and the key that it had."""
    home = tmp_path / "w"
    line = ["--home", str(home), "witness", "init", "fr.example/witness"]
    assert contrada(*line).exit == 0
    before = (home / "witness.key").read_bytes(), (home / "heads.sqlite").stat().st_ino
    (home / "witness.toml").unlink()
    assert contrada(*line).exit == 0
    assert before == ((home / "witness.key").read_bytes(), (home / "heads.sqlite").stat().st_ino)
    with pytest.raises(FileExistsError):
        HeadStore.create(home / "heads.sqlite")


def test_evidence_is_a_whole_folder_or_none(tmp_path: Path) -> None:
    """A full disk leaves no piece with half of its notes; the next time writes all, also over an earlier time's."""
    item = {"id": 1, "code": "ledger_fork", "raised": 5, "about": "log", "held": "held note", "shown": "note"}
    found = {"items": [item, {**item, "id": 2, "held": None}]}
    for at in count(1):
        out = tmp_path / str(at)
        with failing(at) as called:
            try:
                write_evidence(found, out)
            except OSError as error:
                assert error.filename is not None
        if called[0] < at:
            break
        for folder in out.iterdir():
            assert (folder / "about.json").exists()
        for _ in range(2):
            assert write_evidence(found, out) == 2
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
            "0001-ledger_fork/about.json", "0001-ledger_fork/held", "0001-ledger_fork/shown",
            "0002-ledger_fork/about.json", "0002-ledger_fork/shown",
        ]  # fmt: skip
    assert at > 5
