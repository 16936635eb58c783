"""A unit's receipts: what a router signed of its messages, as files that an auditor verifies offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.cli.receipt_files import write_receipts
from clients.daemon.receiving.receipts import receipts_of_message
from protocol.envelope.wire import parse_delivery
from protocol.errors import Code, Rejected
from protocol.identifiers import new_message_id, read_id
from protocol.trail.batches import receipt_of, verify_decisions
from runtime.errors import Conflict, NotFound
from tests.cli.terminal import Seen, contrada
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called
from tests.sim.ledger import Ledger
from tests.sim.world import World
from tests.unit.clients.audit.audits import flip
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump

pytestmark = pytest.mark.slow


def of(unit: UnitFixture, message_id: str) -> list[dict]:
    """What the local API says of a message."""
    return receipts_of_message(unit.context, read_id(message_id))["receipts"]


def written(unit: UnitFixture, message_id: str, out: Path) -> list[Path]:
    """The files that the command writes from it."""
    found = receipts_of_message(unit.context, read_id(message_id))
    write_receipts(found, out)
    return [Path(row["file"]) for row in found["receipts"]]


def ledger_of(world: World, path: Path) -> Ledger:
    """The ledger that takes in all that routers of this world wrote."""
    path.mkdir()
    ledger = Ledger(path, world=world)
    ledger.start()
    for value in world.audit:
        made = ledger.made_of(value)
        ledger.append(made.entries, made.rows, made.signed)
    ledger.publish()
    return ledger


def verified(receipt: Path, ledger: Path) -> Seen:
    """`contrada audit verify receipt`, with nothing but the copy, its policy and the root."""
    trust = ("--policy", str(ledger / "policy"), "--root", str(ledger / "root.cbor"), "--json")
    return contrada("audit", "verify", "receipt", str(receipt), str(ledger), *trust)


def test_what_a_unit_hands_out_verifies_offline(
    world: World, es: UnitFixture, pt: UnitFixture, tmp_path: Path
) -> None:
    """The sender's and the addressee's file are the same bytes, and find decision and delivery in the log."""
    mids = [es.submit("pt").id for _ in range(3)]
    pump(world, es, pt)
    ledger = ledger_of(world, tmp_path / "ledger")
    out = tmp_path / "evidence"

    for message_id in mids:
        (sent,), (received,) = written(es, message_id, out), written(pt, message_id, out)
        assert (sent.name, received.name) == (
            f"{message_id}-sent-accepted.receipt",
            f"{message_id}-received-accepted.receipt",
        )
        assert sent.read_bytes() == received.read_bytes()
        seen = verified(sent, ledger.path)
        assert seen.exit == 0, seen
        assert [row["what"] for row in json.loads(seen.out)] == ["accepted", "delivered to pt"]


def test_it_is_the_routers_own_byte_for_byte(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """What the sender's daemon cuts from the decisions is what the router put beside each delivery."""
    mids = [es.submit("pt").id for _ in range(5)]
    pump(world, es, pt)

    carried = [parse_delivery(value).receipt for value in world.inboxes["pt"]]
    assert [bytes.fromhex(of(es, message_id)[0]["receipt"]) for message_id in mids] == carried[:5]
    assert [bytes.fromhex(of(pt, message_id)[0]["receipt"]) for message_id in mids] == carried[:5]


