"""Whoever writes the log may still write the wrong things: what an audit finds though every hash is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.audit.findings import FindingKind
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from protocol.errors import Code
from protocol.identifiers import Digest, UnitId, digest
from protocol.trail.acts import unverified
from protocol.trail.ledger_leaves import own_leaf
from tests.sim.ledger import LEDGER, Ledger, put
from tests.unit.clients.audit.audits import audit, found, kinds, sql

pytestmark = pytest.mark.slow


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger whose directory is announced."""
    ledger = Ledger(tmp_path)
    ledger.start()
    return ledger


def test_an_honest_ledger_is_complete(ledger: Ledger) -> None:
    """Decisions, deliveries, announcements and a second half-year: nothing is found."""
    ledger.decide(400, refused=[7])
    ledger.next_half_year()
    ledger.world.enrol("es")
    ledger.announce()
    ledger.decide(5)
    ledger.publish()

    done = audit(ledger.path)
    assert done.wrong == []
    assert [log.head.checkpoint.size for log in done.logs] == [shard.tree.size for shard in ledger.shards] + [
        ledger.directory.tree.size
    ]


@pytest.mark.parametrize("addressee", [0, 1])
def test_a_delivery_has_no_leaf(ledger: Ledger, addressee: int) -> None:
    """Each addressee of an accepted message has its leaf."""
    made = ledger.made_of(ledger.route())
    ledger.append([entry for at, entry in enumerate(made.entries) if at != 1 + addressee], made.rows)
    ledger.publish()

    assert FindingKind.DELIVERY_MISSING in kinds(ledger.path)


def test_a_delivery_has_two_leaves(ledger: Ledger) -> None:
    """And no second one."""
    made = ledger.made_of(ledger.route())
    ledger.append([*made.entries, made.entries[-1]], made.rows, made.signed)
    ledger.publish()

    assert found(ledger.path) == [(FindingKind.DELIVERY_STRAY, "", ledger.log.tree.size - 1)]


def test_deliveries_stand_in_another_order(ledger: Ledger) -> None:
    """They stand in the order of the header, so that whoever has a receipt knows which leaf is whose."""
    made = ledger.made_of(ledger.route())
    ledger.append([made.entries[0], made.entries[2], made.entries[1]], made.rows)
    ledger.publish()

    assert {FindingKind.DELIVERY_STRAY, FindingKind.DELIVERY_MISSING} <= kinds(ledger.path)


def test_a_submission_is_decided_twice(ledger: Ledger) -> None:
    """One position of an outbox has one decision."""
    decisions = ledger.route()
    for _ in range(2):
        made = ledger.made_of(decisions)
        ledger.append(made.entries, made.rows, made.signed)
    ledger.publish()

    assert found(ledger.path) == [(FindingKind.DECISION_TWICE, "", ledger.log.tree.size - 3)]


def test_a_submission_is_decided_again_in_the_next_half_year(ledger: Ledger) -> None:
    """Also over the border of two logs."""
    decisions = ledger.route()
    made = ledger.made_of(decisions)
    ledger.append(made.entries, made.rows, made.signed)
    ledger.next_half_year()
    made = ledger.made_of(decisions)
    ledger.append(made.entries, made.rows, made.signed)
    ledger.publish()

    assert [kind for kind, _, _ in found(ledger.path)] == [FindingKind.DECISION_TWICE]


def put_back(ledger: Ledger, *, stated: bool = True, again: int = 2) -> int:
    """Ten decisions, and four that are undone; so many of their places are decided again. The way back's leaf."""
    ledger.decide(10)
    first = ledger.log.tree.size
    ledger.decide(4)
    leaf = ledger.go_back(first, offset=10)
    ledger.decide(again)
    if stated:
        ledger.put_back(leaf)
    ledger.publish()
    return leaf


def test_a_kafka_that_was_put_back_is_explained(ledger: Ledger) -> None:
    """The ledger went back, two people state why: what was undone is decided again, and nothing is wrong."""
    leaf = put_back(ledger)
    ledger.decide(5)
    ledger.publish()

    done = audit(ledger.path)
    assert done.wrong == []
    (way,) = [each for each in done.findings if each.kind is FindingKind.AUDIT_REWOUND]
    (back,) = [each for each in done.findings if each.kind is FindingKind.KAFKA_PUT_BACK]
    assert (way.index, back.index) == (leaf, leaf + 1 + 2 * 3)
    assert "what 1 outbox had decided twice" in back.what


def test_without_the_statement_it_is_not(ledger: Ledger) -> None:
    """The way back alone is no excuse."""
    leaf = put_back(ledger, stated=False)

    assert found(ledger.path) == [(FindingKind.DECISION_TWICE, "", leaf + 1)]


def test_without_the_way_back_the_statement_is_none(ledger: Ledger) -> None:
    """Two people name a leaf that decides something, under the registrar's signature."""
    ledger.decide(4)
    ledger.offset = 0
    ledger.decide(2)
    ledger.put_back(ledger.announced + 1)
    ledger.publish()

    assert kinds(ledger.path) == {FindingKind.DECISION_TWICE}


def test_a_copy_that_ends_before_the_statement_is_not_explained(ledger: Ledger) -> None:
    """The store is ahead of the checkpoint: what is stated there counts when it is published."""
    leaf = put_back(ledger, stated=False)
    note, size = ledger.log.note, ledger.log.tree.size
    ledger.put_back(leaf)
    ledger.publish()
    put(ledger.log.home / "checkpoint", note)

    assert (FindingKind.DECISION_TWICE, "", leaf + 1) in found(ledger.path, live=True)
    assert ledger.log.tree.size == size + 1


