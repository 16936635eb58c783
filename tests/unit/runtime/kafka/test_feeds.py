"""Following through outages: where a reader goes on, what is lost, and over which connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from inspect import signature

import pytest

from runtime.errors import Unavailable
from runtime.kafka import feeds
from runtime.kafka.feed_fetching import FeedFetcher
from runtime.kafka.feeds import IDLE, KafkaFeeds
from runtime.kafka.ports import Fetched, InputRecord, Ladder, Place, ReadRecord
from runtime.read_records import climbed, where_to_begin
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.runtime.kafka.brokers import LIST_OFFSETS, METADATA, Brokers
from tests.waiting import until_async

INBOX, RECEIPTS = ("inbox.fr", 0), ("receipts.fr", 0)


@pytest.mark.parametrize(
    ("position", "begin", "end", "expected"),
    [
        (0, 0, 0, (0, 0, False)),
        (0, 3, 9, (3, 0, False)),  # never read: what retention took before is no loss
        (5, 0, 9, (5, 0, False)),
        (9, 0, 9, (9, 0, False)),
        (3, 7, 9, (7, 4, False)),
        (9, 0, 0, (0, 0, True)),  # it had records, and is empty
        (9, 0, 4, (0, 0, True)),
        (9, 2, 4, (2, 0, True)),
    ],
)
async def test_a_position_that_the_topic_does_not_have(
    position: int, begin: int, end: int, expected: tuple[int, int, bool]
) -> None:
    """Of a store that an earlier version wrote no records are known: the offsets alone say what they can."""

    async def nobody(_: ReadRecord) -> bool:
        raise AssertionError("nothing is known")

    begun = await where_to_begin(position, (), begin=begin, end=end, has=nobody)
    assert (begun.position, begun.lost, begun.rewound) == expected


class Cluster:
    """The brokers behind one address, and how many clients are connected to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.brokers = Brokers()
        self.brokers.lead(0, INBOX, RECEIPTS)
        self.opened = self.closed = 0
        self.is_there = True
        monkeypatch.setattr(feeds, "sparing_client", self.client)
        monkeypatch.setattr(feeds, "TOPIC_WITHIN", 0.0)
        monkeypatch.setattr(feeds, "Backoff", Hasty)

    def client(self, _: str) -> Brokers:
        cluster = self

        class Client(Brokers):
            async def bootstrap(self) -> None:
                if not cluster.is_there:
                    raise OSError("nobody is there")
                cluster.opened += 1

            async def close(self) -> None:
                cluster.closed += 1

        made = Client.__new__(Client)
        made.__dict__ = self.brokers.__dict__
        return made


class Hasty(feeds.Backoff):
    """Waits for nothing."""

    def reset(self) -> None:
        pass

    async def wait(self) -> None:
        await asyncio.sleep(0.001)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


@asynccontextmanager
async def following(
    reader: KafkaFeeds, place: Place, start: int = 0, known: Ladder = ()
) -> AsyncIterator[list[Fetched]]:
    found: list[Fetched] = []

    async def take(fetched: Fetched) -> None:
        found.append(fetched)

    task = asyncio.create_task(reader.follow(*place, start=start, take=take, known=known))
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def values(found: list[Fetched]) -> list[bytes]:
    return [record.value for one in found for record in one.records]


async def came(found: list[Fetched], *wanted: bytes) -> None:
    await until_async(lambda: values(found), lambda seen: seen == list(wanted), what=f"{wanted}")


async def test_all_who_follow_share_a_connection_and_the_last_one_closes_it(cluster: Cluster) -> None:
    """Two feeds and a question: one client. With nobody left it is closed."""
    reader = KafkaFeeds("kafka:9092")
    async with following(reader, INBOX) as inbox, following(reader, RECEIPTS) as receipts:
        cluster.brokers.append(INBOX, b"a")
        cluster.brokers.append(RECEIPTS, b"b")
        await came(inbox, b"a")
        await came(receipts, b"b")
        assert await reader.end(*INBOX) == 1
        assert await reader.partitions("inbox.fr") == 1
        assert (cluster.opened, cluster.closed) == (1, 0)
    assert (cluster.opened, cluster.closed) == (1, 1)
    assert await reader.end(*RECEIPTS) == 1
    assert (cluster.opened, cluster.closed) == (2, 2)


