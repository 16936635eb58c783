"""Records that were deleted before they were sequenced: the ledger stops, two people state it, and it goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from broker.errors import RolledBack
from broker.ledger.place import gaps
from broker.ledger.record_judge import RecordJudge
from broker.ledger.run import LedgerRun
from broker.replica import Replica
from keys.soft_keys import SoftIdentity
from protocol import topics
from protocol.errors import Code
from protocol.identifiers import Millis
from protocol.trail.acts import Act, AuditGap, audit_gap, gap_of, parse_act
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import is_notice, sign_acts
from runtime.errors import Unavailable
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, unchecked
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, MemoryReader, MemoryTopics, Rig, world_of
from tests.unit.broker.ledger.test_run import LateFeed, ledger_run_of, until

READ, BEGINS = 4, 7
"""How many records the ledger has sequenced, and where the topic begins after others were deleted."""


@dataclass
class CutReader(MemoryReader):
    """A topic whose first records were deleted: to fetch there is an error, as it is to Kafka's reader."""

    first: int = 0

    async def span(self) -> tuple[int, int]:
        return self.first, len(self.values)

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        if self.at < self.first:
            raise Unavailable("the position is not there any more")
        return await super().fetch(wait_ms=wait_ms, most=most)


class CutTopics(MemoryTopics):
    """Kafka after records of the audit topic were deleted."""

    def __init__(self, audit: list[bytes]) -> None:
        super().__init__()
        self.records[topics.AUDIT] = list(audit)
        self.first = BEGINS

    @asynccontextmanager
    async def reading(self, topic: str, position: int | None) -> AsyncIterator[CutReader]:
        first = self.first if topic == topics.AUDIT else 0
        at = first if position is None else position
        yield CutReader(self.records.setdefault(topic, []), at, first)


@dataclass
class Cut:
    """A ledger before a gap."""

    rig: Rig
    bus: CutTopics

    @property
    def gap(self) -> AuditGap:
        return AuditGap(AUDIT, READ, BEGINS)

    def state_gap(
        self, gap: AuditGap | None = None, *, by: SoftIdentity | None = None, twice: bool = False
    ) -> bytes:
        """Put it into the topic."""
        signer = by or self.rig.world.registrar
        act = audit_gap(NOON, signer.name, gap or self.gap, why="retention", by="Costa", second="Smit")
        acts: list[Act] = [act, act] if twice else [act]
        made = sign_acts(acts, actor=signer.name, now=NOON, signer=signer, entropy=os.urandom)
        self.bus.records[topics.AUDIT].append(made)
        return made

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[LedgerRun, list[asyncio.Task[None]]]]:
        """One attempt."""
        directory = self.rig.world.directory
        replica = Replica(LateFeed(directory.snapshot()), directory.root, monotonic=lambda: 0.0)
        replica._feed.is_due = lambda: True
        ledger = ledger_run_of(self.rig, self.bus, replica)
        tasks = [asyncio.create_task(replica.run()), asyncio.create_task(ledger.attempt())]
        try:
            yield ledger, tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def goes_on(self) -> None:
        """An attempt that sequences all that there is."""
        async with self.running() as (ledger, tasks):
            statements = self.rig.world.directory.head.size
            await until(
                lambda: (
                    ledger.working
                    and self.rig.state().position == len(self.bus.records[topics.AUDIT])
                    and self.rig.state().directory_next == statements
                    and any(map(is_notice, self.bus.records.get(topics.LEDGER, ())))
                ),
                *tasks,
            )

    async def is_refused(self) -> str:
        """An attempt that ends with the words of the refusal."""
        async with self.running() as (ledger, tasks):
            await until(lambda: ledger.working or tasks[1].done())
            assert not ledger.working, "it went on"
            with pytest.raises(RolledBack) as told:
                await tasks[1]
        return f"{told.value} {told.value.hint}"

    def types(self) -> list[int]:
        return [row.type for row in self.rig.records.rows(AUDIT)]

    def gap_rows(self) -> list[int]:
        return [row.index for row in self.rig.records.rows(AUDIT) if row.type == RecordType.AUDIT_GAP]


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    rig = Rig(tmp_path, world_of(10))
    rig.run(rig.writer(), upto=READ)
    return Cut(rig, CutTopics(rig.inputs))


async def test_nothing_goes_over_a_gap_by_itself(cut: Cut) -> None:
    """It stops, says from where to where, and names the command."""
    told = await cut.is_refused()
    assert f"begins at {BEGINS}" in told and f"at {READ}" in told and "contrada ledger gap" in told
    assert cut.gap_rows() == []


async def test_two_people_state_it_and_the_ledger_goes_on(cut: Cut) -> None:
    """Its one leaf stands between what was read before and behind; everything that there is has its leaf."""
    before = cut.rig.state().size
    stated = cut.state_gap()
    await cut.goes_on()
    assert cut.gap_rows() == [before]
    row = cut.rig.records.row(AUDIT, before)
    assert row is not None and row.record is not None
    assert gap_of(parse_act(row.record)) == cut.gap
    assert parse_act(row.record).detail[3:] == ("retention", "Costa", "Smit")
    kept = [entry for reading in cut.rig.readings(BEGINS, len(cut.rig.inputs)) for entry in reading.entries]
    assert [e[2] for e in cut.rig.entries()[before + 1 :]][: len(kept)] == [e[2] for e in kept]
    assert RecordType.UNVERIFIED not in cut.types()
    assert [each for each in cut.bus.records[topics.LEDGER] if is_notice(each)] == [stated]


