"""Somebody with full access to the centre's disk: each attack, and the finding that names it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from clients.audit.findings import FindingKind
from keys.note_keys import NoteKey
from protocol.identifiers import Digest, UnitId
from protocol.tlog.tiles import Tile, TreeWriter, pack_entries, unpack_entries
from protocol.trail.acts import software_start
from protocol.trail.batches import open_decisions
from tests.sim.ledger import Ledger, put
from tests.unit.clients.audit.audits import audit, break_glass, copied, flip, found, kinds, small, sql

SHARD = "audit/2026h2"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger of three hundred leaves: one full tile, one partial, two levels."""
    return small(tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def copy(original: Ledger, tmp_path: Path) -> Path:
    """A copy of it, to do wrong to."""
    return copied(original.path, tmp_path / "copy")


def tile(copy: Path, level: int, index: int, width: int) -> Path:
    return copy / SHARD / Tile(level, index, width).path


def edge(original: Ledger) -> int:
    return original.log.tree.size - 256


def leaf_of(original: Ledger, *, number: int) -> int:
    """The leaf of a decision: behind the statements and the start, three leaves each but for refusals."""
    return original.announced + 1 + 3 * number - 2 * sum(place < number for place in (3, 5))


def test_an_untouched_copy_has_no_finding(copy: Path) -> None:
    """What the ledger wrote verifies, deleted record and all."""
    done = audit(copy)

    assert done.wrong == []
    assert FindingKind.DELETED in {each.kind for each in done.findings}
    assert all(log.tree_holds for log in done.logs)


def test_a_record_is_altered(original: Ledger, copy: Path) -> None:
    """A record that does not open its leaf is named by its leaf."""
    leaf = leaf_of(original, number=20)
    sql(copy, "UPDATE records SET record = replace(record, x'626974', x'626465') WHERE id = ?", leaf)

    assert (FindingKind.RECORD_ALTERED, "records.sqlite", leaf) in found(copy)


def test_a_salt_is_altered(original: Ledger, copy: Path) -> None:
    """So is a record whose salt was exchanged, or filled with zeros behind, which HMAC would not see."""
    leaf = leaf_of(original, number=20)
    sql(copy, "UPDATE records SET salt = CAST(salt || x'00' AS BLOB) WHERE id = ?", leaf)

    assert found(copy) == [(FindingKind.RECORD_ALTERED, "records.sqlite", leaf)]


def test_a_record_is_removed(original: Ledger, copy: Path) -> None:
    """A missing record whose deletion no leaf orders is a finding."""
    leaf = leaf_of(original, number=20)
    sql(copy, "DELETE FROM records WHERE id = ?", leaf)

    assert found(copy) == [(FindingKind.RECORD_MISSING, "records.sqlite", leaf)]


def test_a_record_is_made_to_look_deleted(original: Ledger, copy: Path) -> None:
    """So is one that says itself that it was deleted."""
    leaf = leaf_of(original, number=20)
    sql(copy, "UPDATE records SET record = NULL, salt = NULL, erased_by = 'x#1' WHERE id = ?", leaf)

    assert found(copy) == [(FindingKind.RECORD_MISSING, "records.sqlite", leaf)]


def test_a_deleted_record_is_still_there(original: Ledger, copy: Path) -> None:
    """What the log orders to be deleted must be gone."""
    shutil.copy(small_before_deletion(original, copy.parent / "before") / "records.sqlite", copy)

    assert FindingKind.RECORD_KEPT in kinds(copy)


def small_before_deletion(original: Ledger, path: Path) -> Path:
    """The same ledger, in which the deletion was ordered and not carried out."""
    path.mkdir()
    ledger = Ledger(path)
    ledger.start()
    ledger.decide(100, refused=[3, 5])
    ledger.delete(60, carried_out=False)
    ledger.publish()
    ledger.store.close()
    return path


def test_two_records_are_swapped(original: Ledger, copy: Path) -> None:
    """A record at another's place opens neither leaf."""
    one, other = leaf_of(original, number=20), leaf_of(original, number=21)
    sql(copy, "UPDATE records SET id = 999999 WHERE id = ?", one)
    sql(copy, "UPDATE records SET id = ? WHERE id = ?", one, other)
    sql(copy, "UPDATE records SET id = ? WHERE id = 999999", other)

    assert found(copy) == [
        (FindingKind.RECORD_ALTERED, "records.sqlite", one),
        (FindingKind.RECORD_ALTERED, "records.sqlite", other),
    ]


def test_a_record_is_added(original: Ledger, copy: Path) -> None:
    """A row without a leaf of its own was never logged."""
    leaf = leaf_of(original, number=20)
    sql(copy, "INSERT INTO records SELECT ?, leaves, type, t, record, salt, mid, thread, sender, units,"
              " reasons, subject, erased_by FROM records WHERE id = ?", leaf + 1, leaf)  # fmt: skip
    sql(copy, "INSERT INTO records SELECT 5000, leaves, type, t, record, salt, mid, thread, sender, units,"
              " reasons, subject, erased_by FROM records WHERE id = ?", leaf)  # fmt: skip

    assert found(copy) == [
        (FindingKind.RECORD_ORPHAN, "records.sqlite", leaf + 1),
        (FindingKind.RECORD_ORPHAN, "records.sqlite", 5000),
    ]


@pytest.mark.parametrize("column", ["mid = x'00'", "units = 'nz'", "reasons = ''", "t = 1", "type = 2"])
def test_a_search_column_lies(original: Ledger, copy: Path, column: str) -> None:
    """A record that searches would miss is found by the audit."""
    leaf = leaf_of(original, number=3)
    assert original.log.origin
    sql(copy, f"UPDATE records SET {column} WHERE id = ?", leaf if column != "type = 2" else leaf - 3)

    assert [kind for kind, _, _ in found(copy)] == [FindingKind.RECORD_INDEX]


def test_the_store_is_no_database(copy: Path) -> None:
    """A store that cannot be read is said to be so, and the rest is checked."""
    (copy / "records.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))

    assert kinds(copy) == {FindingKind.RECORDS_UNREADABLE}


@pytest.mark.parametrize("leaf", [7, 255, 256, 280])
def test_an_entry_is_altered(copy: Path, original: Ledger, leaf: int) -> None:
    """An altered entry is named by its leaf, in a full file as in the last one."""
    index, place = divmod(leaf, 256)
    path = tile(copy, -1, index, 256 if index == 0 else edge(original))
    entries = unpack_entries(path.read_bytes(), 256 if index == 0 else edge(original))
    entries[place] = entries[place][:-1] + bytes([entries[place][-1] ^ 1])
    path.write_bytes(pack_entries(entries))

    assert (
        FindingKind.ENTRY_ALTERED,
        f"{SHARD}/{Tile(-1, index, 256 if index == 0 else edge(original)).path}",
        leaf,
    ) in found(copy)
    assert not kinds(copy) & {FindingKind.TILE_ALTERED, FindingKind.ROOT}


def test_an_entry_and_its_record_and_its_hash_are_altered_together(copy: Path) -> None:
    """Whoever changes all that is stored of a leaf cannot change the hash above it."""
    path = tile(copy, -1, 0, 256)
    entries = unpack_entries(path.read_bytes(), 256)
    entries[7] = entries[7][:-1] + bytes([entries[7][-1] ^ 1])
    path.write_bytes(pack_entries(entries))
    writer = TreeWriter()
    for entry in entries:
        writer.append(entry)
    put(tile(copy, 0, 0, 256), writer.take()["tile/0/000"])

    assert FindingKind.ENTRY_ALTERED in kinds(copy)


@pytest.mark.parametrize(("level", "index"), [(0, 0), (0, 1), (1, 0)])
def test_a_tile_is_altered(copy: Path, original: Ledger, level: int, index: int) -> None:
    """An altered hash tile of any level is named, and nothing else is."""
    width = {(0, 0): 256, (0, 1): edge(original), (1, 0): 1}[level, index]
    flip(tile(copy, level, index, width), 5)

    assert [(kind, place) for kind, place, _ in found(copy)] == [
        (FindingKind.TILE_ALTERED, f"{SHARD}/{Tile(level, index, width).path}")
    ]


@pytest.mark.parametrize("level", [-1, 0, 1])
def test_a_file_is_removed(copy: Path, original: Ledger, level: int) -> None:
    """A missing file is named; what remains is checked all the same."""
    tile(copy, level, 0, 1 if level == 1 else 256).unlink()

    assert found(copy)[0][:2] == (
        FindingKind.ENTRIES_MISSING if level == -1 else FindingKind.TILE_MISSING,
        f"{SHARD}/{Tile(level, 0, 1 if level == 1 else 256).path}",
    )


def test_the_log_is_cut_short(copy: Path, original: Ledger) -> None:
    """Files of the end that are gone are named."""
    tile(copy, -1, 1, edge(original)).unlink()
    tile(copy, 0, 1, edge(original)).unlink()

    assert {FindingKind.ENTRIES_MISSING, FindingKind.TILE_MISSING} <= kinds(copy)


def test_the_log_is_rolled_back(original: Ledger, tmp_path: Path) -> None:
    """A log that ends before a checkpoint that somebody has is rolled back, however well it verifies."""
    early = tmp_path / "early"
    early.mkdir()
    ledger = small(early)
    before = copied(early, tmp_path / "rolled-back")
    ledger.decide(10)
    ledger.publish()

    assert found(before) == []
    assert found(before, seen=(("later", ledger.log.note),)) == [
        (FindingKind.ROLLED_BACK, f"{SHARD}/checkpoint", original.log.tree.size)
    ]


def test_the_log_is_rolled_back_but_not_the_store(original: Ledger, tmp_path: Path) -> None:
    """The store of records keeps the last signed checkpoint, and tells."""
    path = tmp_path / "ledger"
    path.mkdir()
    ledger = small(path)
    checkpoint = (path / SHARD / "checkpoint").read_bytes()
    ledger.decide(10)
    ledger.publish()
    put(path / SHARD / "checkpoint", checkpoint)

    assert {FindingKind.ROLLED_BACK, FindingKind.RECORD_ORPHAN} == kinds(path)
    assert kinds(path, live=True) == set()


def test_a_checkpoint_is_forged(copy: Path, original: Ledger) -> None:
    """A checkpoint under another key than the policy's was not signed by the log."""
    head = replace(original.log.head, root=Digest(bytes(32)))
    put(copy / SHARD / "checkpoint", original.signed(head, key=NoteKey(bytes(32))))

    assert {FindingKind.CHECKPOINT_SIGNATURE, FindingKind.ROOT} <= kinds(copy)


def test_the_log_itself_signs_another_tree(copy: Path, original: Ledger) -> None:
    """A checkpoint with all signatures over a root that nothing here makes is a finding about the root."""
    head = replace(original.log.head, root=Digest(bytes(32)))
    put(copy / SHARD / "checkpoint", original.checkpoint(head))

    assert {FindingKind.ROOT} <= kinds(copy) <= {FindingKind.ROOT, FindingKind.FORK}


@pytest.mark.parametrize("witnesses", [(), ("witness-fr",)])
def test_cosignatures_are_stripped(copy: Path, original: Ledger, witnesses: tuple[str, ...]) -> None:
    """A checkpoint that too few witnesses saw is not trusted."""
    put(copy / SHARD / "checkpoint", original.checkpoint(original.log.head, witnesses=witnesses))

    assert kinds(copy) == {FindingKind.QUORUM}


def test_the_log_is_forked(original: Ledger, tmp_path: Path) -> None:
    """Two histories under the log's own signatures are told apart by a checkpoint of the other one."""
    path = tmp_path / "other"
    path.mkdir()
    other = Ledger(path)
    other.start()
    other.decide(100, refused=[4, 5])
    other.delete(60)
    other.publish()

    assert found(path) == []
    assert [kind for kind, _, _ in found(path, seen=(("theirs", original.log.note),))] == [FindingKind.FORK]


def test_the_checkpoint_is_missing_or_damaged(copy: Path) -> None:
    """Without a checkpoint nothing vouches for a log."""
    (copy / SHARD / "checkpoint").write_bytes(b"nothing\n")
    assert FindingKind.CHECKPOINT_FORM in kinds(copy)

    (copy / SHARD / "checkpoint").unlink()
    assert FindingKind.CHECKPOINT_MISSING in kinds(copy)


def test_a_checkpoint_of_a_tree_that_nobody_has(copy: Path, original: Ledger) -> None:
    """A size is a number in a file: the largest one does not keep an auditor busy for ever."""
    head = replace(original.log.head, size=2**63 - 1)
    put(copy / SHARD / "checkpoint", original.checkpoint(head))

    assert (FindingKind.TILE_MISSING, SHARD, None) in found(copy)


def test_a_checkpoint_of_another_log_is_put_there(copy: Path) -> None:
    """A checkpoint says which log it is of."""
    shutil.copy(copy / "directory" / "checkpoint", copy / SHARD / "checkpoint")

    assert FindingKind.CHECKPOINT_FORM in kinds(copy)


def test_the_ledger_makes_up_a_decision(tmp_path: Path) -> None:
    """A decision with its record, its leaf and a cosigned checkpoint, but of no router, is named by its leaf."""
    ledger = small(tmp_path, count=3)
    made = ledger.made_of(ledger.route())
    ledger.append(made.entries, made.rows)
    ledger.publish()

    assert found(tmp_path) == [(FindingKind.DECISION_UNSIGNED, "", ledger.log.tree.size - len(made.entries))]


def test_a_decision_is_put_among_those_that_a_router_signed(tmp_path: Path) -> None:
    """A batch with one decision more than its router signed does not hold, and nothing of it is covered."""
    ledger = small(tmp_path, count=3)
    first, more = (ledger.made_of(ledger.route()) for _ in range(2))
    size = ledger.log.tree.size
    rows = [*first.rows, *(row._replace(index=row.index + len(first.entries)) for row in more.rows)]
    ledger.append([*first.entries, *more.entries], rows, first.signed)
    ledger.publish()

    assert (FindingKind.DECISION_UNSIGNED, "records.sqlite", size) in found(tmp_path)


def test_signatures_of_another_router_are_none(tmp_path: Path) -> None:
    """A key that the directory gives to no router signs no decision."""
    ledger = small(tmp_path, count=3)
    router, ledger.world.router = ledger.world.router, ledger.world.registrar
    forged = ledger.route()
    ledger.world.router = router
    made = ledger.made_of(ledger.route())
    ledger.append(made.entries, made.rows, open_decisions(forged)[1])
    ledger.publish()

    assert FindingKind.DECISION_UNSIGNED in kinds(tmp_path)


def test_the_ledger_makes_up_an_act(tmp_path: Path) -> None:
    """An act of the registrar with its record, its leaf and a cosigned checkpoint, but unsigned, is named."""
    ledger = small(tmp_path, count=3)
    made = ledger.made_of(ledger.stated(break_glass(ledger), by="registrar"))
    ledger.append(made.entries, made.rows)
    ledger.publish()

    assert found(tmp_path) == [(FindingKind.ACT_UNSIGNED, "", ledger.log.tree.size - 1)]


def test_an_act_is_put_among_those_that_were_stated(tmp_path: Path) -> None:
    """A signature is over all that was stated with it, and over nothing more."""
    ledger = small(tmp_path, count=3)
    first, more = (ledger.made_of(ledger.stated(break_glass(ledger), by="registrar")) for _ in range(2))
    rows = [*first.rows, *(row._replace(index=row.index + 1) for row in more.rows)]
    ledger.append([*first.entries, *more.entries], rows, first.signed)
    ledger.publish()

    assert (FindingKind.ACT_UNSIGNED, "records.sqlite", ledger.log.tree.size - 2) in found(tmp_path)


def test_an_act_is_covered_by_what_another_signed(tmp_path: Path) -> None:
    """Neither a router's batch nor a role that may not state this vouches for an act."""
    ledger = small(tmp_path, count=3)
    act = ledger.made_of(ledger.stated(break_glass(ledger), by="registrar"))
    batch = ledger.made_of(ledger.route())
    rows = [*batch.rows, act.rows[0]._replace(index=ledger.log.tree.size + len(batch.entries))]
    ledger.append([*batch.entries, *act.entries], rows, batch.signed)
    by_the_ledger = ledger.signed_by("ledger", act)
    ledger.append(act.entries, [act.rows[0]._replace(index=ledger.log.tree.size)], by_the_ledger)
    ledger.publish()

    size = ledger.log.tree.size
    assert {(kind, index) for kind, _, index in found(tmp_path)} >= {
        (FindingKind.ACT_UNSIGNED, size - 1), (FindingKind.ACT_UNSIGNED, size - 2)
    }  # fmt: skip


def test_an_act_in_the_name_of_another(tmp_path: Path) -> None:
    """The ledger states that it started, in its own name; the record says that the router did."""
    ledger = small(tmp_path, count=3)
    act = software_start(ledger.world.now, UnitId("router"), program="router", version="1")
    made = ledger.made_of(ledger.stated(act, by="router"))
    ledger.append(made.entries, made.rows, ledger.signed_by("ledger", made))
    ledger.publish()

    assert found(tmp_path) == [(FindingKind.ACT_UNSIGNED, "records.sqlite", ledger.log.tree.size - 1)]


def test_an_act_is_logged_again(tmp_path: Path) -> None:
    """Who writes to the topic can repeat what was stated. It is not taken for a second act."""
    ledger = small(tmp_path, count=3)
    stated = ledger.stated(break_glass(ledger), by="registrar")
    for _ in range(2):
        made = ledger.made_of(stated)
        ledger.append(made.entries, made.rows, made.signed)
    ledger.publish()

    assert found(tmp_path) == [(FindingKind.ACT_TWICE, "", ledger.log.tree.size - 1)]


def test_signatures_stay_when_a_record_is_deleted(tmp_path: Path) -> None:
    """What was signed names no record: an act whose record is gone is still known to be stated."""
    ledger = small(tmp_path, count=3)
    ledger.state_act(break_glass(ledger), by="registrar")
    ledger.publish()
    ledger.delete(ledger.log.tree.size - 1)

    assert found(tmp_path) == []


@pytest.mark.parametrize("column", ["leaves", "signed"])
@pytest.mark.parametrize("value", ["'x'", "zeroblob(3)", "7.5", "-1", "9223372036854775807"])
def test_anything_may_stand_where_signatures_are(copy: Path, column: str, value: str) -> None:
    """Whatever type or number is put there is a signature that does not hold, and stops no audit."""
    sql(copy, f"UPDATE batches SET {column} = {value}")

    assert {FindingKind.DECISION_UNSIGNED, FindingKind.ACT_UNSIGNED} <= kinds(copy)


def test_without_the_pinned_root_nothing_is_said_of_routers(copy: Path) -> None:
    """What cannot be checked is named as that, and accuses nobody."""
    sql(copy, "DELETE FROM batches")
    assert FindingKind.DECISION_UNSIGNED not in kinds(copy, root=None)
    assert FindingKind.NOT_CHECKED in {each.kind for each in audit(copy, root=None).findings}
    assert FindingKind.DECISION_UNSIGNED in kinds(copy)


def later(path: Path, half_years: int) -> Ledger:
    """A ledger that goes on into later half-years."""
    path.mkdir()
    ledger = Ledger(path)
    ledger.start()
    for _ in range(half_years):
        ledger.decide(5)
        ledger.next_half_year()
    ledger.decide(5)
    ledger.publish()
    return ledger


@pytest.mark.parametrize("lost", [0, 1])
def test_a_half_year_is_left_out(tmp_path: Path, lost: int) -> None:
    """The first or one in the middle: the next begins with its last checkpoint, which nobody has to believe."""
    ledger = later(tmp_path / "ledger", 2)
    names = [log.origin.partition("/")[2] for log in ledger.shards]
    assert found(ledger.path) == []
    shutil.rmtree(ledger.path / names[lost])

    seen = found(ledger.path)
    assert (FindingKind.LOG_MISSING, names[lost], None) in seen
    assert FindingKind.SHARD_CHAIN not in {kind for kind, _, _ in seen}
    part = audit(ledger.path, part=True)
    assert FindingKind.LOG_MISSING not in {each.kind for each in part.findings}
    assert any(each.kind is FindingKind.NOT_CHECKED and each.place == names[lost] for each in part.findings)


def test_the_key_directory_is_left_out(copy: Path) -> None:
    """The audit log announces its statements: a copy without it is not whole."""
    shutil.rmtree(copy / "directory")

    assert (FindingKind.LOG_MISSING, "directory", None) in found(copy)


def test_the_newest_half_year_alone_is_a_beginning(tmp_path: Path) -> None:
    """A ledger's first half-year continues none, and misses none."""
    ledger = later(tmp_path / "ledger", 0)
    assert found(ledger.path) == []
