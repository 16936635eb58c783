"""What the ledger's own sequencer writes stands an audit: the two were written apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.ledger.directory_sequencer import DirectorySequencer
from broker.ledger.log_storage import LogStorage, prefix_of
from clients.audit.findings import FindingKind
from protocol.tlog.policy_text import ledger_policy
from tests.sim.ledger import put
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, KEYS, NAME, Rig, world_of
from tests.unit.clients.audit.audits import audit, kinds


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A directory that the sequencer filled, published without witnesses."""
    rig = Rig(tmp_path, world_of(12))
    rig.run(rig.writer())
    directory = DirectorySequencer(LogStorage(rig.records, rig.store, NAME), KEYS.signers)
    directory.resume(rig.world.directory)
    directory.advance(rig.world.directory, now=NOON)
    put(tmp_path / "policy", ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys).encode())
    put(tmp_path / "root.cbor", rig.world.directory.root.encoded())
    for state in rig.records.states():
        put(tmp_path / prefix_of(state.origin, NAME) / "checkpoint", state.checkpoint)
    rig.records.close()
    return tmp_path


def test_what_the_sequencer_writes_verifies(ledger: Path) -> None:
    """Decisions of the real router, garbage among them, sequenced by the real ledger, with its signatures.

    The statements of the directory are not announced here: that is for the ledger's process to do.
    """
    done = audit(ledger)

    assert {each.kind for each in done.wrong} == {FindingKind.STATEMENT_UNANNOUNCED}
    assert {log.head.checkpoint.origin for log in done.logs} == {AUDIT, f"{NAME}/directory"}
    assert not {FindingKind.RECORDS_UNREADABLE} & {each.kind for each in done.findings}


def test_and_what_somebody_changes_does_not(ledger: Path) -> None:
    """The same directory with one byte of an entry changed."""
    files = [path for path in (ledger / "audit/2026h2/tile/entries").rglob("*") if path.is_file()]
    entries = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(entries.read_bytes())
    data[40] ^= 1
    entries.write_bytes(data)

    assert FindingKind.ENTRY_ALTERED in kinds(ledger)
