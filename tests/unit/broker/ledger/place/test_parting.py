"""From which leaf on is undone what the ledger had read of a topic that is lost: exactly that, whoever writes what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from broker.ledger.place import parting
from broker.ledger.place.parting import first_undone
from protocol.trail.acts import software_start
from runtime.kafka.ports import InputRecord
from runtime.read_records import read_record
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, MemoryReader, Rig, world_of
from tests.unit.broker.ledger.test_sequencer import announcement
from tests.unit.protocol.trail.acts import stated

COMMON, READ = 5, 9
"""Records that the copy has; that the ledger had read."""


class Parted:
    """A ledger that has read some records, of which the topic that is there has the first ones."""

    def __init__(self, path: Path, change: Callable[[list[bytes]], None] = lambda _: None) -> None:
        self.rig = Rig(path, world_of(14))
        change(self.rig.inputs)
        self.since = self.rig.inputs[READ:]
        self.lost = self.rig.inputs[COMMON:READ]
        self.common = self.rig.inputs[:COMMON]
        self.rig.run(self.rig.writer(), upto=READ, at_once=1)

    def behind(self, offset: int) -> tuple[str, int]:
        """The leaf behind those of this record."""
        signed = self.rig.judge.read(InputRecord(offset, NOON, self.rig.inputs[offset]), first=0).signed
        (found,) = (each for each in self.rig.records.signed(AUDIT) if each.signed == signed)
        return AUDIT, found.first + found.leaves

    async def undone(self, *topic: bytes, steps: tuple[int, ...] = (3, 0)) -> tuple[str, int]:
        """The first leaf that is undone where these records stand behind the common ones."""
        values = [*self.common, *topic]
        known = tuple(read_record(InputRecord(step, NOON, values[step])) for step in steps)
        return await first_undone(
            MemoryReader(values, 0), self.rig.state(), known, judge=self.rig.judge, records=self.rig.records
        )


async def test_it_is_the_one_behind_the_last_common_record(tmp_path: Path) -> None:
    """However far before it a record is known that both topics have, and whether anything stands behind it."""
    parted = Parted(tmp_path)
    for steps in ((4, 0), (3, 0), (0,)):
        for topic in ((), parted.since, parted.since[:1]):
            assert await parted.undone(*topic, steps=steps) == parted.behind(COMMON - 1)


async def test_what_is_written_once_more_of_the_lost_topic_is_not_common(tmp_path: Path) -> None:
    """Somebody kept records of it, and writes them behind another: what they decided is undone all the same."""
    parted = Parted(tmp_path)
    assert await parted.undone(parted.since[0], *parted.lost) == parted.behind(COMMON - 1)


async def test_what_is_written_once_more_of_what_is_common_moves_nothing(tmp_path: Path) -> None:
    """The first record once more, directly behind the last common one: it undoes nothing that both have."""
    parted = Parted(tmp_path)
    assert await parted.undone(parted.common[0], parted.since[0]) == parted.behind(COMMON - 1)


async def test_garbage_shows_nothing(tmp_path: Path) -> None:
    """It is passed over, where both topics have it and where one has."""

    def garbage(inputs: list[bytes]) -> None:
        inputs[2] = b"\x83garbage"

    parted = Parted(tmp_path, garbage)
    assert await parted.undone(b"", b"\x84", *parted.since) == parted.behind(COMMON - 1)
    assert await parted.undone(steps=(2, 0)) == parted.behind(COMMON - 1)


async def test_an_announcement_without_leaves_shows_nothing(tmp_path: Path) -> None:
    """The ledger was killed, and announced a statement twice: what both topics have behind that is common."""

    def twice(inputs: list[bytes]) -> None:
        world = world_of(14)
        inputs[1:4] = [announcement(world, 0), announcement(world, 0), inputs[1]]

    parted = Parted(tmp_path, twice)
    assert await parted.undone(*parted.since, steps=(0,)) == parted.behind(COMMON - 1)


async def test_an_act_tells_the_topics_apart_too(tmp_path: Path) -> None:
    """Whatever is signed does: a start of the ledger, which it stated after the copy was back."""
    parted = Parted(tmp_path)
    world = parted.rig.world
    started = stated(world, "ledger", software_start(world.now, "ledger", program="ledger", version="1"))
    assert await parted.undone(started, *parted.lost) == parted.behind(COMMON - 1)


async def test_where_no_record_tells_an_older_one_is_asked(tmp_path: Path) -> None:
    """The copy ends with garbage; and where nothing at all is signed, nothing is undone, and nothing is excused."""

    def ends_so(inputs: list[bytes]) -> None:
        inputs[2:5] = [b"\x83garbage"] * 3

    parted = Parted(tmp_path, ends_so)
    assert await parted.undone(steps=(3, 0)) == parted.behind(1)
    assert await parted.undone(*parted.since, steps=(3,)) == (AUDIT, parted.rig.state().size)


MUTANTS = [
    (test_what_is_written_once_more_of_the_lost_topic_is_not_common, Mutant(parting._behind_common, forced(False, "reading.announced"))),
    (test_what_is_written_once_more_of_what_is_common_moves_nothing, Mutant(parting._behind_common, rewritten("max(behind, known[reading.signed])", "known[reading.signed]"))),
    (test_garbage_shows_nothing, Mutant(parting._signed, rewritten("continue", "break"))),
    (test_an_announcement_without_leaves_shows_nothing, Mutant(parting._behind_common, forced(True, "reading.announced"))),
    (test_where_no_record_tells_an_older_one_is_asked, Mutant(parting.first_undone, rewritten("return state.origin, state.size", "return state.origin, 0"))),
    (test_where_no_record_tells_an_older_one_is_asked, Mutant(parting.first_undone, rewritten("common", "common[:1]"))),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "mutant"), MUTANTS)
async def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant, tmp_path: Path) -> None:
    """Without it the test fails."""
    await assert_missed(mutant, promise, tmp_path=tmp_path)
