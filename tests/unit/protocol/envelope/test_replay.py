"""Replay: a message is decided once, however streams come, go and are forgotten."""

from __future__ import annotations

from base64 import b85encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol import limits
from protocol.canonical import encode
from protocol.envelope.core import Position
from protocol.envelope.replay import Last, ReplayState
from protocol.errors import Code, Rejected
from tests.unit.protocol.strategies import QUICK

NOW = 1_795_000_000_000
KAFKA_METADATA = 4096


def stream(number: int) -> bytes:
    """The id of a stream."""
    return number.to_bytes(8, "big")


def fill(state: ReplayState, *, first: int, created: int, count: int = limits.MAX_STREAMS) -> None:
    """Enough new streams to push all others out."""
    for number in range(first, first + count):
        state.advance(Position(stream(number), 0), created=created, now=created)


def test_a_stream_counts_upwards():
    """What is not beyond the last number was decided; gaps are allowed."""
    state = ReplayState()
    state.advance(Position(stream(1), 5), created=NOW, now=NOW)

    assert [state.is_fresh(Position(stream(1), seq), NOW) for seq in (0, 4, 5, 6, 100)] == [False] * 3 + [
        True
    ] * 2
    assert state.is_fresh(Position(stream(2), 0), NOW)


def test_a_forgotten_stream_cannot_be_replayed():
    """Once a stream is forgotten, all of its messages are taken for decided."""
    state = ReplayState()
    state.advance(Position(stream(0), 3), created=NOW, now=NOW)
    fill(state, first=1, created=NOW + 1)

    assert stream(0) not in state.streams
    assert not any(state.is_fresh(Position(stream(0), seq), NOW) for seq in range(10))


def test_not_even_when_its_clock_jumped_back():
    """The newest message of a stream counts, not the last: an earlier one with a later time stays decided."""
    state = ReplayState()
    state.advance(Position(stream(0), 0), created=NOW + 50, now=NOW + 50)
    state.advance(Position(stream(0), 1), created=NOW, now=NOW + 60)
    fill(state, first=1, created=NOW + 100)

    assert not state.is_fresh(Position(stream(0), 0), NOW + 50)


def test_not_even_when_its_clock_was_ahead():
    """A message from a clock that was ahead, within the tolerance, stays decided."""
    state = ReplayState()
    ahead = NOW + limits.CLOCK_TOLERANCE
    state.advance(Position(stream(0), 0), created=ahead, now=NOW)
    fill(state, first=1, created=ahead + 1)

    assert stream(0) not in state.streams
    assert not state.is_fresh(Position(stream(0), 0), ahead)


def test_a_fast_clock_does_not_lock_out_later_streams():
    """A message that claims to be from next year does not make this year's messages look old."""
    state = ReplayState()
    state.advance(Position(stream(0), 0), created=NOW + 365 * limits.DAY, now=NOW)
    fill(state, first=1, created=NOW + 1, count=3 * limits.MAX_STREAMS)

    assert state.floor <= NOW + limits.CLOCK_TOLERANCE
    assert state.is_fresh(Position(stream(9999), 0), NOW + 2)


def test_a_message_from_far_ahead_opens_no_forgotten_stream():
    """Presented again it would open its stream below what was delivered, which would then be new."""
    state, far = ReplayState(), NOW + 400 * limits.DAY
    state.advance(Position(stream(0), 1), created=far, now=NOW)
    state.advance(Position(stream(0), 2), created=NOW, now=NOW)  # delivered
    fill(state, first=1, created=NOW + 1)
    assert stream(0) not in state.streams

    state.advance(Position(stream(0), 1), created=far, now=NOW + 2)
    assert not state.is_fresh(Position(stream(0), 2), NOW)


def test_the_stream_at_work_is_not_forgotten():
    """A stream older than all others goes on: its next message may bear the same millisecond."""
    state = ReplayState()
    fill(state, first=1, created=NOW)
    state.advance(Position(stream(0), 0), created=NOW - 1, now=NOW)

    assert state.is_fresh(Position(stream(0), 1), NOW - 1)
    assert not state.is_fresh(Position(stream(0), 0), NOW - 1)


def test_a_copy_advances_alone():
    """A batch that is not committed leaves no trace in the state that it began with."""
    state = ReplayState()
    copy = state.copy()
    copy.advance(Position(stream(0), 0), created=NOW, now=NOW)

    assert state == ReplayState() != copy


