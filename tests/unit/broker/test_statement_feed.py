"""The directory for routers and the ledger: a topic that is another one than was read is read from its beginning."""

from __future__ import annotations

import asyncio

import pytest

from broker import statement_feed
from broker.statement_feed import follow_statements
from runtime.errors import Unavailable
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant
from tests.mutants.operations import unchecked
from tests.mutants.promises import assert_missed


class Topic:
    """A topic whose log is changed behind the reader's back. Implements `runtime.kafka.ports.LogReader`."""

    def __init__(self, *values: bytes) -> None:
        self.values = list(values)
        self.at = 0
        self.idle = 0

    async def span(self) -> tuple[int, int]:
        return 0, len(self.values)

    async def position(self) -> int:
        return self.at

    def seek(self, position: int) -> None:
        self.at = position

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        await asyncio.sleep(0)
        self.idle += self.at >= len(self.values)
        found = [InputRecord(self.at + n, 0, value) for n, value in enumerate(self.values[self.at :][:most])]
        self.at += len(found)
        return found


@pytest.fixture
def at_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_feed, "LOOK_AGAIN", 0.0)


async def following(topic: Topic, turns: int) -> list[bytes]:
    """What is taken until nothing has come so often."""
    taken: list[bytes] = []
    task = asyncio.create_task(follow_statements(topic, taken.append, lambda: None))
    while topic.idle < turns and not task.done():
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return taken


@pytest.mark.usefixtures("at_each_turn")
async def test_a_topic_that_stays_is_read_on() -> None:
    """The last record is looked at again and again, and what comes is taken."""
    topic = Topic(b"a", b"b")
    assert set(await following(topic, 5)) == {b"a", b"b"}
    topic.values.append(b"c")
    topic.idle = 0
    assert b"c" in await following(topic, 5)


@pytest.mark.usefixtures("at_each_turn")
@pytest.mark.parametrize(
    "later",
    [[b"a", b"x"], [b"a", b"x", b"y"], [b"a", b"x", b"b"]],
    ids=["as long", "longer", "the same last"],
)
async def test_a_topic_that_was_put_back_and_has_grown_is_begun_anew(later: list[bytes]) -> None:
    """It ends where it ended, or behind: only the record that was read last shows it."""
    topic = Topic(b"a", b"b")
    reading = asyncio.create_task(following(topic, 10**6))
    while not topic.idle:
        await asyncio.sleep(0)
    topic.values[:] = later
    with pytest.raises(Unavailable, match="other records"):
        await reading


async def test_a_shorter_topic_is_begun_anew() -> None:
    """As before."""
    topic = Topic(b"a", b"b")
    reading = asyncio.create_task(following(topic, 10**6))
    while not topic.idle:
        await asyncio.sleep(0)
    topic.values[:] = [b"a"]
    with pytest.raises(Unavailable, match="ends before"):
        await reading


@pytest.mark.usefixtures("at_each_turn")
async def test_the_look_taken_away_is_noticed() -> None:
    """Without it a replica lacks statements for as long as the process runs."""

    async def promise() -> None:
        async with asyncio.timeout(1):
            await test_a_topic_that_was_put_back_and_has_grown_is_begun_anew([b"a", b"x", b"y"])

    await assert_missed(Mutant(statement_feed._take, unchecked("again")), promise)
