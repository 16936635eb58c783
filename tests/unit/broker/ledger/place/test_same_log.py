"""An audit topic that came back from an older copy: nothing that stands in it is passed over, nothing has two leaves."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from broker.errors import RolledBack
from broker.ledger.place import parting, same_log
from broker.ledger.place.same_log import LOOK_EVERY, SILENCE, SameLog
from broker.ledger.record_judge import RecordJudge
from broker.ledger.run import LedgerRun
from broker.ledger.sequencer import Sequencer
from broker.ledger.store import record_store
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.record_store import RecordStore
from broker.replica import Replica
from protocol import topics
from protocol.trail.acts import Rewinding, parse_act, rewinding_of
from protocol.trail.records import RecordType
from runtime.errors import Unavailable
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, returning, rewritten
from tests.sim.world import World
from tests.unit.broker.ledger.rig import AUDIT, LEDGER, MemoryTopics, Rig, world_of
from tests.unit.broker.ledger.test_run import LateFeed, ledger_run_of, until

BEFORE, READ, ALL = 5, 9, 14
"""Records that the copy has; that the ledger has read; with those that were written since the copy came back."""


class Restored:
    """A ledger that has read records of a log, of which a copy has the first ones."""

    def __init__(self, path: Path, world: World) -> None:
        self.rig = Rig(path, world)
        assert len(self.rig.inputs) == ALL
        self.lost = self.rig.inputs[BEFORE:READ]
        self.since = self.rig.inputs[READ:]
        self.rig.run(self.rig.writer(), upto=READ)
        self.bus = MemoryTopics()
        self.now = 0.0
        self.bus.records[topics.AUDIT] = self.rig.inputs[:READ]

    def put_back(self, written: int = ALL - READ) -> None:
        """The copy is there, and so many records were written behind it."""
        self.bus.records[topics.AUDIT][:] = self.rig.inputs[:BEFORE] + self.since[:written]

    async def comes_back_in_silence(self) -> list[bytes]:
        """A ledger that has read all, and under it a copy that has not grown to its place; what it had announced."""
        self.tasks = self.attempt()
        values = self.bus.records[topics.AUDIT]
        await until(lambda: self.has_read(values), *self.tasks)
        announced = values[READ:]
        self.put_back()
        return announced

    async def sees_it(self) -> None:
        """The attempt ends, the next one goes back."""
        with pytest.raises(Unavailable, match="other records"):
            await asyncio.wait_for(asyncio.shield(self.tasks[1]), 5)
        await ended(*self.tasks)
        await self.goes_on()
        self.each_has_its_leaves_once()

    def attempt(self) -> tuple[asyncio.Task[None], asyncio.Task[None]]:
        self.ledger = self.ledger_run()
        replica = self.ledger.replica
        return asyncio.create_task(replica.run()), asyncio.create_task(self.ledger.attempt())

    def ledger_run(self) -> LedgerRun:
        directory = self.rig.world.directory
        replica = Replica(LateFeed(directory.snapshot()), directory.root, monotonic=lambda: 0.0)
        replica._feed.is_due = lambda: True
        ledger = ledger_run_of(self.rig, self.bus, replica)
        ledger.same_log.monotonic = lambda: self.now
        return ledger

    async def goes_back(self) -> None:
        """A ledger that is killed before it reads anything."""
        ledger = self.ledger_run()
        ledger.replica.directory = self.rig.world.directory
        state = await asyncio.to_thread(ledger.sequencer.resume)
        async with self.bus.reading(topics.AUDIT, None) as audit:
            await ledger._placed(audit, state, LEDGER)

    def ways_back(self) -> list[tuple[int, Rewinding | None]]:
        """The leaves that say that the ledger went back."""
        rows = [row for row in self.rig.records.rows(AUDIT) if row.type == RecordType.AUDIT_REWOUND]
        return [(row.index, rewinding_of(parse_act(row.record or b""))) for row in rows]

    async def goes_on(self) -> None:
        """An attempt that reads to the end of the topic and of what is announced."""
        tasks = self.attempt()
        values = self.bus.records[topics.AUDIT]
        try:
            await until(lambda: self.has_read(values), *tasks)
        finally:
            await ended(*tasks)

    def has_read(self, values: list[bytes]) -> bool:
        statements = self.rig.world.directory.head.size
        state = self.rig.state()
        return self.ledger.working and (state.directory_next, state.position) == (statements, len(values))

    def decisions(self) -> Counter[bytes]:
        """What routers signed, and in how many places of the log it stands."""
        return Counter(each.signed for each in self.rig.records.signed(AUDIT))

    def expected(self) -> set[bytes]:
        return {each.signed for each in self.rig.readings(0) if each.signed is not None}

    def each_has_its_leaves_once(self) -> None:
        found = self.decisions()
        assert self.expected() <= set(found), "passed over"
        assert set(found.values()) == {1}, "twice"
        unverified = [row for row in self.rig.records.rows(AUDIT) if row.type == RecordType.UNVERIFIED]
        wanted = [each for each in self.rig.readings(0) if each.signed is None]
        assert len(unverified) == len(wanted)


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.fixture
def restored(tmp_path: Path) -> Restored:
    return Restored(tmp_path, world_of(ALL))


async def test_what_stands_in_an_older_copy_is_sequenced(restored: Restored) -> None:
    """It has grown past the ledger's place: what was written at its offsets is read, and what both logs have once."""
    restored.put_back()
    await restored.goes_on()
    restored.each_has_its_leaves_once()
    assert restored.ledger.metrics.rewound._value.get() == 1


