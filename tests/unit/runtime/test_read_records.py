"""A log that came back from an older copy: nothing of what stands in it is passed over, and little is read twice."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.identifiers import digest
from runtime import read_records
from runtime.kafka.ports import InputRecord, Ladder, ReadRecord
from runtime.read_records import (
    MOST,
    WIDEN,
    Beginning,
    climbed,
    ladder_from_bytes,
    ladder_to_bytes,
    read_record,
    where_to_begin,
)
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning, rewritten
from tests.mutants.promises import assert_missed

Log = list[InputRecord]


def log_of(*runs: tuple[str, int]) -> Log:
    """Records of several writers, one run after the other."""
    names = [f"{name}{number}" for name, count in runs for number in range(count)]
    return [InputRecord(offset, 7, name.encode()) for offset, name in enumerate(names)]


def read(log: Log, to: int, *, batch: int) -> Ladder:
    ladder: Ladder = ()
    for first in range(0, to, batch):
        ladder = climbed(ladder, log[first : min(first + batch, to)])
    return ladder


async def begin(log: Log, position: int, known: Ladder, *, first: int = 0) -> tuple[Beginning, int]:
    """Where reading goes on in this log, and how many records were looked at for it."""
    asked: list[int] = []

    async def has(step: ReadRecord) -> bool:
        asked.append(step.offset)
        assert first <= step.offset < len(log), "there is nothing to look at"
        return read_record(log[step.offset]) == step

    return await where_to_begin(position, known, begin=first, end=len(log), has=has), len(asked)


async def test_the_same_log_is_gone_on_with_and_one_record_is_looked_at() -> None:
    """A start costs one look, however long the log is."""
    log = log_of(("a", 500))
    known = read(log, 400, batch=7)
    assert await begin(log, 400, known) == (Beginning(400, 0, known), 1)


@pytest.mark.parametrize("grown", [0, 5, 45, 400], ids=["shorter", "still shorter", "as long", "overtaken"])
async def test_where_both_logs_part_reading_goes_on(grown: int) -> None:
    """80 were read, 35 are left, and however much was written since: all of that is read."""
    known = read(log_of(("a", 80)), 80, batch=4)
    begun, _ = await begin(log_of(("a", 35), ("b", grown)), 80, known)
    assert begun.rewound_from == 80
    assert begun.position <= 35
    assert all(step.offset < begun.position for step in begun.known)


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning() -> None:
    """Not one record is common: shorter or longer than what was read, it is another topic."""
    known = read(log_of(("a", 80)), 80, batch=4)
    for grown in (0, 10, 200):
        assert (await begin(log_of(("b", grown)), 80, known))[0] == Beginning(0, 0, (), 80)


async def test_the_same_bytes_written_once_more_are_another_record() -> None:
    """A statement that somebody put back stands where it stood, behind others that nobody here has read."""
    known = read(log_of(("a", 3)), 3, batch=1)
    log = [*log_of(("a", 1), ("b", 1)), InputRecord(2, 8, b"a2")]
    begun, _ = await begin(log, 3, known)
    assert (begun.position, begun.rewound_from) == (1, 3)


async def test_what_retention_took_is_lost_and_no_rewind() -> None:
    """The newest record that was read is deleted, too: then the offsets alone say where to go on."""
    log = log_of(("a", 100))
    known = read(log, 40, batch=4)
    assert (await begin(log, 40, known, first=40))[0] == Beginning(40, 0, known)
    assert (await begin(log, 40, known, first=70))[0] == Beginning(70, 30, known)
    begun, _ = await begin(log[:20], 40, ())
    assert begun == Beginning(0, 0, (), 40)


async def test_markers_behind_the_last_record_may_go() -> None:
    """Reading had gone on over the markers of transactions, and the copy was made before them."""
    log = log_of(("a", 10))
    known = read(log, 10, batch=2)
    assert (await begin(log, 12, known))[0] == Beginning(10, 0, known)


async def test_a_reader_that_begins_earlier_on_purpose_is_left_alone() -> None:
    """What was read is the same: whoever wants to read it once more does."""
    log = log_of(("a", 10))
    known = read(log, 10, batch=2)
    assert (await begin(log, 0, known))[0] == Beginning(0, 0, known)
    begun, _ = await begin(log_of(("a", 6), ("b", 9)), 4, known)
    assert (begun.position <= 4, begun.rewound_from) == (True, 4)


@given(
    read_to=st.integers(0, 400),
    common=st.integers(0, 400),
    grown=st.integers(0, 500),
    batch=st.integers(1, 64),
    first=st.integers(0, 60),
)
@settings(max_examples=200)
async def test_nothing_of_any_later_log_is_passed_over(
    read_to: int, common: int, grown: int, batch: int, first: int
) -> None:
    """By a model: reading goes on at or before the first record that was not read, and nowhere else without need."""
    old = log_of(("a", 400))
    known = read(old, read_to, batch=batch)
    new = old[:common] + log_of(("a", common), ("b", grown))[common:]
    first = min(first, len(new))
    begun, asked = await begin(new, read_to, known, first=first)
    assert begun.position <= max(min(read_to, common), first)
    if common >= read_to:
        assert (begun.position, begun.rewound, asked <= 1) == (max(read_to, first), False, True)
    if begun.rewound:
        assert all(step.offset < min(common, begun.position) for step in begun.known)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=300))
def test_a_ladder_is_short_and_gets_no_wider_than_it_should(steps: list[int]) -> None:
    """Its steps are bounded; how far a rewind goes too far back is in proportion to how far the log went back."""
    ladder: Ladder = ()
    offset, offsets = 0, []
    for step in steps:
        offset += step
        offsets.append(offset)
        before, ladder = ladder, climbed(ladder, [InputRecord(offset, 0, b"")])
        assert ladder[0].offset == offset
        assert set(ladder[1:]) <= set(before)
    assert len(ladder) <= MOST
    assert ladder[-1].offset == offsets[0]
    for later, earlier in pairwise(ladder):
        between = [seen for seen in offsets if earlier.offset < seen < later.offset]
        assert not between or later.offset - earlier.offset <= (WIDEN - 1) * (offset - later.offset)
    assert ladder_from_bytes(ladder_to_bytes(ladder)) == ladder


def test_a_ladder_of_a_billion_records_is_short() -> None:
    """Forty steps or so, in batches of any size."""
    for batch in (1, 64, 5_000):
        ladder: Ladder = ()
        for number in range(1, 3_000):
            ladder = climbed(ladder, [InputRecord(number * batch * number, 0, b"")])
        assert len(ladder) < 40


@pytest.mark.parametrize("data", [b"", b"x", bytes(39), bytes(41), bytes(80)])
def test_bytes_that_are_no_ladder_make_an_empty_one(data: bytes) -> None:
    """A database that was damaged, or written by a later version, teaches nothing, and stops nothing."""
    assert ladder_from_bytes(data) == ()


def test_records_that_are_read_once_more_change_nothing() -> None:
    """Reading a part again, after a restart, must not make a ladder that goes down."""
    log = log_of(("a", 20))
    ladder = read(log, 20, batch=3)
    assert climbed(ladder, log[4:8]) == ladder
    assert climbed(ladder, []) == ladder
    assert read_record(log[3]) == ReadRecord(3, digest((7).to_bytes(8, "big") + b"a3"))


PARTED, ANEW = (
    test_where_both_logs_part_reading_goes_on,
    test_a_topic_that_was_made_anew_is_read_from_its_beginning,
)
MUTANTS = [
    (Mutant(where_to_begin, rewritten("step.offset < end and await has(step)", "step.offset < end")), PARTED, (400,)),
    (Mutant(where_to_begin, rewritten("step.offset < end and await has(step)", "await has(step)")), PARTED, (0,)),
    (Mutant(where_to_begin, rewritten("step.offset >= begin", "False")), PARTED, (400,)),
    (Mutant(where_to_begin, rewritten("cut(known, step.offset + 1)", "known")), PARTED, (400,)),
    (Mutant(read_records._by_offsets, rewritten("position > end", "False")), test_what_retention_took_is_lost_and_no_rewind, ()),
    (Mutant(climbed, returning("()")), PARTED, (400,)),
    (Mutant(read_record, rewritten("stamp + record.value", "record.value")),
     test_the_same_bytes_written_once_more_are_another_record, ()),
    (Mutant(read_record, rewritten("stamp + record.value", "stamp")), ANEW, ()),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "given"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, given) -> None:
    """Without it, records of the later log are passed over."""
    await assert_missed(mutant, promise, given)
