"""The order in which sealed messages go out: the property that nothing is ever lost by a resend.

A model of the world around `Lane`: the database is a list of sealings, Kafka takes a batch whole and may
lose the acknowledgement, the router drops what is not beyond the last number of a stream. Whatever the
order of failures, decisions, stalls and restarts: the router never drops what it has not seen before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.daemon.sending.lanes import FIRST_PATIENCE, MOST_PATIENCE, Lane, Lanes
from clients.daemon.sending.outbox_log import Appended, OutboxRecord
from runtime.process.wakeup import Watermark
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import instead, rewritten
from tests.unit.clients.daemon.unit_contexts import UnitFixture
from tests.waiting import until_async

WINDOW = 3


@dataclass
class Model:
    """One partition: sealings by id, each (stream, seq); Kafka's log; what the router decided."""

    lane: Lane = field(default_factory=Lane)
    stream: int = 0
    seq: int = 0
    sealings: dict[int, tuple[int, int]] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    log: list[int] = field(default_factory=list)
    routed: int = 0
    last: dict[int, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    receipts: list[int] = field(default_factory=list)

    def seal(self) -> None:
        self.sealings[len(self.sealings) + 1] = (self.stream, self.seq)
        self.seq += 1

    def window(self) -> list[int]:
        return [i for i in sorted(self.sealings) if i > self.lane.after and i not in self.decided][:WINDOW]

    def send(self, outcome: str) -> None:
        batch = self.window()
        if not batch or outcome == "refused":
            return  # nothing of it is in the log, and the cursor stays
        if outcome == "partly":
            batch = batch[:1]  # the batch was full
        self.log += batch
        if outcome != "acknowledgement lost":
            self.lane.acknowledged(batch, now=0.0)

    def route(self) -> None:
        """The router comes to the end of the log; its decisions travel to the daemon."""
        for sealing in self.log[self.routed :]:
            stream, seq = self.sealings[sealing]
            if seq > self.last.get(stream, -1):
                self.last[stream] = seq
                self.receipts.append(sealing)
            else:
                assert sealing in self.seen, "dropped as a double, and never seen before: lost"
            self.seen.add(sealing)
        self.routed = len(self.log)

    def read_decisions(self) -> None:
        self.decided.update(self.receipts)
        self.receipts.clear()
        self.lane.decided(now=0.0)

    def restart(self) -> None:
        self.lane = Lane()
        self.stream, self.seq = self.stream + 1, 0


STEPS = st.lists(
    st.one_of(
        st.just(("seal",)),
        st.tuples(st.just("send"), st.sampled_from(["taken", "partly", "refused", "acknowledgement lost"])),
        st.just(("route",)),
        st.just(("read",)),
        st.just(("stall",)),
        st.just(("overtaken",)),
        st.just(("restart",)),
    ),
    max_size=60,
)


def run(model: Model, steps: list[tuple[str, ...]]) -> None:
    for step in steps:
        match step:
            case ("seal",):
                model.seal()
            case ("send", outcome):
                model.send(outcome)
            case ("route",):
                model.route()
            case ("read",):
                model.read_decisions()
            case ("stall",):
                model.lane.stalled(now=0.0)
            case ("overtaken",):
                model.lane.overtaken()
            case ("restart",):
                model.restart()


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_no_order_of_failures_makes_the_router_drop_a_message(steps):
    """Every sealing that the router drops was decided before; and in the end every one is decided."""
    model = Model()
    run(model, steps)
    for _ in range(len(model.sealings) + 1):
        model.send("taken")
    model.route()
    model.read_decisions()

    assert model.decided == set(model.sealings)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_number_enters_the_log_only_behind_all_earlier_ones(steps):
    """For each stream the first appearances in the log are without a gap, from 0."""
    model = Model()
    run(model, steps)
    first: dict[int, list[int]] = {}
    for sealing in dict.fromkeys(model.log):
        stream, seq = model.sealings[sealing]
        first.setdefault(stream, []).append(seq)

    assert all(seqs == list(range(len(seqs))) for seqs in first.values())


def test_a_stall_is_met_with_growing_patience():
    """A router that is down for hours is not met by hours of repeats; a decision makes it quick again."""
    lane = Lane()
    waits = []
    for _ in range(12):
        waits.append(lane.patience)
        lane.stalled(now=0.0)
    assert waits[:3] == [FIRST_PATIENCE, 2 * FIRST_PATIENCE, 4 * FIRST_PATIENCE]
    assert waits[-1] == MOST_PATIENCE
    lane.decided(now=0.0)
    assert lane.patience == FIRST_PATIENCE


def only_a_decision_begins_the_wait_anew() -> None:
    """Measured from the first acknowledgement or the last decision: what is sent meanwhile is no reason to wait."""
    lane = Lane()
    assert lane.left(now=0.0) is None
    lane.acknowledged([1], now=100.0)
    lane.acknowledged([2], now=100.0 + FIRST_PATIENCE - 1)
    assert lane.left(now=100.0 + FIRST_PATIENCE - 1) == 1
    lane.decided(now=120.0)
    assert lane.left(now=120.0) == FIRST_PATIENCE
    assert lane.left(now=500.0) == 0
    lane.stalled(now=500.0)
    assert lane.left(now=500.0) == 2 * FIRST_PATIENCE
    lane.whole()
    assert lane.left(now=1_000.0) is None
    lane.decided(now=1_001.0)
    assert lane.left(now=1_001.0) is None


def test_only_a_decision_begins_the_wait_anew() -> None:
    """As it says; and with the rule taken away the test fails."""
    only_a_decision_begins_the_wait_anew()
    mutant = Mutant(Lane.acknowledged, instead("self.since = now", "self.since"))
    with mutated(mutant), pytest.raises(AssertionError):
        only_a_decision_begins_the_wait_anew()


class Inline:
    """Jobs that run at once. Stands for clients.daemon.jobs.Jobs."""

    async def run(self, _: str, work: Callable[[], Any], *, brief: bool = False) -> Any:
        return work()


class Kafka:
    """An outbox that takes everything and loses it. Stands for the disk, too."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def append(self, _: int, records: Sequence[OutboxRecord]) -> Appended:
        self.taken += [record.value for record in records]
        return Appended(len(self.taken), len(records))

    async def flushed(self) -> None:
        """Nothing to wait for."""


async def test_what_kafka_lost_is_sent_again_although_a_bell_rings(
    es: UnitFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real timer: one record is lost from an idle outbox, and something wakes the lane more often than it waits."""
    monkeypatch.setattr(Lane, "__init__", _impatient)
    es.submit("it")
    kafka = Kafka()
    under_test = Lanes(es.context, Inline(), kafka, kafka, heard=lambda: None)  # type: ignore[arg-type]

    async def bell() -> None:
        while True:
            await asyncio.sleep(0.002)
            under_test.wake()

    tasks = [asyncio.create_task(bell()), asyncio.create_task(under_test.run(Watermark(), look_every=60))]
    try:
        await until_async(lambda: len(kafka.taken), lambda n: n >= 3, what="the message to be sent again")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(set(kafka.taken)) == 1


def _impatient(lane: Lane) -> None:
    lane.after, lane.patience, lane.since, lane.end = 0, 0.05, None, 0


def test_an_outbox_that_lost_its_end_gets_the_oldest_again() -> None:
    """Kafka acknowledges at a place that it had acknowledged before: its log came back from an older copy."""
    lane = Lane()
    assert not lane.acknowledged([1, 2, 3], now=0.0, offset=50)
    assert not lane.acknowledged([4], now=0.0, offset=57)  # records of others, or markers, are between
    assert (lane.after, lane.end) == (4, 58)
    assert lane.acknowledged([5], now=0.0, offset=30)
    assert (lane.after, lane.end) == (0, 31)
    assert not lane.acknowledged([1, 2], now=0.0, offset=31)
    assert not lane.acknowledged([3], now=0.0)  # where Kafka does not say the place, nothing is concluded
    assert lane.after == 3


class Restored(Kafka):
    """After three records it comes back from a copy that has one."""

    async def append(self, _: int, records: Sequence[OutboxRecord]) -> Appended:
        if len(self.taken) == 3:
            del self.taken[1:]
        first = len(self.taken)
        self.taken += [record.value for record in records]
        return Appended(first, len(records))


async def the_end_that_was_lost_is_sent_again(es: UnitFixture) -> None:
    """Three messages were acknowledged by Kafka, and the fourth shows that two of them are gone. Nobody is waited for."""
    kafka = Restored()
    under_test = Lanes(es.context, Inline(), kafka, kafka, heard=lambda: None)  # type: ignore[arg-type]
    running = asyncio.create_task(under_test.run(Watermark(), look_every=60))
    try:
        for number in range(1, 4):
            es.submit("it")
            under_test.wake()
            await until_async(lambda number=number: len(kafka.taken) == number, what="each to be taken")
        es.submit("it")
        under_test.wake()
        wanted = es.pending()
        await until_async(lambda: set(kafka.taken) >= set(wanted), what="all of them in the outbox")
        assert under_test._lanes[0][0].patience == FIRST_PATIENCE
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_end_that_was_lost_is_sent_again(es: UnitFixture) -> None:
    """As it says; before the patience with routers is over."""
    await the_end_that_was_lost_is_sent_again(es)


def test_the_place_is_what_shows_it() -> None:
    """With the rule taken away the test fails."""
    mutant = Mutant(Lane.acknowledged, rewritten("0 <= offset < self.end", "False"))
    with mutated(mutant), pytest.raises(AssertionError):
        test_an_outbox_that_lost_its_end_gets_the_oldest_again()