async def test_what_does_not_verify_has_its_leaf_once(restored: Restored) -> None:
    """It stands in what both logs have, and behind the step from which the ledger reads once more."""
    # Both are read at once, so one step ends with the record that the copy does not have.
    restored.bus.records[topics.AUDIT] = [*restored.rig.inputs[:READ], b"?", restored.since[0]]
    await restored.goes_on()
    restored.bus.records[topics.AUDIT] += restored.since[1:]
    lost = restored.bus.records[topics.AUDIT]
    await restored.goes_on()
    restored.bus.records[topics.AUDIT][:] = [*lost[: READ + 1], *restored.since[2:]]
    await restored.goes_on()
    rows = [row for row in restored.rig.records.rows(AUDIT) if row.type == RecordType.UNVERIFIED]
    assert len(rows) == 1
    assert restored.ways_back()


async def test_a_copy_that_is_shorter_stops_nothing(restored: Restored) -> None:
    """All that was sequenced stays, and what comes next is read."""
    restored.put_back(written=1)
    await restored.goes_on()
    restored.put_back()
    await restored.goes_on()
    restored.each_has_its_leaves_once()


async def test_it_is_seen_while_the_ledger_runs(restored: Restored) -> None:
    """The library connected again in silence: what has come is not sequenced before the look at what was read."""
    announced = await restored.comes_back_in_silence()
    # Others came until now.
    restored.now = restored.ledger.same_log._came = LOOK_EVERY
    restored.bus.records[topics.AUDIT].extend(announced)
    await restored.sees_it()


async def test_what_came_before_the_look_bears_nothing_out(restored: Restored) -> None:
    """Records of the other log were sequenced before it: that they stand there is no reason to go on behind them."""
    announced = await restored.comes_back_in_silence()
    values = restored.bus.records[topics.AUDIT]
    values.extend(announced)
    await until(lambda: restored.has_read(values), *restored.tasks)
    restored.now = LOOK_EVERY
    values.append(announced[0])
    await restored.sees_it()


async def test_killed_on_the_way_back_it_goes_on_with_it(restored: Restored) -> None:
    """After the first records that are read once more: those behind them make no second leaves either."""
    restored.put_back()
    await restored.goes_back()
    assert restored.rig.state().position < BEFORE
    assert restored.rig.records.audit_read().again == READ
    await restored.goes_on()
    restored.each_has_its_leaves_once()
    assert restored.rig.records.audit_read().again == 0
    assert len(restored.ways_back()) == 1


async def test_the_way_back_is_a_leaf(restored: Restored) -> None:
    """It stands between what was read of the lost topic and of this one, and says from which leaf on is undone."""
    before = restored.rig.state().size
    common = sum(len(each.entries) for each in restored.rig.readings(0, BEFORE))
    restored.put_back()
    await restored.goes_on()
    assert restored.ways_back() == [(before, Rewinding(READ, 1, AUDIT, common))]
    since = [row.signed for row in restored.rig.records.signed(AUDIT) if row.first > before]
    assert since[0] == restored.rig.readings(READ)[0].signed


