"""The sequencer's promises: complete, once, in order; never two histories, whoever writes and whatever dies."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.errors import StoreCorrupt
from broker.ledger import log_head, sequencer
from broker.ledger.log_storage import LogStorage, prefix_of, stored_tiles
from broker.ledger.sequencer import Sequencer
from broker.ledger.store import audit_read
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.record_store import LogState, Moved, RecordStore
from broker.ledger.store.tile_store import TileStore
from protocol.errors import Rejected
from protocol.identifiers import Millis, digest
from protocol.limits import CLOCK_TOLERANCE, DAY
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.shards import parse_shard
from protocol.trail.acts import deletion, directory_statement
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import sign_acts
from runtime.errors import Unavailable
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, returning, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON, World
from tests.unit.broker.ledger.rig import AUDIT, NAME, Rig, root_over, world_of


@pytest.fixture
def rig(tmp_path: Path, url: str) -> Rig:
    """A ledger whose records are in SQLite, and one whose records are in PostgreSQL."""
    return Rig(tmp_path, world_of(12), url=url)


def test_every_decision_and_delivery_is_one_leaf_in_order(rig: Rig) -> None:
    """The log has exactly the entries of the audit topic's records, and its root is the root over them."""
    state = rig.run(rig.writer())
    assert rig.entries() == rig.expected()
    assert (state.size, state.root) == (len(rig.expected()), root_over(rig.expected()))
    assert sum(row.leaves for row in rig.records.rows(AUDIT)) == state.size


def test_the_head_is_signed_by_the_logs_keys(rig: Rig) -> None:
    """What is committed carries a checkpoint of exactly this tree."""
    state = rig.run(rig.writer())
    checkpoint = rig.policy.signed_by_log(parse_checkpoint(state.checkpoint))
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (AUDIT, state.size, state.root)


