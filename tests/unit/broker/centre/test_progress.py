"""Who stands still: whoever is waited for and does not move, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.centre import progress
from broker.centre.progress import PATIENCE, SILENT, STILL, Reader, find_standing, has_moved, seems_still
from broker.centre.progress_look import _newer
from protocol.identifiers import Millis
from runtime.kafka.ports import ReadingMark
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, returning

NOW = Millis(1_795_000_000_000)
INBOX, AUDIT, OUTBOX = ("inbox.it", 0), ("audit", 0), ("outbox.fr", 0)
TELLS_EVERY = 15_000


class Exchange:
    """Readers that behave as a test says, and a time that passes when somebody sleeps."""

    def __init__(self, skew: int = 0) -> None:
        self.seconds = 0.0
        self.skew = skew
        self.stopped_at: float | None = None
        self.end, self.read_at = 0, 0.0
        self.stuck = False

    def clock(self) -> Millis:
        return Millis(NOW + int(self.seconds * 1000))

    def _own(self, seconds: float) -> Millis:
        return Millis(NOW + self.skew + int(seconds * 1000))

    def unit(self) -> Reader:
        """A daemon that tells every 15 s, and has read everything by then unless its disk is full or it stopped."""
        alive = self.seconds if self.stopped_at is None else self.stopped_at
        told = alive - alive % 15
        stands = self.stuck or told < self.read_at
        position = 0 if stands else self.end
        moved = self._own(-100 if stands else max(-100, self.read_at))
        return Reader(
            "unit it",
            INBOX,
            self.end,
            position,
            ReadingMark(position, self._own(told), min(moved, self._own(told))),
        )

    async def look(self, _: object) -> dict:
        return {INBOX: self.unit()}

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    async def standing(self) -> list[str]:
        found = await find_standing(
            {INBOX: self.unit()},
            self.look,
            clock=self.clock,
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
        )
        return [f"{one.reader.name}: {one.why}" for one in found]


@pytest.mark.parametrize("skew", [0, -200_000, 200_000])
async def test_a_daemon_that_was_stopped_is_named_whatever_its_clock_says(skew: int) -> None:
    """SIGSTOP: nothing more is told. One whose clock is wrong, and that goes on telling, is not taken for it."""
    well, stopped = Exchange(skew), Exchange(skew)
    for exchange in (well, stopped):
        exchange.seconds = 300.0
    stopped.stopped_at, stopped.end, stopped.read_at = 100.0, 3, 150.0

    assert await well.standing() == []
    (said,) = await stopped.standing()
    assert said.startswith("unit it: 3 records of inbox.it wait")


async def test_a_daemon_that_lives_and_cannot_store_stands_still() -> None:
    """Its marks come, and say that nothing has moved: a full disk, for one."""
    exchange = Exchange()
    exchange.seconds, exchange.end, exchange.stuck = 300.0, 2, True
    (said,) = await exchange.standing()
    assert "2 records of inbox.it wait, and nothing has moved for" in said


async def test_mail_that_has_just_come_is_waited_for() -> None:
    """After hours without mail the first message is read with the next mark: nobody stands still, in one glance."""
    exchange = Exchange()
    exchange.seconds, exchange.end, exchange.read_at = 307.0, 1, 306.0
    assert await exchange.standing() == []
    assert exchange.seconds < 307.0 + PATIENCE


async def test_what_is_well_costs_one_look() -> None:
    """Nobody waits where nothing seems wrong."""
    exchange = Exchange()
    exchange.seconds = 300.0
    await exchange.standing()
    assert exchange.seconds == 300.0


@pytest.mark.parametrize("position", [None, 0])
async def test_records_that_nobody_has_ever_read_are_told(position: int | None) -> None:
    """No daemon of this unit was ever heard, or no router has ever decided; without records nobody is missed."""
    reader = Reader("unit nz" if position is None else "routers", OUTBOX, 4, position)
    assert seems_still(reader, NOW)
    assert not seems_still(Reader(reader.name, OUTBOX, 0, position), NOW)
    assert ("never heard" in progress.why_still(reader, NOW)) == (position is None)


marks = st.builds(
    lambda told, still: ReadingMark(0, Millis(NOW - told), Millis(NOW - told - still)),
    st.integers(-SILENT, 3 * SILENT),
    st.integers(0, 3 * STILL),
)


@given(marks, st.integers(0, 5), st.integers(0, 5))
def test_what_is_read_to_its_end_and_heard_is_never_suspected(
    mark: ReadingMark, end: int, position: int
) -> None:
    """By the rule in words: silent for too long; or something waits and its own clock says that nothing moves."""
    reader = Reader("unit it", INBOX, end, position, mark)
    silent = NOW - mark.told > SILENT
    stuck = end > position and (mark.told - mark.moved > STILL or NOW - mark.told > STILL)
    assert seems_still(reader, NOW) == (silent or stuck)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_to_move_is_to_read_on_or_to_be_heard_with_nothing_left(before, after, end, more, heard) -> None:
    """A mark alone is no progress while something waits."""
    first = Reader("unit it", INBOX, end, before, ReadingMark(before, Millis(NOW), Millis(NOW)))
    told = Millis(NOW + 1) if heard else NOW
    later = Reader("unit it", INBOX, end + more, after, ReadingMark(after, told, Millis(NOW)))
    assert has_moved(first, later) == (after != before or (heard and end + more <= after))


MUTANTS = {
    "nobody is suspected": Mutant(seems_still, returning("False")),
    "to be heard is to move": Mutant(has_moved, forced(False, "after.waiting")),
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_each_safeguard_is_missed(name: str) -> None:
    """Without it a daemon that cannot store is taken for one that works."""
    exchange = Exchange()
    exchange.seconds, exchange.end, exchange.stuck = 300.0, 2, True
    with mutated(MUTANTS[name]):
        assert await exchange.standing() == []


def test_of_two_marks_of_a_place_the_one_that_was_told_last_counts() -> None:
    """A unit of release 0.9.0 tells it in the group of all, and the next one in its own: upgraded or gone back."""
    older, newer = (ReadingMark(position, Millis(told), Millis(1)) for position, told in ((9, 100), (5, 200)))

    assert _newer(older, newer) is newer
    assert _newer(newer, older) is newer
    assert _newer(None, older) is older
    assert _newer(older, None) is older
    assert _newer(None, None) is None