def test_a_row_that_is_hidden_explains_nothing(ledger: Ledger) -> None:
    """Somebody with access to the disk changes the search column of the way back."""
    leaf = put_back(ledger)
    sql(ledger.path, "UPDATE records SET type = 1 WHERE id = ?", leaf)

    assert {FindingKind.DECISION_TWICE, FindingKind.RECORD_INDEX} <= kinds(ledger.path)


def test_the_leaves_that_explain_are_never_deleted(ledger: Ledger) -> None:
    """No order closes them: neither the way back nor what two people state of it."""
    leaf = put_back(ledger)
    ledger.delete(leaf, leaf + 1 + 2 * 3)

    assert found(ledger.path) == []
    assert ledger.store.row(ledger.log.origin, leaf).record is not None


def test_a_put_back_over_the_border_of_two_half_years_is_explained(ledger: Ledger) -> None:
    """What is undone begins in the log that is closed."""
    ledger.decide(10)
    first, old = ledger.log.tree.size, ledger.log.origin
    ledger.decide(4)
    ledger.next_half_year()
    ledger.decide(2)
    leaf = ledger.go_back(first, offset=10, log=old)
    ledger.decide(3)
    ledger.put_back(leaf)
    ledger.publish()

    assert found(ledger.path) == []


@pytest.mark.slow
def test_a_decision_and_its_deliveries_stand_on_two_sides_of_a_range(ledger: Ledger) -> None:
    """Ranges are checked apart; that a decision stands in one and its deliveries in the next is no finding."""
    ledger.decide(5500, refused=[0])
    ledger.publish()
    assert (64 * 256 - ledger.announced - 2) % 3 != 0

    assert found(ledger.path) == []


def test_a_deletion_of_a_delivery_deletes_its_decision(ledger: Ledger) -> None:
    """One record opens a decision and what follows from it."""
    ledger.decide(3)
    ledger.delete(ledger.announced + 1 + 2)
    ledger.publish()

    assert found(ledger.path) == []


def test_a_statement_is_not_announced(ledger: Ledger) -> None:
    """Nobody gets into the directory without a leaf in the audit log."""
    ledger.world.enrol("es")
    statements = ledger.world.directory.snapshot()
    for data in statements[ledger.announced :]:
        ledger.directory.tree.append(data)
    ledger.publish()

    assert found(ledger.path) == [
        (FindingKind.STATEMENT_UNANNOUNCED, "directory", place)
        for place in range(ledger.announced, len(statements))
    ]


def test_a_statement_is_announced_twice(ledger: Ledger) -> None:
    """Exactly one leaf for each."""
    statements = ledger.world.directory.snapshot()
    root = Digest(ledger.world.directory.root_at(1) or b"")
    ledger.state_act(ledger.announcement(0, statements[0], root))
    ledger.publish()

    assert [kind for kind, _, _ in found(ledger.path)] == [FindingKind.STATEMENT_TWICE]


@pytest.mark.parametrize("wrong", ["statement", "root", "position"])
def test_another_statement_is_announced_than_the_directory_has(ledger: Ledger, wrong: str) -> None:
    """A leaf announces the statement, its place and the root after it; each is compared."""
    world = ledger.world
    world.appoint(
        StatementType.ROUTER, SoftIdentity.generate(UnitId("second"), world.entropy), by=world.registrar
    )
    place, data = ledger.announced, world.directory.snapshot()[ledger.announced]
    ledger.directory.tree.append(data)
    ledger.state_act(
        ledger.announcement(
            place + (wrong == "position"),
            world.directory.snapshot()[0] if wrong == "statement" else data,
            Digest(bytes(32)) if wrong == "root" else world.directory.head.root,
        )
    )
    ledger.publish()

    assert FindingKind.STATEMENT_OTHER in kinds(ledger.path)


def test_a_statement_of_the_directory_is_forged(ledger: Ledger) -> None:
    """From the pinned root every statement of the directory's log is verified."""
    data = bytearray(ledger.world.directory.snapshot()[-1])
    data[-1] ^= 1
    place = ledger.announced
    ledger.directory.tree.append(bytes(data))
    root = ledger.directory.tree.root()
    ledger.state_act(ledger.announcement(place, bytes(data), root))
    ledger.publish()

    assert found(ledger.path) == [(FindingKind.STATEMENT_INVALID, "directory", place)]
    assert kinds(ledger.path, root=None) == set()


def test_a_half_year_does_not_continue_the_one_before(ledger: Ledger) -> None:
    """A log begins with the last checkpoint of the one before it."""
    body = ledger.log.head.body().encode()
    ledger.decide(2)
    ledger.next_half_year(first=body)
    ledger.publish()

    assert [kind for kind, _, _ in found(ledger.path)] == [FindingKind.SHARD_CHAIN]


def test_an_entry_is_none_of_ours(ledger: Ledger) -> None:
    """What no ledger of ours writes is named."""
    ledger.append([b"something else"], ())
    ledger.publish()

    assert found(ledger.path) == [(FindingKind.ENTRY_FORM, "", ledger.log.tree.size - 1)]


def test_what_the_ledger_could_not_verify_is_told(ledger: Ledger) -> None:
    """An UNVERIFIED leaf is a notice to the auditor: somebody wrote to the audit topic."""
    world = ledger.world
    act = unverified(world.now, LEDGER, offset=3, record=digest(b"x"), code=Code.E_SCHEMA)
    entry, row = own_leaf(act, world.entropy(16), index=ledger.log.tree.size)
    ledger.append([entry], [row])
    ledger.publish()

    done = audit(ledger.path)
    assert done.wrong == []
    assert [each.what for each in done.findings if each.kind is FindingKind.UNVERIFIED] == [
        "the record at offset 3 of the audit topic did not verify: E_SCHEMA"
    ]
