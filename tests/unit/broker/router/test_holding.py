"""What a router holds: which outboxes, from which position, after whom; and what a failure costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from broker.router import holding
from broker.router.claims import Claim
from broker.router.holding import Holding, HoldingParts, PartitionClaim, Remembered
from broker.router.lanes import lane_ids
from broker.statement_feed import KafkaStatements
from protocol import topics
from protocol.identifiers import UnitId
from runtime.errors import Unavailable
from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.requests import Membership
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, instead, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.protocol.strategies import QUICK
from tests.unit.runtime.kafka.brokers import Brokers
from tests.waiting import until_async

FR, IT = ("outbox.fr", 0), ("outbox.it", 0)
AUDIT: Place = ("audit", 0)
OURS = "router-ours"
UNSTABLE = 88
ALL_SHARDS = frozenset(range(topics.SHARD_COUNT))


@dataclass
class Site:
    """A router's surroundings: brokers, transactions, units."""

    brokers: Brokers = field(default_factory=Brokers)
    units: list[UnitId] = field(default_factory=lambda: [UnitId("fr"), UnitId("it")])
    signed: dict[str, int] = field(default_factory=dict)
    """How many partitions topics have by what was signed, where it is not one."""

    opened: list[str] = field(default_factory=list)
    committed: list[dict[Place, tuple[int, str]]] = field(default_factory=list)

    def transactions(self, _: str, name: str, **__: Any) -> Site:
        """Stands for runtime.kafka.transactions.Transactions."""
        made = Site(self.brokers, self.units, self.signed, self.opened, self.committed)
        made.name = name
        return made

    name: str = ""

    async def open(self) -> None:
        self.opened.append(self.name)

    async def commit(self, _: Any, progress: dict[Place, tuple[int, str]]) -> None:
        self.committed.append(dict(progress))

    async def close(self) -> None:
        """Nothing is left."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """Two units' outboxes and the audit topic on one broker."""
    made = Site()
    made.brokers.lead(0, FR, IT, AUDIT)
    monkeypatch.setattr(holding, "prompt_client", lambda _: made.brokers)
    monkeypatch.setattr(holding, "Transactions", made.transactions)
    monkeypatch.setattr(holding, "LOOK_FOR_UNITS", 0.01)
    monkeypatch.setattr(holding, "LOOK_FOR_TOPICS", 0.02)
    return made


@dataclass
class Works:
    """What is done with claims: each is kept, with what it may fail with first."""

    failures: list[BaseException] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    async def __call__(self, claim: Claim) -> None:
        self.claims.append(claim)
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.Event().wait()

    def owners(self) -> list[str]:
        return sorted(claim.owner for claim in self.claims)