def test_a_step_ends_at_its_bound(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is, a step takes as many records as make its bound, and says which."""
    monkeypatch.setattr("broker.ledger.sequencer.MOST", 5)
    writer = rig.writer()
    writer.resume()
    done = writer.advance(rig.readings(0), now=NOON)
    assert 5 <= done.new.size < 5 + max(len(reading.entries) for reading in rig.readings(0))
    assert done.new.position == len(done.taken) < len(rig.inputs)


# Two writers.


class Blind(RecordStore):
    """A database that lets everybody move the log, and whose rows do not keep two writers apart: the mutant."""

    def commit(self, old: LogState | None, new: LogState, *rest: Any) -> None:
        super().commit(None if old is None else self.state(old.origin), new)


def race(rig: Rig, moves: list[tuple[int, int]]) -> set[bytes]:
    """Writers take turns as `moves` says: who, and how many records. The heads that were signed and committed."""
    writers = [rig.writer() for _ in range(3)]
    states: list[LogState | None] = [None, None, None]
    heads = set()
    for who, many in moves:
        state = states[who]
        if state is None:
            states[who] = writers[who].resume()
            continue
        batch = rig.readings(state.position, state.position + many)
        if not batch:
            continue
        try:
            states[who] = writers[who].advance(batch, now=NOON).new
            heads.add(states[who].checkpoint)
        except Moved:
            states[who] = None
    return heads


def forks(rig: Rig, heads: set[bytes]) -> bool:
    """Whether these heads are not all beginnings of one log, the one that the tiles have."""
    try:
        entries = rig.entries()
    except Rejected:
        return True
    checkpoints = [parse_checkpoint(head).checkpoint for head in heads]
    return any(each.root != root_over(entries[: each.size]) for each in checkpoints)


def garbled(path: Path, **kind: Any) -> Rig:
    """A rig whose records are garbage among decisions: each writer makes leaves with salts of its own of it."""
    rig = Rig(path, world_of(12), **kind)
    rig.inputs = [value for pair in zip(rig.inputs, [b"?"] * 12, strict=True) for value in pair]
    return rig


MOVES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=24)


@pytest.mark.slow
@given(moves=MOVES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_writers_at_once_never_fork_the_log(tmp_path: Path, moves: list[tuple[int, int]]) -> None:
    """Whatever turns three writers take, every head that one of them committed begins the same log."""
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    rig = garbled(tmp_path)
    heads = race(rig, moves)
    state = rig.run(rig.writer())
    assert not forks(rig, heads)
    assert (state.position, state.size) == (24, len(rig.expected()))


def test_without_the_compare_and_swap_writers_fork_it(tmp_path: Path) -> None:
    """The same turns on a database that lets everybody write: the check above sees the fork."""
    rig = garbled(tmp_path, records=Blind)
    heads = race(rig, [(0, 1), (1, 1), (0, 4), (1, 4), (0, 2), (1, 3)])
    assert len(heads) > 1
    assert forks(rig, heads)


def test_who_lost_the_race_has_written_no_tile(rig: Rig) -> None:
    """A loser's files never reach the store: they would stand in the place of the winner's."""
    first, second = rig.writer(), rig.writer()
    first.resume()
    second.resume()
    first.advance(rig.readings(0, 2), now=NOON)
    before = {path: rig.store.get(path) for path in rig.store.names("audit")}
    with pytest.raises(Moved):
        second.advance(rig.readings(0, 5), now=NOON)
    assert {path: rig.store.get(path) for path in rig.store.names("audit")} == before


# Death at every step.


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Lets so many effects through, and then kills; before the effect, or after it."""

    def __init__(self, effects: int) -> None:
        self.left = effects

    def __call__(self, effect: Callable[[], Any]) -> Any:
        if self.left == 0:
            raise Killed
        self.left -= 1
        result = effect()
        if self.left == 0:
            raise Killed
        self.left -= 1
        return result


class MortalRecords(RecordStore):
    fuse: Fuse

    def commit(self, *args: Any) -> None:
        self.fuse(lambda: super(MortalRecords, self).commit(*args))

    def clear_staged(self, origin: str, *, size: int) -> None:
        self.fuse(lambda: super(MortalRecords, self).clear_staged(origin, size=size))


class MortalTiles(TileStore):
    fuse: Fuse

    def _put(self, path: str, data: bytes) -> None:
        self.fuse(lambda: super(MortalTiles, self)._put(path, data))

    def _each(self, do: Callable[[str], object], paths: Any) -> None:
        for path in sorted(paths):  # one after the other, so that each death is the same in every run
            do(path)

    def forget(self, paths: Any) -> None:
        self.fuse(lambda: super(MortalTiles, self).forget(paths))


def die_after(rig: Rig, effects: int, *, at_once: int) -> bool:
    """Run a writer that is killed after so many effects; whether it was."""
    records, store = MortalRecords(rig.url), MortalTiles.open(str(rig.path))
    records.fuse = store.fuse = Fuse(effects)
    try:
        rig.run(rig.writer(records=records, store=store), at_once=at_once)
    except Killed:
        return True
    finally:
        records.close()
    return False


@pytest.mark.slow
def test_killed_at_every_write_it_goes_on_without_a_fork(tmp_path: Path) -> None:
    """At each effect on disk, before it and after it, the writer dies once; the next one completes the same log."""
    world, effects, deaths = world_of(12), 0, 0
    while True:
        path = tmp_path / str(effects)
        path.mkdir()
        rig = Rig(path, world)
        if not die_after(rig, effects, at_once=5):
            break
        deaths += 1
        rig.run(rig.writer(), at_once=4)
        assert rig.entries() == rig.expected(), effects
        assert rig.state().root == root_over(rig.expected()), effects
        assert rig.records.staged(AUDIT) == {}
        effects += 1
    assert deaths > 20


def test_killed_again_and_again_it_comes_to_the_end(tmp_path: Path) -> None:
    """One directory, writers that each die after a few effects: together they complete the log."""
    rig = Rig(tmp_path, world_of(12))
    for effects in range(3, 60):
        if not die_after(rig, effects, at_once=2):
            break
    assert rig.entries() == rig.expected()


def test_a_death_between_lock_row_and_tiles_is_mended_before_anything_is_added(rig: Rig) -> None:
    """Staged files are put by whoever comes next; without them the tree could not be resumed."""
    assert die_after(rig, 1, at_once=5)  # the commit, and nothing after it
    assert rig.state().size > 0
    assert rig.store.names("audit") == ()
    with pytest.raises(StoreCorrupt):
        log_head.resume_head(rig.state(), stored_tiles(rig.store, prefix_of(AUDIT, NAME)))
    rig.run(rig.writer())
    assert rig.entries() == rig.expected()


def test_after_an_error_only_resume_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that is ahead of the store is never built on: the writer has none until it resumes."""
    writer = rig.writer()
    writer.resume()
    with monkeypatch.context() as broken:
        broken.setattr(rig.store, "put", lambda _: (_ for _ in ()).throw(Unavailable("disk")))
        with pytest.raises(Unavailable):
            writer.advance(rig.readings(0, 2), now=NOON)
    with pytest.raises(AssertionError):
        writer.advance(rig.readings(2, 4), now=NOON)
    rig.run(writer)
    assert rig.entries() == rig.expected()


# What is not a decision.


def test_what_does_not_verify_is_a_leaf_of_its_own(rig: Rig) -> None:
    """Garbage in the audit topic is never passed over: it is named by its offset, its hash and what is wrong."""
    rig.inputs.insert(3, b"\x83garbage")
    rig.run(rig.writer())
    (row,) = [row for row in rig.records.rows(AUDIT) if row.type == RecordType.UNVERIFIED]
    assert (row.subject, row.reasons) == (digest(b"\x83garbage"), "E_CBOR")
    assert rig.state().size == len(rig.expected())


def announcement(world: World, position: int, *, root: bytes | None = None) -> bytes:
    data = world.directory.snapshot()[position]
    act = directory_statement(
        NOON,
        world.ledger.name,
        position=position,
        statement=digest(data),
        stype=1,
        about=world.ledger.name,
        issuer=world.registrar.public.kid,
        root=world.directory.root_at(position + 1) if root is None else root,
    )
    return sign_acts([act], actor=world.ledger.name, now=NOON, signer=world.ledger, entropy=world.entropy)


def test_a_statement_is_announced_once_however_often_it_is_stated(rig: Rig) -> None:
    """A ledger that died between announcing and sequencing announces again: one leaf for each position, in order."""
    positions = [0, 0, 1, 0, 1, 2, 5, 2, 3]
    rig.inputs = [announcement(rig.world, position) for position in positions]
    state = rig.run(rig.writer())
    assert (state.size, state.directory_next, state.position) == (4, 4, len(positions))


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_what_somebody_writes_a_second_time_has_its_leaves_once(tmp_path: Path, at_once: int) -> None:
    """A genuine record, in the same step or a later one: no second decision of a message, and no act done twice."""
    rig = Rig(tmp_path, world_of(12))
    act = deletion(NOON, rig.world.registrar.name, origin=AUDIT, indexes=[0], ground="retention")
    order = sign_acts(
        [act], actor=rig.world.registrar.name, now=NOON, signer=rig.world.registrar, entropy=rig.world.entropy
    )
    genuine = [*rig.world.audit, order]
    rig.inputs = [*genuine, genuine[3], *genuine[:2], genuine[3], order]
    rig.run(rig.writer(), at_once=at_once)
    rig.inputs += [genuine[5], b"garbage", order]
    state = rig.run(rig.writer(), at_once=at_once)
    rows = list(rig.records.rows(AUDIT))
    places = Counter(row.record for row in rows if row.type in (1, 2, 3))
    assert set(places.values()) == {1}
    assert [row.type for row in rows].count(RecordType.DELETION) == 1
    assert [row.type for row in rows].count(RecordType.UNVERIFIED) == 1
    assert state.position == len(rig.inputs)


def test_that_it_has_its_leaves_once_is_tested(tmp_path: Path) -> None:
    """Without the look there are two decisions of one message, and every auditor takes the router for a cheat."""
    mutant = Mutant(Sequencer._once, forced(False, "name", "known"))
    with mutated(mutant), pytest.raises(AssertionError):
        test_what_somebody_writes_a_second_time_has_its_leaves_once(tmp_path, 100)


def read_again(rig: Rig, position: int) -> LogState:
    """A ledger that had read all, and goes back to this place: what it reads once more, to the end."""
    end = rig.state().position
    rig.records.go_back(rig.state(), position, AuditRead(rig.records.audit_read().ladder, end))
    return rig.run(rig.writer(), at_once=100)


def test_what_does_not_verify_and_is_read_once_more_has_its_leaf_once(rig: Rig) -> None:
    """Known by its place and its content: after a way back the leaf that is there says all that a second one would."""
    rig.inputs[3:3] = [b"?", b"", b"?"]
    size = rig.run(rig.writer()).size
    state = read_again(rig, 1)
    assert (state.size, state.position) == (size, len(rig.inputs))
    # Another content at the place, or the same one at another place, is another record.
    rig.inputs[3:5] = [b"", b"?"]
    rig.inputs += [b"?"]
    assert read_again(rig, 1).size == size + 3


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(Sequencer._unverified_before, returning("frozenset()")),
        Mutant(Sequencer._unverified_before, rewritten("reading.offset < self._read.again", "False")),
        Mutant(
            audit_read.unverified_at,
            rewritten("(offset, content) in there", "offset in {place for place, _ in there}"),
        ),
    ],
    ids=["no look", "no window", "any content"],
)
async def test_without_the_look_it_has_a_second_leaf(tmp_path: Path, mutant: Mutant) -> None:
    """Where nobody looks; and where any record at the place is taken for it, another one has none."""
    rig = Rig(tmp_path, world_of(12))
    promise = test_what_does_not_verify_and_is_read_once_more_has_its_leaf_once
    await assert_missed(mutant, promise, [rig])


def test_a_wrong_announcement_is_not_believed(rig: Rig) -> None:
    """An announcement of something that the directory does not have is unverified, whoever signed it."""
    rig.inputs = [announcement(rig.world, 0, root=bytes(32))]
    state = rig.run(rig.writer())
    assert (state.size, state.directory_next) == (1, 0)
    assert [row.type for row in rig.records.rows(AUDIT)] == [RecordType.UNVERIFIED]


def test_a_sequenced_order_deletes_and_nothing_else_does(rig: Rig) -> None:
    """A deletion is carried out in the transaction that logs it; its own record says why, and every leaf stays."""
    act = deletion(NOON, rig.world.registrar.name, origin=AUDIT, indexes=[0], ground="retention")
    order = sign_acts(
        [act], actor=rig.world.registrar.name, now=NOON, signer=rig.world.registrar, entropy=rig.world.entropy
    )
    rig.run(rig.writer())
    size = rig.state().size
    assert rig.records.row(AUDIT, 0).record is not None
    rig.inputs.append(order)
    rig.run(rig.writer())
    row = rig.records.row(AUDIT, 0)
    assert (row.record, row.salt, row.erased_by) == (None, None, f"{AUDIT}#{size}")
    assert rig.entries() == rig.expected()


# Shards.


@contextmanager
def turn_of_the_year(tmp_path: Path) -> Iterator[Rig]:
    """Decisions of the second half of 2026, then of 2027, then one of 2026 again from a router whose clock is late."""
    january = Millis(1_798_761_600_000)
    world = World(now=Millis(january - 2000))
    for t in (january - 2000, january - 1, january, january + 5, january - 1):
        world.now = Millis(t)
        world.submit("fr", world.compose("fr", ["it"]))
        world.route("fr")
    rig = Rig(tmp_path, world)
    rig.now = january
    yield rig


def test_a_new_half_year_begins_with_the_last_head_of_the_old(tmp_path: Path) -> None:
    """The first batch of the new half-year closes the shard; nothing goes back to it, whatever clocks say."""
    with turn_of_the_year(tmp_path) as rig:
        new = f"{NAME}/audit/2027h1"
        rig.run(rig.writer(), at_once=10)
        old_state, new_state = rig.state(), rig.state(new)
        assert (old_state.size, old_state.next, new_state.size) == (4, new, 7)
        assert rig.entries(new)[0] == parse_checkpoint(old_state.checkpoint).checkpoint.body().encode()
        assert [*rig.entries(), *rig.entries(new)[1:]] == rig.expected()
        assert rig.writer().resume() == new_state


def test_a_writer_left_behind_adds_nothing_to_a_closed_shard(tmp_path: Path) -> None:
    """Who still reads the old half-year when another writer has opened the new one has lost."""
    with turn_of_the_year(tmp_path) as rig:
        late, quick = rig.writer(), rig.writer()
        rig.run(late, upto=2)
        rig.run(quick)
        with pytest.raises(Moved):
            late.advance(rig.readings(2, 3), now=rig.now)
        assert rig.state().size == 4
        rig.run(late)
        assert rig.state().size == 4


@pytest.mark.parametrize("ahead", [0, DAY, 200 * DAY])
def test_a_router_s_future_closes_no_half_year(tmp_path: Path, ahead: int) -> None:
    """Its clock is wrong, its key valid at that time: its records stand where the log is, and so does all that follows."""
    world = World()
    end = parse_shard(AUDIT).end
    for t in (NOON, end + ahead, NOON + 1):
        world.now = Millis(t)
        world.publish_epochs("it")
        world.submit("fr", world.compose("fr", ["it"]))
        world.route("fr")
    rig = Rig(tmp_path, world)
    rig.now = Millis(end - CLOCK_TOLERANCE - 1)
    rig.run(rig.writer())
    assert rig.entries() == rig.expected()
    assert [state.origin for state in rig.records.states() if "audit" in state.origin] == [AUDIT]


async def test_without_the_bound_it_closes_one(tmp_path: Path) -> None:
    """The promise's own test fails where a reading's time need not have come."""
    mutant = Mutant(sequencer.is_of_later_shard, rewritten("now + CLOCK_TOLERANCE", "reading.t"))
    await assert_missed(mutant, test_a_router_s_future_closes_no_half_year, [tmp_path, 200 * DAY])


@pytest.mark.slow
@pytest.mark.parametrize("effects", range(40))
def test_killed_while_the_shard_changes_it_changes_once(tmp_path: Path, effects: int) -> None:
    """At every effect around the change of shards, too."""
    with turn_of_the_year(tmp_path) as rig:
        died = die_after(rig, effects, at_once=1)
        rig.run(rig.writer(), at_once=3)
        new = f"{NAME}/audit/2027h1"
        assert [*rig.entries(), *rig.entries(new)[1:]] == rig.expected()
        assert died or effects > 10


# A damaged store.


def damage(rig: Rig, path: str, how: str) -> None:
    file = rig.path / path
    if how == "lost":
        file.unlink()
    elif how == "short":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)


@pytest.mark.parametrize("how", ["lost", "short", "altered"])
@pytest.mark.parametrize("kind", ["0", "entries"])
def test_a_damaged_right_edge_is_refused(rig: Rig, how: str, kind: str) -> None:
    """Tiles that are not those of the lock row's root are refused at the start, with what to do."""
    size = rig.run(rig.writer()).size
    damage(rig, f"audit/2026h2/tile/{kind}/000.p/{size}", how)
    with pytest.raises(StoreCorrupt) as refused:
        rig.writer().resume()
    assert "restore the tile store" in refused.value.hint


def test_a_ledger_without_logs_is_not_begun_by_running_it(tmp_path: Path) -> None:
    """An empty database where there was a full one is refused: a new log in its place would hide the old one."""
    rig = Rig(tmp_path, world_of(12))
    empty = RecordStore(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with pytest.raises(StoreCorrupt):
        Sequencer(LogStorage(empty, rig.store, NAME), lambda _: ()).resume()