@pytest.mark.parametrize("count", [0, 1, limits.MAX_STREAMS - 1, limits.MAX_STREAMS, 3 * limits.MAX_STREAMS])
def test_the_state_fits_kafkas_metadata(count):
    """With as many streams as there can be and the largest numbers, the text stays within 4096 characters."""
    state = ReplayState()
    for number in range(count):
        position = Position(stream(2**63 + number), limits.MAX_UINT)
        state.advance(position, created=limits.MAX_UINT, now=limits.MAX_UINT - limits.CLOCK_TOLERANCE)
    text = state.to_text()

    assert len(state.streams) == min(count, limits.MAX_STREAMS)
    assert len(text) <= KAFKA_METADATA and text.isascii()
    assert ReplayState.from_text(text) == state


def test_no_text_is_the_beginning():
    """A partition without a commit begins with an empty state, which has a text as well."""
    assert ReplayState.from_text("") == ReplayState() == ReplayState.from_text(ReplayState().to_text())


ROW = [stream(1), 0, 0]


@pytest.mark.parametrize(
    "item",
    [
        [], [1, 0], [1, 0, [], 0], [2, 0, []], [True, 0, []], [1, True, []], [1, -1, []], [1, None, []], [1, 0, {}],
        [1, 0, [[]]], [1, 0, [ROW[:2]]], [1, 0, [[*ROW, 0]]], [1, 0, [[stream(1)[1:], 0, 0]]], [1, 0, [["a" * 8, 0, 0]]],
        [1, 0, [[stream(1), -1, 0]]], [1, 0, [[stream(1), True, 0]]], [1, 0, [[stream(1), 0, False]]],
        [1, 0, [ROW, ROW]], [1, 0, [[stream(n), 0, 0] for n in range(limits.MAX_STREAMS + 1)]], {}, None, b"",
    ],
)  # fmt: skip
def test_another_text_is_refused(item):
    """A state that we would not write is refused: true for 1, a stream twice, too many streams."""
    with pytest.raises(Rejected):
        ReplayState.from_text(b85encode(encode(item)).decode())


@QUICK
@given(st.text(max_size=60))
def test_arbitrary_text_is_a_state_or_rejected(text):
    """Any text is the one text of a state, or Rejected."""
    try:
        state = ReplayState.from_text(text)
    except Rejected:
        return
    assert text in ("", state.to_text())


def test_too_much_text_is_refused():
    """The size is bounded before anything is read of it."""
    with pytest.raises(Rejected) as caught:
        ReplayState.from_text(b85encode(bytes(5000)).decode())

    assert caught.value.reason is Code.E_SIZE


class Model(RuleBasedStateMachine):
    """A sender whose daemon restarts, whose clock is wrong, and who sends old records again; beside it the
    set of all positions ever decided, which forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ReplayState()
        self.now = NOW
        self.delivered: set[tuple[bytes, int]] = set()
        self.sent: list[tuple[Position, int]] = []
        self.stream, self.seq, self.started = 0, 0, 0
        self.skew = 0

    def present(self, position: Position, created: int) -> bool:
        """Decide as the router does: policy refuses what is too far ahead, and every decision is remembered."""
        if not self.state.is_fresh(position, created):
            return False
        self.state.advance(position, created=created, now=self.now)
        timely = created <= self.now + limits.CLOCK_TOLERANCE
        if timely:
            # The promise: nothing is delivered twice.
            assert (position.stream, position.seq) not in self.delivered
            self.delivered.add((position.stream, position.seq))
        return timely

    @rule(gap=st.integers(0, 2))
    def send(self, gap):
        """The next message of the running stream."""
        self.seq += 1 + gap
        position, created = Position(stream(self.stream), self.seq), self.now + self.skew
        self.sent.append((position, created))
        self.present(position, created)

    @rule(count=st.sampled_from([1, 1, 40, limits.MAX_STREAMS, limits.MAX_STREAMS + 1]))
    def restart(self, count):
        """The daemon starts anew, perhaps in a loop, sending one message each time."""
        for _ in range(count):
            self.now += 1
            self.stream, self.seq = self.stream + 1, 0
            self.send(0)

    @rule(by=st.sampled_from([1, limits.MINUTE, limits.HOUR]))
    def wait(self, by):
        """Time passes."""
        self.now += by

    @rule(skew=st.sampled_from([0, limits.CLOCK_TOLERANCE, -limits.HOUR, 400 * limits.DAY]))
    def set_clock(self, skew):
        """The sender's clock jumps."""
        self.skew = skew

    @rule()
    def replay(self):
        """All that was ever sent comes again, in its order."""
        for position, created in self.sent[:]:
            self.present(position, created)

    @rule()
    def move(self):
        """Another router takes over, with nothing but the text."""
        self.state = ReplayState.from_text(self.state.to_text())

    @invariant()
    def fits(self):
        """The text never outgrows Kafka's metadata."""
        assert len(self.state.to_text()) <= KAFKA_METADATA


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


def test_the_last_entry_of_a_stream_is_a_value():
    """Rows are values: two states with the same content are equal."""
    assert Last(1, NOW) == Last(1, NOW)
