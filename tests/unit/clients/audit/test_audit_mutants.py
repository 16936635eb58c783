"""Each check of an audit, taken away, lets its attack pass unseen: so none of them is there for show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clients.audit.checks import (
    directory_statements,
    fsck,
    outbox_places,
    record_walk,
    removals,
    signed_leaves,
)
from clients.audit.checks import (
    tree as tree_check,
)
from clients.audit.copy import copied_heads
from clients.audit.copy.record_reader import RecordReader
from clients.audit.findings import FindingKind
from protocol.identifiers import UnitId
from protocol.tlog.tiles import Tile
from protocol.trail import stated_acts
from protocol.trail.acts import act_leaf, software_start
from protocol.trail.batches import check_batch
from protocol.trail.ledger_leaves import Sequenced, row_of_act
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced, rewritten, unchecked
from tests.sim.ledger import Ledger, put
from tests.unit.clients.audit.audits import break_glass, flip, kinds, sql

pytestmark = pytest.mark.slow

SHARD = "audit/2026h2"


def altered_record(ledger: Ledger) -> None:
    ledger.decide(9)
    ledger.publish()
    sql(ledger.path, "UPDATE records SET salt = zeroblob(16) WHERE id = ?", ledger.announced + 4)


def removed_record(ledger: Ledger) -> None:
    ledger.decide(9)
    ledger.publish()
    sql(ledger.path, "DELETE FROM records WHERE id = ?", ledger.announced + 4)


def kept_record(ledger: Ledger) -> None:
    ledger.decide(9)
    ledger.delete(ledger.announced + 4, carried_out=False)
    ledger.publish()


def lying_column(ledger: Ledger) -> None:
    ledger.decide(9)
    ledger.publish()
    sql(ledger.path, "UPDATE records SET units = 'nz' WHERE id = ?", ledger.announced + 4)


def altered_tile(ledger: Ledger) -> None:
    ledger.decide(9)
    ledger.publish()
    flip(ledger.path / SHARD / Tile(0, 0, ledger.log.tree.size).path, 40)


def altered_higher_tile(ledger: Ledger) -> None:
    ledger.decide(200)
    ledger.publish()
    flip(ledger.path / SHARD / Tile(1, 0, ledger.log.tree.size // 256).path, 40)


def stripped(ledger: Ledger) -> None:
    ledger.publish()
    put(ledger.path / SHARD / "checkpoint", ledger.checkpoint(ledger.log.head, witnesses=()))


def dropped_delivery(ledger: Ledger) -> None:
    made = ledger.made_of(ledger.route())
    ledger.append(made.entries[:-1], made.rows)
    ledger.publish()


def stray_delivery(ledger: Ledger) -> None:
    made = ledger.made_of(ledger.route())
    ledger.append([*made.entries, made.entries[-1]], made.rows)
    ledger.publish()


def decided_twice(ledger: Ledger) -> None:
    decisions = ledger.route()
    for _ in range(2):
        made = ledger.made_of(decisions)
        ledger.append(made.entries, made.rows)
    ledger.publish()


def decided_twice_behind_a_made_up_statement(ledger: Ledger) -> None:
    """The ledger has no registrar's signature, and logs that Kafka was put back."""
    first = ledger.log.tree.size
    ledger.decide(3)
    leaf = ledger.go_back(first, offset=0)
    ledger.decide(2)
    made = ledger.made_of(ledger.stated(ledger.kafka_put_back(leaf), by="registrar"))
    ledger.append(made.entries, made.rows)
    ledger.publish()


def made_up(ledger: Ledger) -> None:
    made = ledger.made_of(ledger.route())
    ledger.append(made.entries, made.rows)
    ledger.publish()


def added_to_a_batch(ledger: Ledger) -> None:
    first, more = (ledger.made_of(ledger.route()) for _ in range(2))
    rows = [*first.rows, *(row._replace(index=row.index + len(first.entries)) for row in more.rows)]
    ledger.append([*first.entries, *more.entries], rows, first.signed)
    ledger.publish()


def made_up_act(ledger: Ledger) -> None:
    made = ledger.made_of(ledger.stated(break_glass(ledger), by="registrar"))
    ledger.append(made.entries, made.rows)
    ledger.publish()


def act_under_a_batch(ledger: Ledger) -> None:
    act = ledger.made_of(ledger.stated(break_glass(ledger), by="registrar"))
    batch = ledger.made_of(ledger.route())
    rows = [*batch.rows, act.rows[0]._replace(index=ledger.log.tree.size + len(batch.entries))]
    ledger.append([*batch.entries, *act.entries], rows, batch.signed)
    ledger.publish()


def act_of_another_role(ledger: Ledger) -> None:
    act = replace(break_glass(ledger), actor=UnitId("ledger"))
    leaf = act_leaf(act, bytes(16))
    row = row_of_act(act, leaf, index=ledger.log.tree.size)
    made = Sequenced([leaf.entry], [row], b"")
    ledger.append(made.entries, made.rows, ledger.signed_by("ledger", made))
    ledger.publish()


def act_in_anothers_name(ledger: Ledger) -> None:
    act = software_start(ledger.world.now, UnitId("router"), program="router", version="1")
    made = ledger.made_of(ledger.stated(act, by="router"))
    ledger.append(made.entries, made.rows, ledger.signed_by("ledger", made))
    ledger.publish()


