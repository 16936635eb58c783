"""Under which names a message's proofs and receipts are written: never under another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.cli.proof_files import write_proof_files
from clients.cli.receipt_files import write_receipts
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import returning

ID = "0190a5f2-7c1e-7a00-8000-3c5e9f0d1b2a"


def proofs(*senders: str) -> dict:
    row = {"leaf": "delivered", "log": "l", "index": 1, "record": "00", "salt": "00"}
    return {"id": ID, "proofs": [row | {"sender": sender, "proof": f"of {sender}"} for sender in senders]}


def receipts(*senders: str) -> dict:
    rows = [
        {"side": "received", "sender": s, "leaf": "accepted", "receipt": s.encode().hex()} for s in senders
    ]
    return {"id": ID, "receipts": rows}


def test_an_id_names_the_files_of_its_message(tmp_path: Path) -> None:
    """Alone where one sender has used it."""
    write_proof_files(proofs("it"), tmp_path / "p")
    write_receipts(receipts("it", "it"), tmp_path / "r")
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        f"{ID}-delivered.json",
        f"{ID}-delivered.tlog-proof",
    ]
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        f"{ID}-received-accepted-2.receipt",
        f"{ID}-received-accepted.receipt",
    ]


def test_where_two_used_one_id_the_sender_is_in_the_name(tmp_path: Path) -> None:
    """Each proof is of the message whose sender its name says, and all are written."""
    write_proof_files(proofs("it", "es"), tmp_path / "p")
    write_receipts(receipts("it", "es"), tmp_path / "r")
    for sender in ("it", "es"):
        assert (tmp_path / "p" / f"{ID}-{sender}-delivered.tlog-proof").read_text() == f"of {sender}"
        assert (tmp_path / "r" / f"{ID}-{sender}-received-accepted.receipt").read_text() == sender


def test_the_name_of_the_sender_is_tested(tmp_path: Path) -> None:
    """By the id alone one proof would stand in the place of another."""
    with (
        mutated(Mutant("clients.cli.proof_files:whose", returning("message_id"))),
        pytest.raises((AssertionError, OSError)),
    ):
        test_where_two_used_one_id_the_sender_is_in_the_name(tmp_path)