async def test_a_ledger_that_is_killed_in_the_step_has_neither_the_leaf_nor_the_place(
    restored: Restored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are one transaction: a place without its leaf would never be told."""
    restored.put_back()
    before = restored.rig.state()

    def killed(*_: object) -> None:
        raise Unavailable("killed")

    with monkeypatch.context() as broken:
        broken.setattr(record_store, "store_read", killed)
        with pytest.raises(Unavailable):
            await restored.goes_back()
    assert restored.rig.state() == before
    await restored.goes_on()
    assert len(restored.ways_back()) == 1


async def test_it_is_seen_after_a_silence(restored: Restored) -> None:
    """Brokers are away while a copy is put in the place of their disks; nothing of it is sequenced before the look."""
    announced = await restored.comes_back_in_silence()
    restored.now = SILENCE
    restored.bus.records[topics.AUDIT].extend(announced)
    await restored.sees_it()


async def test_another_kafka_is_no_older_copy(restored: Restored) -> None:
    """None of its records was read: the ledger stops, and nothing is sequenced."""
    before = restored.rig.state()
    restored.bus.records[topics.AUDIT][:] = restored.since * 2
    tasks = restored.attempt()
    try:
        await until(lambda: restored.ledger.working or tasks[1].done())
        with pytest.raises(RolledBack, match="none of the records"):
            await asyncio.wait_for(tasks[1], 5)
    finally:
        await ended(*tasks)
    assert restored.rig.state() == before


async def test_the_same_log_is_read_on(restored: Restored) -> None:
    """Nobody put anything back: no rewind, and what comes is sequenced."""
    restored.bus.records[topics.AUDIT][:] = restored.rig.inputs
    await restored.goes_on()
    restored.each_has_its_leaves_once()
    assert restored.ledger.metrics.rewound._value.get() == 0


async def test_a_database_of_the_release_before_is_taken_over(restored: Restored) -> None:
    """It has no such table: what is known begins with the next record, and the first one is kept."""
    restored.rig.records.close()
    with sqlite3.connect(restored.rig.path / "records.sqlite") as database:
        database.execute("DROP TABLE audit_read")
    only_read = RecordStore(restored.rig.url, read_only=True)
    assert only_read.audit_read() == AuditRead()
    only_read.close()
    restored.rig.records = RecordStore(restored.rig.url)
    assert restored.rig.records.audit_read() == AuditRead()
    restored.bus.records[topics.AUDIT][:] = restored.rig.inputs
    await restored.goes_on()
    steps = restored.rig.records.audit_read().ladder
    assert steps[0].offset >= ALL - 1
    assert steps[-1].offset == READ


MUTANTS = [
    ("look", test_what_stands_in_an_older_copy_is_sequenced, Mutant(SameLog.way_back, forced(False, "found.rewound"))),
    ("no look", test_it_is_seen_while_the_ledger_runs, Mutant(SameLog.check, forced(True, "self._due"))),
    ("what was read since", test_what_came_before_the_look_bears_nothing_out, Mutant(SameLog.check, rewritten("cut(read.ladder, self._newest.offset + 1)", "read.ladder"))),
    ("one leaf", test_what_stands_in_an_older_copy_is_sequenced, Mutant(Sequencer._once, forced(False, "name", "known"))),
    ("one leaf of what does not verify", test_what_does_not_verify_has_its_leaf_once, Mutant(Sequencer._unverified_before, returning("frozenset()"))),
    ("one leaf, on the way", test_killed_on_the_way_back_it_goes_on_with_it, Mutant(SameLog.way_back, rewritten("max(read.again, state.position)", "0"))),
    ("the leaf", test_the_way_back_is_a_leaf, Mutant(RecordJudge.rewound, rewritten("(entry,)", "()"), rewritten("(row,)", "()"))),
    ("what is undone", test_the_way_back_is_a_leaf, Mutant(parting.first_undone, dropped("place_of"))),
    ("no look after a silence", test_it_is_seen_after_a_silence, Mutant(SameLog.check, forced(True, "SILENCE"))),
    ("another one", test_another_kafka_is_no_older_copy, Mutant(same_log.place_in, forced(True, "found.known"))),
    ("the first one", test_a_database_of_the_release_before_is_taken_over, Mutant(AuditRead.after, rewritten("self.ladder or climbed((), read[:1])", "self.ladder"))),
    ("digest", test_what_stands_in_an_older_copy_is_sequenced, Mutant(same_log._has, rewritten("read_record(found[0]) == record", "found[0].offset == record.offset"))),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "mutant"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant, restored: Restored) -> None:
    """Without it the test fails, or waits for what does not come."""
    with (
        mutated(mutant),
        pytest.raises((AssertionError, pytest.fail.Exception, Unavailable, RolledBack, TimeoutError)),
    ):
        await asyncio.wait_for(promise(restored), 5)
