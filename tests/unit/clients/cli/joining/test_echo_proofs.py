"""What proves the echo is computed by `unit check` itself: router's signature, leaf, path and cosignatures, all of them real."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from clients.cli.joining import checking
from clients.cli.joining.checking import check_unit
from keys.ceremony import write_pin
from protocol.errors import ContradaError
from protocol.merkle import inclusion_paths, leaf_hash, root_of
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.proof_file import TlogProof, format_proof, verify_proof
from protocol.trail.batches import delivery_leaves, receipt_of, verify_decisions
from runtime.cli.exits import Exit, of_code
from runtime.process.directory_file import write_statements
from runtime.process.homes import UnitHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.cli.joining.test_checking import ROW, Daemon
from tests.unit.protocol.tlog import small_log


def proof_row(
    leaf: str, record: bytes, salt: bytes, entries: list[bytes], at: int, *witnesses: str
) -> dict[str, Any]:
    hashes = [leaf_hash(entry) for entry in entries]
    head = Checkpoint(small_log.ORIGIN, len(hashes), root_of(hashes))
    note = small_log.signed(head, *witnesses).data
    proof = format_proof(TlogProof(at, inclusion_paths(hashes)[1][at], note))
    return {"leaf": leaf, "record": record.hex(), "salt": salt.hex(), "proof": proof.decode()}


def answers(*witnesses: str) -> tuple[World, dict[str, Any]]:
    """What an honest daemon says of a message of fr that a router accepted, and a second message in the same log."""
    world = World()
    leaves = []
    for _ in range(2):
        world.send("fr", ["it"])
        made = verify_decisions(world.receipts["fr"][-1], parties=world.directory)
        record, leaf = made.records[0], made.leaves[0]
        leaves.append(
            (
                record,
                leaf,
                next(iter(delivery_leaves(record, leaf.record, leaf.salt))),
                world.receipts["fr"][-1],
            )
        )
    entries = [leaf.entry for _, decided, delivered, _ in leaves for leaf in (decided, delivered)]
    record, decided, delivered, receipt = leaves[0]
    rows = [
        proof_row("accepted", decided.record, decided.salt, entries, 0, *witnesses),
        proof_row("delivered", delivered.record, delivered.salt, entries, 1, *witnesses),
    ]
    return world, {
        "outbox": ROW | {"subject": record.header_digest.hex()},
        "proofs": {"proofs": rows},
        "receipts": {"receipts": [{"receipt": receipt_of(receipt, decided.record).hex()}]},
        "other": leaves[1],
    }  # fmt: skip


@pytest.fixture(scope="module")
def honest() -> tuple[World, dict[str, Any]]:
    return answers("fr", "it")


@pytest.fixture
def ends(
    honest: tuple[World, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Exit]:
    """How a check ends with what this daemon says."""
    home = UnitHome(tmp_path)
    world = honest[0]
    write_pin(home.root, world.directory.root, entropy=lambda size: bytes(size))
    write_statements(home.replica, world.directory.snapshot())
    home.ledger_policy.write_text(small_log.text_of_policy(2))

    def end(said: dict[str, Any]) -> Exit:
        monkeypatch.setattr(checking, "DaemonClient", lambda _: Daemon(**said))
        try:
            check_unit(home, timeout=0, tell=lambda _: None)
        except ContradaError as error:
            return of_code(error.code)
        return Exit.OK

    return end


def test_what_is_true_is_proved(honest: tuple[World, dict[str, Any]], ends: Callable[..., Exit]) -> None:
    assert ends(honest[1]) is Exit.OK


def altered(said: dict[str, Any], what: str) -> dict[str, Any]:
    """The same with one lie."""
    said = deepcopy(said)
    rows, receipts = said["proofs"]["proofs"], said["receipts"]["receipts"]
    match what:
        case "another salt":
            rows[0]["salt"] = bytes(32).hex()
        case "no record":
            rows[1]["record"] = None
        case "another place":
            rows[0]["proof"] = rows[1]["proof"]
        case "another message":
            said["outbox"]["subject"] = bytes(32).hex()
        case "no witnesses":
            rows[:] = answers("fr")[1]["proofs"]["proofs"]
            receipts[:] = []
        case "a receipt that nobody signed":
            data = bytearray(bytes.fromhex(receipts[0]["receipt"]))
            data[-1] ^= 1
            receipts[0]["receipt"] = data.hex()
        case "no receipt":
            receipts[:] = []
        case "the receipt of another message":
            _, decided, _, receipt = said["other"]
            receipts[0]["receipt"] = receipt_of(receipt, decided.record).hex()
    return said


LIES = (
    "another salt", "no record", "another place", "another message", "no witnesses", "a receipt that nobody signed",
    "no receipt", "the receipt of another message",
)  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_ends_in_seven(
    lie: str, honest: tuple[World, dict[str, Any]], ends: Callable[..., Exit]
) -> None:
    """Whatever the daemon, the ledger or a router has made up."""
    assert ends(altered(honest[1], lie)) is Exit.VERIFICATION


MUTANTS = [
    (Mutant(checking._proved, forced(False, "record.header_digest.hex()")), "another message"),
    (Mutant(checking._proved, forced(False, "signed")), "no receipt"),
    (Mutant(verify_proof, forced(False, "head.root")), "another salt"),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_each_check_is_needed(
    number: int, honest: tuple[World, dict[str, Any]], ends: Callable[..., Exit]
) -> None:
    mutant, lie = MUTANTS[number]
    await assert_missed(mutant, test_a_lie_ends_in_seven, [lie], honest=honest, ends=ends)