def act_again(ledger: Ledger) -> None:
    stated = ledger.stated(break_glass(ledger), by="registrar")
    for _ in range(2):
        made = ledger.made_of(stated)
        ledger.append(made.entries, made.rows, made.signed)
    ledger.publish()


def broken_chain(ledger: Ledger) -> None:
    body = ledger.log.head.body().encode()
    ledger.decide(2)
    ledger.next_half_year(first=body)
    ledger.publish()


def lost_half_year(ledger: Ledger) -> None:
    ledger.next_half_year()
    ledger.publish()
    shutil.rmtree(ledger.path / SHARD)


def lost_directory(ledger: Ledger) -> None:
    ledger.publish()
    shutil.rmtree(ledger.path / "directory")


def unannounced(ledger: Ledger) -> None:
    ledger.world.enrol("es")
    for data in ledger.world.directory.snapshot()[ledger.announced :]:
        ledger.directory.tree.append(data)
    ledger.publish()


def rolled_back(ledger: Ledger) -> None:
    ledger.publish()
    note = ledger.log.note
    ledger.decide(9)
    ledger.publish()
    put(ledger.path / SHARD / "checkpoint", note)


WALK = record_walk.RecordWalk
MUTANTS = [
    (altered_record, FindingKind.RECORD_ALTERED, Mutant(WALK._opened, forced(False, "entries[0]"))),
    (removed_record, FindingKind.RECORD_MISSING, Mutant(WALK._lacks, dropped("missing"))),
    (kept_record, FindingKind.RECORD_KEPT, Mutant(removals._check_log, called(RecordReader.kept, "()"))),
    (lying_column, FindingKind.RECORD_INDEX, Mutant(WALK._opened, unchecked(FindingKind.RECORD_INDEX))),
    (altered_tile, FindingKind.TILE_ALTERED, Mutant(tree_check.TreeCheck.take, forced(False, "pair.differing"))),
    (altered_higher_tile, FindingKind.TILE_ALTERED, Mutant(tree_check._differing, forced(False, "a != b"))),
    (stripped, FindingKind.QUORUM, Mutant(copied_heads.trusted_witnesses, rewritten("policy.trusted(signed).witnesses", "policy.signed_by_log(signed) and ()"))),
    (dropped_delivery, FindingKind.DELIVERY_MISSING, Mutant(WALK.end, unchecked(FindingKind.DELIVERY_MISSING))),
    (stray_delivery, FindingKind.DELIVERY_STRAY, Mutant(WALK._delivery, unchecked(FindingKind.DELIVERY_STRAY))),
    (decided_twice, FindingKind.DECISION_TWICE, Mutant(outbox_places.Stretch.takes, rewritten("offset > last", "offset >= last"))),
    (decided_twice_behind_a_made_up_statement, FindingKind.ACT_UNSIGNED, Mutant(signed_leaves._needing, rewritten("... is not None", "(kind := _kind(entry)) is FindingKind.DECISION_UNSIGNED"))),
    (made_up, FindingKind.DECISION_UNSIGNED, Mutant(signed_leaves._needing, rewritten("... is not None", "(kind := _kind(entry)) is FindingKind.ACT_UNSIGNED"))),
    (added_to_a_batch, FindingKind.DECISION_UNSIGNED, Mutant(signed_leaves._check, called(check_batch, "check_batch(_0, _1[:1], parties=directory)"))),
    (made_up_act, FindingKind.ACT_UNSIGNED, Mutant(signed_leaves._needing, rewritten("... is not None", "(kind := _kind(entry)) is FindingKind.DECISION_UNSIGNED"))),
    (act_under_a_batch, FindingKind.ACT_UNSIGNED, Mutant(signed_leaves._check, called(any, "all(_0)"))),
    (act_of_another_role, FindingKind.ACT_UNSIGNED, Mutant(stated_acts._check_entry, forced(False, "_ROLES"))),
    (act_in_anothers_name, FindingKind.ACT_UNSIGNED, Mutant(signed_leaves._strange, forced(False, "row.sender", "each.by.actor"))),
    (act_again, FindingKind.ACT_TWICE, Mutant(signed_leaves._strange, unchecked(FindingKind.ACT_TWICE))),
    (broken_chain, FindingKind.SHARD_CHAIN, Mutant(copied_heads.check_chain, unchecked(FindingKind.SHARD_CHAIN))),
    (lost_half_year, FindingKind.LOG_MISSING, Mutant(copied_heads.check_chain, unchecked(FindingKind.LOG_MISSING))),
    (lost_directory, FindingKind.LOG_MISSING, Mutant(fsck._check_directory, rewritten("FindingKind.LOG_MISSING if ... else ...", "FindingKind.NOT_CHECKED"))),
    (unannounced, FindingKind.STATEMENT_UNANNOUNCED, Mutant(directory_statements.check_announcements, unchecked(FindingKind.STATEMENT_UNANNOUNCED))),
    (rolled_back, FindingKind.ROLLED_BACK, Mutant(removals._check_memory, rewritten("memory.size > here.size", "False"))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attack", "kind", "mutant"), MUTANTS, ids=[attack.__name__ for attack, _, _ in MUTANTS]
)
def test_a_missing_check_is_noticed(
    attack: Callable[[Ledger], None], kind: FindingKind, mutant: Mutant, tmp_path: Path
) -> None:
    """The attack is found with the check, and not without it."""
    ledger = Ledger(tmp_path)
    ledger.start()
    attack(ledger)

    assert kind in kinds(tmp_path)
    with mutated(mutant):
        assert kind not in kinds(tmp_path)