async def test_thousands_of_ends_are_asked_for_together(cluster: Cluster) -> None:
    """A command that looks at all units: some requests for the leaders, and one to each of these for the ends."""
    places = [(f"outbox.u{number}", 0) for number in range(1_200)]
    for number, place in enumerate(places):
        cluster.brokers.lead(number % 2, place)
    cluster.brokers.append(places[7], b"a", b"b")
    ends = await KafkaFeeds("kafka:9092").ends(places)
    assert (ends.keys(), ends[places[7]], sum(ends.values())) == (set(places), 2, 2)
    kinds = [kind for kind, _ in cluster.brokers.asked]
    assert (kinds.count(METADATA), kinds.count(LIST_OFFSETS)) == (3, 2)


async def test_after_an_outage_the_brokers_are_found_anew(cluster: Cluster) -> None:
    """What failed connects again by the address in the settings, and goes on where it was."""
    reader = KafkaFeeds("kafka:9092")
    async with following(reader, INBOX) as found:
        cluster.brokers.append(INBOX, b"a")
        await came(found, b"a")
        cluster.is_there = False
        cluster.brokers.down.add(0)
        await until_async(lambda: cluster.closed, what="a closed connection")
        cluster.brokers.sessions.clear()
        cluster.brokers.down.clear()
        cluster.is_there = True
        cluster.brokers.append(INBOX, b"b")
        await came(found, b"a", b"b")
        assert cluster.opened >= 2


async def test_who_is_idle_goes_over_to_the_new_connection(cluster: Cluster, monkeypatch) -> None:
    """One feed's fault makes a new connection; the other leaves the old one, which is closed."""
    monkeypatch.setattr(feeds, "IDLE", 0.02)
    reader = KafkaFeeds("kafka:9092")
    async with following(reader, INBOX) as inbox, following(reader, RECEIPTS) as receipts:
        cluster.brokers.append(RECEIPTS, b"a")
        await came(receipts, b"a")
        cluster.brokers.unreadable.add(INBOX)
        cluster.brokers.append(INBOX, b"b")
        await until_async(lambda: cluster.opened > 1, what="another connection")
        cluster.brokers.unreadable.clear()
        await came(inbox, b"b")
        await until_async(lambda: cluster.opened - cluster.closed == 1, what="one connection")
        # On a busy machine a fetch takes longer than that, and what is there and does not come is begun anew.
        monkeypatch.setattr(feeds, "IDLE", IDLE)
        cluster.brokers.append(RECEIPTS, b"c")
        await came(receipts, b"a", b"c")


@pytest.mark.parametrize(
    "ask", [lambda reader: reader.partitions("inbox.nobody"), lambda reader: reader.end("inbox.nobody", 0)]
)
async def test_a_topic_that_is_not_there_is_unavailable(cluster: Cluster, ask: Callable) -> None:
    """And nothing stays open."""
    with pytest.raises(Unavailable, match="does not exist"):
        await ask(KafkaFeeds("kafka:9092"))
    assert cluster.opened == cluster.closed == 1


async def test_nobody_answers(cluster: Cluster) -> None:
    """It is said at which address."""
    cluster.is_there = False
    with pytest.raises(Unavailable, match="kafka:9092"):
        await KafkaFeeds("kafka:9092").end(*INBOX)


async def test_what_take_raises_comes_out_and_the_connection_is_closed(cluster: Cluster) -> None:
    """A reader does not swallow the fault of whoever reads."""

    async def take(_: Fetched) -> None:
        raise ZeroDivisionError

    cluster.brokers.append(INBOX, b"a")
    with pytest.raises(ZeroDivisionError):
        await KafkaFeeds("kafka:9092").follow(*INBOX, start=0, take=take)
    assert cluster.opened == cluster.closed == 1


def ladder_of(*values: bytes) -> Ladder:
    return climbed((), [InputRecord(offset, 0, value) for offset, value in enumerate(values)])


@pytest.mark.parametrize("more", [0, 1, 3, 30], ids=["shorter", "shorter still", "as long", "overtaken"])
async def test_a_topic_put_back_between_two_runs_is_read_from_where_both_part(
    cluster: Cluster, more: int
) -> None:
    """The first two are common; the position was 5. What was written since is read, at whatever offset it stands."""
    read = [b"a", b"b", b"c", b"d", b"e"]
    known: Ladder = ()
    for offset, value in enumerate(read):
        known = climbed(known, [InputRecord(offset, 0, value)])
    new = [b"new %d" % number for number in range(more)]
    cluster.brokers.append(INBOX, b"a", b"b", *new)
    async with following(KafkaFeeds("kafka:9092"), INBOX, 5, known) as found:
        await until_async(lambda: found, what="an answer")
        assert (found[0].records, found[0].rewound_from, found[0].position <= 2) == ((), 5, True)
        await until_async(lambda: values(found)[-more:] == new if more else True, what="what is new")
        cluster.brokers.append(INBOX, b"later")
        await until_async(lambda: values(found)[-1:] == [b"later"], what="what comes later")
    assert [one.rewound_from for one in found[1:] if one.rewound_from is not None] == []