async def test_a_restart_neither_repeats_nor_forgets_it(cut: Cut) -> None:
    """One leaf, however often the ledger starts; and every start tells the units again."""
    stated = cut.state_gap()
    await cut.goes_on()
    cut.bus.records[topics.LEDGER] = [each for each in cut.bus.records[topics.LEDGER] if not is_notice(each)]
    await cut.goes_on()
    assert len(cut.gap_rows()) == 1
    assert [each for each in cut.bus.records[topics.LEDGER] if is_notice(each)] == [stated]


async def test_killed_between_the_leaf_and_the_rest(cut: Cut) -> None:
    """The leaf is committed, and nothing behind it: the act that comes in its order makes no second one."""
    cut.state_gap()
    state = cut.rig.writer().resume()
    found = await gaps.stated_gap(
        CutReader(cut.bus.records[topics.AUDIT], 0, BEGINS), state, first=BEGINS,
        end=len(cut.bus.records[topics.AUDIT]), parties=cut.rig.world.directory,
    )  # fmt: skip
    assert found is not None
    writer = cut.rig.writer()
    writer.resume()
    assert writer.advance([found], now=NOON).new.position == BEGINS
    await cut.goes_on()
    assert len(cut.gap_rows()) == 1


async def test_what_else_is_stated_does_not_open_the_way(cut: Cut) -> None:
    """Another log, another place, further than what is gone, by a process, or together with another act."""
    world = cut.rig.world
    for gap in (
        replace(cut.gap, log="contrada.example/audit/2026h1"),
        replace(cut.gap, first=READ - 1),
        replace(cut.gap, first=READ + 1),
        replace(cut.gap, end=BEGINS + 1),
    ):
        cut.state_gap(gap)
    for signer in (world.ledger, world.router, world.root_key):
        cut.state_gap(by=signer)
    cut.state_gap(twice=True)
    forged = bytearray(cut.state_gap())
    forged[-1] ^= 1
    cut.bus.records[topics.AUDIT][-1] = bytes(forged)
    cut.bus.records[topics.AUDIT].append(b"\x84rubbish")
    await cut.is_refused()
    assert cut.gap_rows() == []


async def test_more_is_deleted_while_they_state_it(cut: Cut) -> None:
    """Two statements, one behind the other, and a leaf for each; with the first alone it stops behind it."""
    cut.state_gap()
    cut.bus.first = BEGINS + 1
    assert f"at {BEGINS}" in await cut.is_refused()
    cut.state_gap(AuditGap(AUDIT, BEGINS, BEGINS + 1))
    await cut.goes_on()
    assert len(cut.gap_rows()) == 2


async def test_a_gap_that_is_none_is_logged_as_that(cut: Cut) -> None:
    """The ledger has read those records: whoever states that they are gone does not make it so."""
    cut.state_gap()
    cut.state_gap(AuditGap(AUDIT, 1, 2))
    cut.state_gap(AuditGap("another.example/audit/2026h2", 1, 2))
    await cut.goes_on()
    codes = [row.reasons for row in cut.rig.records.rows(AUDIT) if row.type == RecordType.UNVERIFIED]
    assert codes == [Code.E_LOG_GAP.value]
    assert len(cut.gap_rows()) == 2, "what was stated of another ledger is what somebody stated"


async def test_a_ledger_that_begins_late_says_so(tmp_path: Path) -> None:
    """A new one, on a topic whose beginning is gone: its first leaf says what it has not seen."""
    rig = Rig(tmp_path, world_of(10))
    late = Cut(rig, CutTopics(rig.inputs))
    await late.is_refused()
    late.state_gap(AuditGap(AUDIT, 0, BEGINS))
    await late.goes_on()
    assert late.gap_rows() == [0]


MUTANTS = [
    ("the log", test_what_else_is_stated_does_not_open_the_way, Mutant(gaps._is_before, forced(True, "gap.log"))),
    ("the place", test_what_else_is_stated_does_not_open_the_way, Mutant(gaps._is_before, forced(True, "gap.first"))),
    ("the end", test_what_else_is_stated_does_not_open_the_way, Mutant(gaps._is_before, forced(True, "gap.end"))),
    ("alone", test_what_else_is_stated_does_not_open_the_way, Mutant(gaps.passing, forced(False, "len"))),
    ("one leaf", test_two_people_state_it_and_the_ledger_goes_on, Mutant(RecordJudge._read, unchecked("self.passed"))),
    ("none of ours", test_a_gap_that_is_none_is_logged_as_that, Mutant(RecordJudge._acts, dropped("self._check_gaps"))),
    ("by itself", test_nothing_goes_over_a_gap_by_itself, Mutant(gaps.behind_gaps, dropped("check_span"))),
    ("every unit", test_two_people_state_it_and_the_ledger_goes_on, Mutant(LedgerRun._placed, dropped("self.publisher.give_notice"))),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("promise", "mutant"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant, cut: Cut) -> None:
    """Without it the test fails, or waits for what does not come."""
    with (
        mutated(mutant),
        pytest.raises((AssertionError, pytest.fail.Exception, Unavailable, RolledBack, TimeoutError)),
    ):
        await asyncio.wait_for(promise(cut), 5)


def test_the_act_has_one_form() -> None:
    """Null subject, six fields, and at least one offset."""
    for gap in (AuditGap(AUDIT, 3, 3), AuditGap(AUDIT, 4, 3)):
        with pytest.raises(Exception, match="without an offset"):
            sign_acts(
                [audit_gap(Millis(1), world_of(1).registrar.name, gap, why="x", by="y", second="z")],
                actor=world_of(1).registrar.name, now=Millis(1), signer=world_of(1).registrar, entropy=os.urandom,
            )  # fmt: skip