def test_a_changed_byte_ends_in_7(world: World, es: UnitFixture, pt: UnitFixture, tmp_path: Path) -> None:
    """Wherever it stands: in the record, the salt, the path or the router's signature."""
    message_id, _ = es.submit("pt").id, es.submit("pt")
    pump(world, es, pt)
    ledger = ledger_of(world, tmp_path / "ledger")
    (receipt,) = written(es, message_id, tmp_path / "evidence")
    whole = receipt.read_bytes()

    for at in range(0, len(whole), len(whole) // 12):
        flip(receipt, at)
        assert verified(receipt, ledger.path).exit == 7, at
        receipt.write_bytes(whole)


def test_a_receipt_says_nothing_of_other_messages(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """What stood beside it in the router's transaction is in it as hashes only."""
    one, other = es.submit("pt").id, es.submit("pt").id
    pump(world, es, pt)

    assert read_id(other) not in bytes.fromhex(of(es, one)[0]["receipt"])
    assert read_id(one) in bytes.fromhex(of(es, one)[0]["receipt"])


def test_a_refusal_has_its_receipt(world: World, es: UnitFixture, tmp_path: Path) -> None:
    """A router signs its refusals too, and the log has them."""
    message_id = es.submit("nz").id
    pump(world, es)
    ledger = ledger_of(world, tmp_path / "ledger")

    assert es.state(message_id) == "refused"
    (receipt,) = written(es, message_id, tmp_path / "evidence")
    assert receipt.name == f"{message_id}-sent-rejected.receipt"
    assert verified(receipt, ledger.path).exit == 0


def test_there_is_none_yet_or_never(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """An unknown id, an undecided message, and one from before receipts were kept: what it is, what to do."""
    message_id = es.submit("pt").id
    with pytest.raises(NotFound, match="no router has decided") as caught:
        of(es, message_id)
    assert "try again in a moment" in caught.value.hint
    with pytest.raises(NotFound, match="nothing is known here") as caught:
        receipts_of_message(es.context, new_message_id(world.now, world.entropy))
    assert "outbox ls" in caught.value.hint

    pump(world, es, pt)
    with es.context.transaction():
        es.context.store.write("DELETE FROM decided_in")
    with pytest.raises(NotFound, match="before receipts were kept") as caught:
        of(es, message_id)
    assert f"message trace {message_id}" in caught.value.hint


def test_receipts_survive_a_kill_and_are_kept_once(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """They are committed with the decision; decisions of one transaction are one row."""
    mids = [es.submit("pt").id for _ in range(4)]
    pump(world, es, pt)
    before = [of(es, message_id) for message_id in mids]
    es.restart()

    assert [of(es, message_id) for message_id in mids] == before
    assert len({each[0]["receipt"] for each in before}) == 4
    assert es.rows("SELECT count(*) FROM decisions") < [(4,)]


def test_files_are_never_written_over(world: World, es: UnitFixture, pt: UnitFixture, tmp_path: Path) -> None:
    """Evidence that is there stays."""
    message_id = es.submit("pt").id
    pump(world, es, pt)
    written(es, message_id, tmp_path / "evidence")

    with pytest.raises(Conflict, match="is there already"):
        written(es, message_id, tmp_path / "evidence")


def test_a_record_of_another_transaction_has_no_receipt_in_this_one(world: World) -> None:
    """A receipt is cut for a record that the router signed, and for no other."""
    world.send("fr", ["it"])
    world.send("fr", ["it"])
    first, second = world.receipts["fr"]
    (foreign,) = verify_decisions(first, parties=world.directory).leaves

    with pytest.raises(Rejected) as caught:
        receipt_of(second, foreign.record)
    assert caught.value.reason is Code.E_RECEIPT
    assert receipt_of(first, foreign.record) == parse_delivery(world.inboxes["it"][0]).receipt


def test_a_receipt_of_the_wrong_place_is_noticed(
    world: World, es: UnitFixture, pt: UnitFixture, tmp_path: Path
) -> None:
    """The mutant that cuts every receipt from the first place of the transaction hands out false ones."""
    mids = [es.submit("pt").id for _ in range(3)]
    pump(world, es, pt)
    ledger = ledger_of(world, tmp_path / "ledger")

    with mutated(Mutant(receipt_of, called("_receipt", "_receipt(_0, 0, _2, _3)"))):
        exits = [
            verified(written(es, message_id, tmp_path / f"evidence-{at}")[0], ledger.path).exit
            for at, message_id in enumerate(mids)
        ]
    assert 7 in exits


def test_what_was_signed_goes_with_the_last_message_that_it_was_about(world, es, pt) -> None:
    """Two messages of one transaction: the first takes nothing along, the second all."""
    for _ in range(2):
        es.submit("pt")
    pump(world, es, pt, rounds=1)
    rows = es.rows("SELECT sealing, decisions FROM decided_in ORDER BY sealing")
    assert len(rows) == 2
    left = {row[1] for row in rows}
    for sealing, _ in rows:
        with es.context.transaction():
            es.context.store.write("DELETE FROM sealings WHERE id = ?", sealing)
        still = {row[0] for row in es.rows("SELECT id FROM decisions")}
        needed = {row[1] for row in rows if row[0] > sealing}
        assert still == left & needed
