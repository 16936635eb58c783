"""Which heads of the ledger a router believes, and that nothing in their topic is in the way of messages."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.router import ledger_feed
from broker.router.ledger_feed import LedgerFeed
from broker.router.metrics import RouterMetrics
from protocol import topics
from protocol.errors import Code
from runtime.errors import Unavailable
from tests.sim.one_log import DIRECTORY, SHARD, SimLog, leaves, note_key
from tests.unit.broker.ledger.rig import MemoryTopics
from tests.unit.broker.router.published import POLICY, Ledger, alarms, forked, grown
from tests.waiting import until_async

TEN = SimLog().add(leaves(10))
(TRUE,) = TEN.publish()


@pytest.fixture
def ledger() -> Ledger:
    """A router that has read two heads."""
    made = Ledger()
    made.grow(10, 300)
    return made


def test_who_can_only_write_to_the_topic_accuses_nobody(ledger: Ledger) -> None:
    """A head that the log's keys did not sign is refused, and no honest sender differs from it."""
    with alarms() as said:
        ledger.take(forked(310), old=0, key=note_key("somebody"))
        assert ledger.grow(310).size == 310
        assert ledger.says("fr", ledger.log.checkpoint().head) == "same"
    assert (said, ledger.refused()) == ([], {"E_LOG_SIGNATURE": 1})


def test_who_can_only_write_to_the_topic_clears_nobody(ledger: Ledger) -> None:
    """A forged head does not make the head of another ledger right."""
    fork = forked(320)
    ledger.take(fork, old=0, key=note_key("somebody"))
    ledger.grow(320)
    assert ledger.says("fr", fork.checkpoint().head) == "different"


def test_a_head_counts_when_its_witnesses_have_signed(ledger: Ledger) -> None:
    """As for the units: without the quorum it is not believed yet, and when it is published again it is."""
    grown(ledger.log, 350).witnesses = ()
    ledger.take(ledger.log)
    assert (ledger.gossip.entries, ledger.refused()) == (300, {"E_QUORUM": 1})
    ledger.log.witnesses = SimLog().witnesses
    ledger.take(ledger.log)
    assert ledger.gossip.entries == 350


@pytest.mark.parametrize("witnesses", [None, ()])
def test_a_second_root_of_one_size_is_a_fork(ledger: Ledger, witnesses: tuple[str, ...] | None) -> None:
    """The log's own signature is all the evidence that is needed; what was published first stays."""
    fork = forked(300, witnesses=witnesses)
    with alarms() as said:
        ledger.take(fork, old=0)
    assert [(line["event"], line["code"]) for line in said] == [("ledger_fork", "E_LOG_FORK")]
    assert ledger.refused() == {"E_LOG_FORK": 1}
    assert ledger.says("fr", fork.checkpoint().head) == "different"


def test_a_log_that_goes_back_is_not_followed(ledger: Ledger) -> None:
    """A smaller size than the last one is refused, so that no second log is slipped in between."""
    fork = forked(200)
    ledger.take(fork, old=0)
    assert ledger.refused() == {"E_LOG_ROLLBACK": 1}
    assert ledger.says("fr", fork.checkpoint().head) == "unpublished"


def test_what_is_published_again_changes_nothing(ledger: Ledger) -> None:
    """A head of before that comes once more is neither news nor wrong."""
    for value in ledger.bus.records[topics.LEDGER][:]:
        ledger.feed.take(value)
    assert (ledger.gossip.entries, ledger.refused()) == (300, {})


def test_the_log_of_the_directory_is_no_business_of_ours(ledger: Ledger) -> None:
    """Headers tell the head of the newest audit log; the directory's heads are compared by the rules."""
    ledger.grow(900, log=SimLog(origin=DIRECTORY))
    assert (ledger.gossip.entries, ledger.refused()) == (300, {})