async def test_a_topic_put_back_while_it_is_read_is_noticed(cluster: Cluster) -> None:
    """The broker comes back with another log, longer than what was read: over another connection it is seen."""
    reader = KafkaFeeds("kafka:9092")
    async with following(reader, INBOX) as found:
        cluster.brokers.append(INBOX, b"a", b"b", b"c")
        await came(found, b"a", b"b", b"c")
        cluster.is_there = False
        cluster.brokers.down.add(0)
        await until_async(lambda: cluster.closed, what="a closed connection")
        cluster.brokers.sessions.clear()
        cluster.brokers.logs[INBOX][:] = [b"a", b"x", b"y", b"z"]
        cluster.brokers.down.clear()
        cluster.is_there = True
        cluster.brokers.append(INBOX, b"later")
        await until_async(lambda: values(found)[-1:] == [b"later"], what="what comes later")
        assert {b"x", b"y", b"z"} <= set(values(found))
    assert [one.rewound_from for one in found if one.rewound_from is not None] == [3]


async def test_a_broker_that_forgets_the_session_is_asked_whether_its_log_is_the_same(
    cluster: Cluster,
) -> None:
    """A broker that was started anew does not know the session, though the client has connected again in silence."""
    reader = KafkaFeeds("kafka:9092")
    async with following(reader, INBOX) as found:
        cluster.brokers.append(INBOX, b"a", b"b", b"c")
        await came(found, b"a", b"b", b"c")
        cluster.brokers.sessions.clear()
        cluster.brokers.logs[INBOX][:] = [b"a", b"x", b"y", b"z"]
        cluster.brokers.appended.set()
        await until_async(lambda: values(found)[-1:] == [b"z"], what="what was put back")
    assert [one.rewound_from for one in found if one.rewound_from is not None] == [3]


async def test_a_topic_of_which_nothing_was_put_back_costs_one_look(cluster: Cluster) -> None:
    """A start asks for the last record that was read, and goes on behind it."""
    cluster.brokers.append(INBOX, b"a", b"b", b"c")
    async with following(KafkaFeeds("kafka:9092"), INBOX, 3, ladder_of(b"a", b"b", b"c")) as found:
        cluster.brokers.append(INBOX, b"d")
        await came(found, b"d")
    assert [one.rewound_from for one in found] == [None]


async def test_a_kafka_that_changes_its_logs_to_and_fro_is_waited_for_ever_longer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time reading goes back at once; each further time it waits, so that nobody keeps a reader busy."""
    waited: list[str] = []

    class Counted(Hasty):
        def __init__(self, *, first: float = 0.1, most: float = 15.0) -> None:
            super().__init__(first=first, most=most)
            self.name = "rewind" if most == feeds.LONGEST_REWIND_PAUSE else "failure"

        async def wait(self) -> None:
            waited.append(self.name)
            await super().wait()

    monkeypatch.setattr(feeds, "Backoff", Counted)
    cluster.brokers.append(INBOX, b"0")
    async with following(KafkaFeeds("kafka:9092"), INBOX) as found:
        await came(found, b"0")
        for turn in range(1, 5):
            cluster.brokers.sessions.clear()
            cluster.brokers.logs[INBOX][:] = [b"%d" % turn]
            cluster.brokers.appended.set()
            await until_async(lambda turn=turn: values(found)[-1:] == [b"%d" % turn], what="the other log")
    assert waited.count("rewind") == 3


MUTANTS = [
    (Mutant(KafkaFeeds._read, rewritten("climbed(reading.known, records)", "reading.known")),
     test_a_topic_put_back_while_it_is_read_is_noticed),
    (Mutant(KafkaFeeds._read, rewritten("begun.lost or begun.rewound", "begun.lost")),
     test_a_topic_put_back_while_it_is_read_is_noticed),
    (Mutant(FeedFetcher._fetch, dropped("self._fail_all")),
     test_a_broker_that_forgets_the_session_is_asked_whether_its_log_is_the_same),
    (Mutant(feeds._Reading.wait_before, unchecked("self._rewinds")),
     test_a_kafka_that_changes_its_logs_to_and_fro_is_waited_for_ever_longer),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, cluster: Cluster, monkeypatch
) -> None:
    """Without it a later log is read from the middle, or for ever."""

    async def hurried(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        async with asyncio.timeout(2):
            await (
                promise(cluster, monkeypatch)
                if "monkeypatch" in signature(promise).parameters
                else promise(cluster)
            )

    await assert_missed(mutant, hurried, cluster=cluster, monkeypatch=monkeypatch)
