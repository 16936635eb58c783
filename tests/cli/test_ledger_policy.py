"""`unit init --ledger-policy`: the file is checked before anything is made, and lies in the home afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clients.cli.main import run_line
from clients.daemon.state.ledger_state import read_followed_policy
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity
from protocol.identifiers import UnitId
from tests.sim.one_log import policy, policy_of


@pytest.fixture
def init(tmp_path: Path):
    root = RootOfTrust((SoftIdentity.generate(UnitId("root"), os.urandom).public,))
    (tmp_path / "root.cbor").write_bytes(root.encoded())

    def init(text: str) -> int:
        (tmp_path / "policy").write_text(text)
        return run_line([
            "--home", str(tmp_path / "fr"), "--kafka", "127.0.0.1:1", "--kafka-security", "plain", "unit", "init", "fr",
            "--root", str(tmp_path / "root.cbor"), "--ledger-policy", str(tmp_path / "policy"),
        ])  # fmt: skip

    return init


def test_a_policy_lies_in_the_home(init, tmp_path: Path) -> None:
    """As it was given, and readable for the daemon."""
    assert init(policy_of()) == 0
    assert read_followed_policy(tmp_path / "fr" / "ledger-policy") == policy()


def test_a_file_that_is_no_policy_makes_no_home(init, tmp_path: Path, capsys) -> None:
    """The line that is wrong is named, and the same command works with the right file."""
    assert init("log nonsense\nquorum none\n") == 2
    assert "line 1" in capsys.readouterr().err
    assert not (tmp_path / "fr").exists()
    assert init(policy_of()) == 0