@pytest.mark.parametrize("value", [b"", b"\xff" * 40, b"\x84\x01"], ids=["empty", "rubbish", "cut"])
def test_rubbish_in_the_topic_is_passed_over(ledger: Ledger, value: bytes) -> None:
    """It is counted, and what comes behind it is read."""
    ledger.feed.take(value)
    assert sum(ledger.refused().values()) == 1
    ledger.grow(310)
    assert ledger.gossip.entries == 310


@given(value=st.binary(max_size=200), at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_no_bytes_in_the_topic_are_raised(value: bytes, at: int, byte: int) -> None:
    """Neither arbitrary bytes nor a true publication with one byte changed come out of the feed, or make a head."""
    feed = LedgerFeed(MemoryTopics(), POLICY, RouterMetrics.create())
    feed.take(value)
    at %= len(TRUE)
    feed.take(TRUE[:at] + bytes([byte]) + TRUE[at + 1 :])
    assert feed.gossip.root(SHARD, 10) in (None, TEN.checkpoint().root)


def test_a_fault_of_ours_is_passed_over(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a parser of ours raises ends here."""

    def broken(_: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr(ledger_feed, "parse_publication", broken)
    ledger.feed.take(b"x")
    assert ledger.refused() == {Code.E_SCHEMA.value: 1}


@asynccontextmanager
async def following(ledger: Ledger):
    task = asyncio.create_task(ledger.feed.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(good) -> None:
    await until_async(good, what="the feed", pause=0.01)


@pytest.mark.slow
async def test_it_begins_near_the_end_of_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start reads some minutes of the past, and then what comes; older heads are left."""
    monkeypatch.setattr(ledger_feed, "TAIL", 2)
    there = Ledger()
    there.grow(10, 20, 30, 40)
    ledger = Ledger(bus=there.bus)
    async with following(ledger):
        await until(lambda: ledger.gossip.entries == 40)
        assert ledger.gossip.root(SHARD, 30) is not None
        assert ledger.gossip.root(SHARD, 20) is None
        there.grow(50)
        await until(lambda: ledger.gossip.entries == 50)


class Failing(MemoryTopics):
    """A topic that cannot be read at first, in several ways."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = [Unavailable("gone"), ValueError("the library has a fault")]

    def reading(self, topic: str, position: int | None):
        if self.failures:
            raise self.failures.pop(0)
        return super().reading(topic, position)


async def test_a_topic_that_cannot_be_read_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an outage nor a fault of the library ends the following."""
    monkeypatch.setattr(ledger_feed, "AGAIN_AFTER", 0.01)
    ledger = Ledger(bus=Failing())
    there = Ledger(bus=ledger.bus)
    there.grow(10)
    async with following(ledger):
        await until(lambda: ledger.gossip.entries == 10)


class Broken(MemoryTopics):
    """A topic whose reading ends when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = asyncio.Event()

    @asynccontextmanager
    async def reading(self, topic: str, position: int | None):
        async with super().reading(topic, position) as reader:
            fetch = reader.fetch

            async def fetched(**how):
                if self.broken.is_set():
                    self.broken.clear()
                    raise Unavailable("gone")
                return await fetch(**{**how, "wait_ms": 10})

            reader.fetch = fetched
            yield reader


async def test_after_a_gap_nobody_is_accused_of_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the topic is not what it was, following begins anew; after a mere break it goes on."""
    monkeypatch.setattr(ledger_feed, "AGAIN_AFTER", 0.01)
    bus = Broken()
    there, ledger = Ledger(bus=bus), Ledger(bus=bus)
    there.grow(10, 20)
    async with following(ledger):
        await until(lambda: ledger.gossip.entries == 20)
        bus.broken.set()
        there.grow(30)
        await until(lambda: ledger.gossip.entries == 30)
        assert ledger.gossip.root(SHARD, 10) is not None
        # The topic was made anew; the heads between were in the old one.
        bus.records[topics.LEDGER] = []
        bus.broken.set()
        between = grown(there.log, 35).checkpoint().head
        there.log.published = there.log.tree.size
        await until(lambda: ledger.gossip.entries == 0)
        there.grow(40)
        await until(lambda: ledger.gossip.entries == 40)
    assert ledger.says("fr", between) == "unknown"