@asynccontextmanager
async def held(site: Site, works: Callable, *, shards: frozenset[int] = ALL_SHARDS) -> AsyncIterator[Holding]:
    """Hold these shards."""
    parts = HoldingParts(
        bootstrap="127.0.0.1:9",
        transactional_id=OURS,
        units=lambda: site.units,
        enrolled=lambda: len(site.units),
        partitions=lambda topic: site.signed.get(topic, 1),
        monotonic=time.monotonic,
        fetch_wait_ms=25,
    )
    membership = Membership(topics.ROUTER_GROUP, 3, "me")
    task = asyncio.create_task(Holding(parts, membership, shards=shards, work=works).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def claims(works: Works, count: int) -> list[Claim]:
    """The first so many claims."""
    return (await until_async(lambda: works.claims, lambda got: len(got) >= count, what=f"{count} claims"))[
        :count
    ]


async def test_every_partition_of_our_shards_is_claimed(site: Site) -> None:
    """And of no other."""
    works = Works()
    site.brokers.lead(0, ("outbox.fr", 1))
    site.signed["outbox.fr"] = 2
    ours = frozenset({topics.outbox_shard(*FR), topics.outbox_shard("outbox.fr", 1)})
    assert topics.outbox_shard(*IT) not in ours
    async with held(site, works, shards=ours):
        got = await claims(works, 2)
        await asyncio.sleep(0.05)
    assert sorted((claim.owner, claim.partition, claim.partitions) for claim in got) == [
        ("fr", 0, 2),
        ("fr", 1, 2),
    ]
    assert len(works.claims) == 2


async def as_many_as_are_signed(site: Site, there: int, claimed: int) -> None:
    """Whatever Kafka has: with another number a conversation would be decided in another place, again."""
    site.units, site.signed["outbox.fr"] = [UnitId("fr")], 2
    for partition in range(1, there):
        site.brokers.lead(0, ("outbox.fr", partition))
    works = Works()
    async with held(site, works):
        await claims(works, claimed)
        await asyncio.sleep(0.05)
    assert sorted((claim.partition, claim.partitions) for claim in works.claims) == [
        (partition, 2) for partition in range(claimed)
    ]


@pytest.mark.parametrize(("there", "claimed"), [(1, 1), (2, 2), (5, 2)])
async def test_partitions_are_those_that_are_signed(site: Site, there: int, claimed: int) -> None:
    await as_many_as_are_signed(site, there, claimed)


async def test_what_kafka_says_of_partitions_is_not_believed(site: Site) -> None:
    """Found as one submission decided twice after an operator had added a partition."""
    mutant = Mutant(
        Holding._claim_outbox,
        rewritten("self.parts.partitions(topic)", "await self.leaders.partitions(topic)"),
    )
    await assert_missed(mutant, as_many_as_are_signed, (5, 2), site=site)


async def test_a_partition_that_is_made_later_is_claimed_then(site: Site) -> None:
    """The others are worked on meanwhile."""
    site.units, site.signed["outbox.fr"] = [UnitId("fr")], 2
    works = Works()
    async with held(site, works):
        await claims(works, 1)
        site.brokers.lead(0, ("outbox.fr", 1))
        await claims(works, 2)
        await asyncio.sleep(0.05)
    assert sorted(claim.partition for claim in works.claims) == [0, 1]


@pytest.mark.parametrize(("there", "partition"), [(1, None), (3, 2), (8, 2)])
async def test_a_delivery_goes_where_the_signed_number_says(
    site: Site, there: int, partition: int | None
) -> None:
    """An inbox with a partition more keeps each conversation in its place, and so in its order."""
    site.units, site.signed["inbox.it"] = [UnitId("fr")], 3
    for number in range(there):
        site.brokers.lead(0, ("inbox.it", number))
    key = next(key for key in (bytes([n]) * 16 for n in range(99)) if topics.partition_of(key, 3) == 2)
    works = Works()
    async with held(site, works):
        (claim,) = await claims(works, 1)
        output = OutputRecord("inbox.it", key, b"")
        if partition is None:
            with pytest.raises(Unavailable):
                await claim._place(output)
        else:
            assert await claim._place(output) == ("inbox.it", partition)


async def test_a_unit_that_is_enrolled_later_is_claimed(site: Site) -> None:
    """Without a restart; also one whose topic is made after that."""
    works = Works()
    async with held(site, works):
        await claims(works, 2)
        site.units.append(UnitId("nz"))
        await asyncio.sleep(0.05)
        assert works.owners() == ["fr", "it"]
        site.brokers.lead(0, ("outbox.nz", 0))
        await claims(works, 3)
    assert works.owners() == ["fr", "it", "nz"]


@pytest.mark.parametrize(
    "failure", [KafkaConnectionError(), ValueError(), TimeoutError(), asyncio.CancelledError()]
)
async def test_what_fails_is_claimed_again_from_what_was_committed(
    site: Site, failure: BaseException
) -> None:
    """Whatever it was; also a cancellation that nobody meant for us. The other claims stay."""
    site.units = [UnitId("fr")]
    site.brokers.append(FR, b"one", b"two")
    site.brokers.positions[FR] = [(0, f"@{OURS} first", 0)] * 2 + [(1, f"@{OURS} second", 0)]
    works = Works([failure])
    async with held(site, works):
        before, after = await claims(works, 2)
        assert (before.state, after.state) == ("first", "second")
        assert [record.value for record in await after.fetch(wait_ms=None, most=9)] == [b"two"]


async def after_the_last_one(site: Site, last: str, *opened: str) -> None:
    site.units = [UnitId("fr")]
    site.brokers.positions[FR] = [(7, last, 0)]
    works = Works([ValueError(), ValueError()])
    async with held(site, works):
        await claims(works, 3)
    theirs = [name for name in site.opened if name not in lane_ids(OURS)]
    assert theirs == [lane for name in opened for lane in lane_ids(name)]


@pytest.mark.parametrize(
    ("last", "opened"),
    [
        ("@router-another state", ["router-another"]),
        ("state of an earlier version", ["router-outbox.fr-0"]),
        (f"@{OURS} state", []),
    ],
    ids=["another", "an earlier version", "ourselves"],
)
async def test_the_id_of_whoever_committed_last_is_taken_once(
    site: Site, last: str, opened: list[str]
) -> None:
    """What it left open ends; and two routers do not take each other's ids for ever."""
    await after_the_last_one(site, last, *opened)


async def test_a_position_that_is_not_stable_is_waited_for(site: Site) -> None:
    """Not the one before it, which the library would give: what follows it may be delivered already."""
    site.units = [UnitId("fr")]
    site.brokers.append(FR, b"one", b"two")
    site.brokers.positions[FR] = [
        (0, f"@{OURS} old", 0),
        (-1, "", UNSTABLE),
        (-1, "", UNSTABLE),
        (1, f"@{OURS} new", 0),
    ]
    works = Works()
    async with held(site, works):
        (claim,) = await claims(works, 1)
        assert claim.state == "new"
        assert [record.value for record in await claim.fetch(wait_ms=None, most=9)] == [b"two"]


async def test_nothing_committed_is_the_beginning(site: Site) -> None:
    """A new unit's outbox begins with its first record, and an empty state."""
    site.units = [UnitId("fr")]
    site.brokers.append(FR, b"one")
    works = Works()
    async with held(site, works):
        (claim,) = await claims(works, 1)
        assert (claim.state, [r.offset for r in await claim.fetch(wait_ms=None, most=9)]) == ("", [0])


async def test_a_commit_remembers_who_made_it(site: Site) -> None:
    """The next router takes that id before it reads the position."""
    works = Works()
    async with held(site, works):
        got = await claims(works, 2)
        for claim in got:
            await claim.commit([OutputRecord("audit", b"", b"decision")], position=4, state="state")
    assert site.committed == [{(topics.outbox(c.owner), 0): (4, f"@{OURS} state")} for c in got]


async def a_missing_topic_fails_its_own_claim_alone(site: Site) -> None:
    works = Works()
    async with held(site, works):
        got = await claims(works, 2)
        with pytest.raises(Unavailable, match=r"inbox\.nz does not exist"):
            await got[0].commit([OutputRecord("inbox.nz", bytes(16), b"delivery")], position=1, state="")
        await got[1].commit([OutputRecord("audit", b"", b"decision")], position=1, state="")
        assert site.opened == [*lane_ids(OURS)], "no transaction was spoilt"


async def test_a_missing_topic_fails_its_own_claim_alone(site: Site) -> None:
    """An addressee whose topics were not made yet holds up its senders, and nobody else."""
    await a_missing_topic_fails_its_own_claim_alone(site)


@given(st.text(alphabet="0123456789abcdef", min_size=1), st.text())
@QUICK
def test_what_is_remembered_comes_back(name: str, state: str) -> None:
    """Who committed, and the state as it was."""
    remembered = Remembered(f"router-{name}", state)
    assert Remembered.parse(remembered.to_text()) == remembered


@pytest.mark.slow
async def test_each_rule_taken_away_is_noticed(site: Site) -> None:
    """A promise's own test fails on the mutant."""
    with mutated(Mutant(Holding._position, dropped("_fence"))), pytest.raises(AssertionError):
        await after_the_last_one(site, "@router-another state", "router-another")
    site.opened.clear()
    one_id = Mutant(Holding._take, rewritten("lane_ids(transactional_id)", "(transactional_id,)"))
    with mutated(one_id), pytest.raises(AssertionError):
        await after_the_last_one(site, "@router-another state", "router-another")
    site.opened.clear()
    with mutated(Mutant(Holding._fence, forced(True, "task is None"))), pytest.raises(AssertionError):
        await after_the_last_one(site, "@router-another state", "router-another")
    site.units = [UnitId("fr"), UnitId("it")]
    mutant = Mutant(PartitionClaim._place, instead("there = count", "self._holding.leaders.partitions"))
    with mutated(mutant), pytest.raises(pytest.fail.Exception):
        await a_missing_topic_fails_its_own_claim_alone(site)


@pytest.mark.parametrize("leak", ["start", "stop"])
async def test_a_foreign_cancellation_is_an_outage_of_the_directory(
    monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    """A reader that ends in a cancellation which nobody asked for is unavailable, and the router lives on."""

    async def leaking(_: AIOKafkaConsumer) -> None:
        raise asyncio.CancelledError

    async def failing(_: AIOKafkaConsumer) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(AIOKafkaConsumer, "start", leaking if leak == "start" else failing)
    monkeypatch.setattr(AIOKafkaConsumer, "stop", leaking)
    with pytest.raises(Unavailable):
        await KafkaStatements("127.0.0.1:9").run(lambda _: None, lambda: None)
