"""Reading marks: what is told can be read, what anybody else wrote is no mark, and no clock makes one impossible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.identifiers import Millis
from protocol.limits import MAX_UINT
from runtime.kafka.marks import following_marks, mark_to_text, read_mark
from runtime.kafka.ports import ReadingMark

INBOX = ("inbox.it", 0)
times = st.integers(0, MAX_UINT).map(Millis)


@given(st.integers(0, 2**62), times, times)
def test_what_was_told_is_read(position: int, one: Millis, other: Millis) -> None:
    mark = ReadingMark(position, max(one, other), min(one, other))
    assert read_mark(position, mark_to_text(mark)) == mark


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[0-9 ]{0,40}")))
def test_what_anybody_wrote_there_is_a_mark_of_its_form_or_none(text: str) -> None:
    """Whoever reaches Kafka can write there: it ends in no error, and in nothing that moved after it was told."""
    mark = read_mark(1, text)
    assert mark is None or mark.moved <= mark.told <= MAX_UINT


@given(st.lists(st.tuples(st.integers(0, 3), times), min_size=1, max_size=8))
def test_a_mark_says_since_when_its_position_stands(steps: list[tuple[int, Millis]]) -> None:
    """With a clock that jumps: a position that changes has moved now, one that does not has its earlier time."""
    told: dict = {}
    for position, now in steps:
        new = following_marks(told, {INBOX: position}, now=now)
        mark, before = new[INBOX], told.get(INBOX)
        assert (mark.position, mark.told) == (position, now)
        moved = before is None or before.position != position
        assert mark.moved == (now if moved else min(before.moved, now))
        assert read_mark(position, mark_to_text(mark)) == mark
        told = new
