"""The shortcut past the database gives what the database would give, or nothing at all."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.daemon.sending.lanes import Lane
from clients.daemon.store.sealings import KEPT_BYTES, WINDOW, RecentSealings, ToSend
from protocol.identifiers import ThreadId

THREAD = ThreadId(bytes(16))


class Model:
    """Two partitions whose sealings are numbered together, and a lane of the first."""

    def __init__(self) -> None:
        self.recent_sealings, self.lane = RecentSealings(), Lane()
        self.committed: list[int] = []
        self.number = 0

    def seal(self, partitions: list[int], *, holds: bool) -> None:
        made = []
        for partition in partitions:
            self.number += 1
            self.recent_sealings.put(partition, ToSend(self.number, THREAD, b"x" * 100_000))
            made += [self.number] * (partition == 0)
        if holds:
            self.committed += made
            self.recent_sealings.committed()
        else:
            self.recent_sealings.forget()

    def send(self, outcome: str) -> None:
        window = self.recent_sealings.take(0, self.lane.after)
        behind = [number for number in self.committed if number > self.lane.after]
        given = behind if window is None else [item.id for item in window.items]
        assert given == behind[: len(given)]
        assert window is None or window.whole == (given == behind)
        if outcome == "taken":
            self.lane.acknowledged(given, now=0.0)
        elif outcome == "partly":
            self.lane.acknowledged(given[:1], now=0.0)
        elif outcome == "overtaken":
            self.lane.overtaken()


STEPS = st.one_of(
    st.tuples(st.just("seal"), st.lists(st.integers(0, 1), min_size=1, max_size=7), st.booleans()),
    st.tuples(st.just("send"), st.sampled_from(["taken", "partly", "failed", "overtaken"])),
)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_what_is_fresh_is_what_the_database_has_next(steps):
    """Whatever fails and whoever goes back: the oldest behind the cursor, none left out, or no answer."""
    model = Model()
    for step in steps:
        if step[0] == "seal":
            model.seal(step[1], holds=step[2])
        else:
            model.send(step[1])


def test_a_lane_that_keeps_up_needs_no_database():
    """After its first look the lane lives on what was sealed just now."""
    model = Model()
    model.seal([0], holds=True)
    assert model.recent_sealings.take(0, 0) is None
    model.lane.acknowledged([1], now=0.0)
    for number in (2, 3, 4):
        model.seal([0], holds=True)
        window = model.recent_sealings.take(0, model.lane.after)
        assert window is not None and [item.id for item in window.items] == [number]
        model.lane.acknowledged([number], now=0.0)
    assert model.recent_sealings.take(0, model.lane.after).items == ()


def test_what_waits_for_long_is_not_kept_twice():
    """While Kafka is away memory stays bounded, and the database answers afterwards."""
    model = Model()
    for _ in range(2 * WINDOW + 50):
        model.seal([0], holds=True)
    assert max(len(queue) for queue in model.recent_sealings._queues.values()) <= WINDOW
    model.send("taken")
    model.seal([0], holds=True)
    model.send("taken")


def test_what_waits_for_kafka_waits_on_the_disk():
    """However much is sealed while nothing leaves, little of it is held in memory, and the rest is asked for."""
    recent_sealings = RecentSealings()
    for number in range(1, 151):
        recent_sealings.put(0, ToSend(number, THREAD, bytes(900_000)))
        recent_sealings.committed()
        assert sum(len(item.submission) for _, item in recent_sealings._queues[0]) <= KEPT_BYTES + 900_000
    assert recent_sealings.take(0, 0) is None


def test_nothing_is_given_out_before_it_is_committed():
    """A lane that looks in the middle of a transaction finds what was committed before it, and no more."""
    recent_sealings = RecentSealings()
    for number in (1, 2):
        recent_sealings.put(0, ToSend(number, THREAD, b"x"))
        recent_sealings.committed()
    recent_sealings.put(0, ToSend(3, THREAD, b"x"))
    window = recent_sealings.take(0, 1)
    assert window is not None
    assert [item.id for item in window.items] == [2]
    assert recent_sealings.take(0, 2).items == ()
    recent_sealings.forget()
    assert recent_sealings.take(0, 2) is None
    recent_sealings.put(0, ToSend(4, THREAD, b"x"))
    recent_sealings.committed()
    assert [item.id for _, item in recent_sealings._queues[0]] == [4]
