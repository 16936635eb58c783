"""What is asked of Kafka in which order, what is asked again, and what ends a transaction's object. No Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    NotLeaderForPartitionError,
    for_code,
)
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka import offsets, record_batches
from runtime.kafka import requests as ask
from runtime.kafka.client import IncompatibleBrokerVersion, types
from runtime.kafka.fetch_session import FetchQuestion
from runtime.kafka.offsets import PartitionBound
from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.record_batches import batches_of
from runtime.kafka.requests import Membership
from runtime.kafka.transactions import Transactions

PRODUCE, END_TXN, OFFSETS = 0, 26, 28
NO_COORDINATOR, NOT_COORDINATOR = 15, 16
CONCURRENT, TOO_FEW_REPLICAS, LOADING, TOO_LARGE, FENCED = 51, 19, 14, 10, 47
UNKNOWN_TOPIC, NO_LEADER, NOT_LEADER = 3, 5, 6
INBOX, AUDIT, SOURCE = ("inbox.it", 3), ("audit", 0), ("outbox.fr", 1)
PROGRESS = {SOURCE: (7, "state")}


@dataclass
class Kafka:
    """A broker that answers as a script says: for each API the codes of the next answers, then 0."""

    script: dict[int, list[Any]] = field(default_factory=dict)
    asked: list[tuple[int, Any]] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    leaders: list[dict[Place, int | None]] = field(default_factory=lambda: [{}])
    """Who leads what, and after each look at the metadata the next of them; 0 where nothing is said."""

    async def leader(self, place: Place) -> int | None:
        return self.leaders[0].get(place, 0)

    def look(self, _: object) -> None:
        if len(self.leaders) > 1:
            self.leaders.pop(0)

    async def send(self, node: int, question: ask.PinnedRequest, **_: Any) -> Any:
        await asyncio.sleep(0)
        request = question.prepare(dict.fromkeys((PRODUCE, END_TXN, OFFSETS), (0, 99)))
        self.asked.append((request.API_KEY, request))
        if request.API_KEY == PRODUCE:
            self.nodes.append(node)
        codes = self.script.get(request.API_KEY)
        code = codes.pop(0) if codes else 0
        if isinstance(code, Exception):
            raise code
        if request.API_KEY == END_TXN:
            return SimpleNamespace(
                error_code=code, producer_id=request.producer_id, producer_epoch=request.producer_epoch + 1
            )
        return SimpleNamespace(
            topics=[
                (name, [(row[0], code.get((name, row[0]), 0) if isinstance(code, dict) else code) for row in rows], {})
                for name, rows, _ in request.topics
            ]
        )  # fmt: skip

    def apis(self) -> list[int]:
        return [api for api, _ in self.asked]

    def batches(self) -> list[dict[Place, bytes]]:
        """What each Produce held."""
        return [
            {(name, row[0]): row[1] for name, rows, _ in request.topics for row in rows}
            for api, request in self.asked
            if api == PRODUCE
        ]


@pytest.fixture
def brokers() -> Kafka:
    return Kafka()


@pytest.fixture
async def transactions(brokers: Kafka, monkeypatch: pytest.MonkeyPatch) -> Transactions:
    """An id that was opened, on brokers that lead as the script says."""
    made = Transactions("127.0.0.1:9", "router-1", membership=Membership("router", 5, "me"))
    made._producer = (11, 4)
    monkeypatch.setattr(made, "_leader", brokers.leader)
    monkeypatch.setattr(made._client, "send", brokers.send)
    monkeypatch.setattr(made._leaders, "forget", brokers.look)
    return made


def records(*values: bytes) -> list[OutputRecord]:
    return [OutputRecord("any", b"", value) for value in values]


def read(batch: bytes) -> tuple[DefaultRecordBatch, list[bytes]]:
    """A whole batch as a reader of Kafka's records sees it."""
    found = MemoryRecords(batch).next_batch()
    assert found.validate_crc()
    return found, [record.value for record in found]


async def test_records_and_position_are_acknowledged_before_the_end(transactions, brokers) -> None:
    """One Produce for all partitions of a broker, the position with its state, and EndTxn last."""
    await transactions.commit({INBOX: records(b"delivery"), AUDIT: records(b"audit")}, PROGRESS)
    assert sorted(brokers.apis()[:2]) == [PRODUCE, OFFSETS]
    assert brokers.apis()[2:] == [END_TXN]
    assert brokers.batches()[0].keys() == {INBOX, AUDIT}
    position = next(request for api, request in brokers.asked if api == OFFSETS)
    assert position.topics == [("outbox.fr", [(1, 7, -1, "state", {})], {})]
    assert (position.group, position.producer_id, position.producer_epoch) == ("router", 11, 4)
    assert (position.generation, position.member) == (5, "me")
    assert brokers.asked[-1][1].committed is True


async def test_each_transaction_has_the_epoch_that_the_one_before_was_answered(transactions, brokers) -> None:
    """The next batches bear the new epoch, and their numbers begin at 0 again."""
    for _ in range(3):
        await transactions.commit({AUDIT: records(b"a", b"b")}, PROGRESS)
    seen = [read(part[AUDIT])[0] for part in brokers.batches()]
    assert [(one.producer_id, one.producer_epoch, one.base_sequence) for one in seen] == [
        (11, 4, 0), (11, 5, 0), (11, 6, 0)
    ]  # fmt: skip


@pytest.mark.parametrize("api", [PRODUCE, OFFSETS, END_TXN])
@pytest.mark.parametrize("code", [CONCURRENT, TOO_FEW_REPLICAS, LOADING])
async def test_a_refusal_by_which_nothing_was_done_is_asked_again(transactions, brokers, api, code) -> None:
    """The same bytes, until they are taken."""
    brokers.script = {api: [code, code]}
    await transactions.commit({AUDIT: records(b"a")}, PROGRESS)
    assert brokers.apis().count(api) == 3
    same = {request.encode() for seen, request in brokers.asked if seen == api}
    assert len(same) == 1
    assert transactions._producer == (11, 5)


@pytest.mark.parametrize(("refusals", "waits"), [(1, 0), (2, 1), (10, 9)])
async def test_only_the_first_repetition_waits_for_nothing(
    transactions, brokers, monkeypatch, refusals, waits
) -> None:
    """Records that met the position at the coordinator lose no time; a broker that is busy is not stormed."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("runtime.kafka.transactions.asyncio.sleep", sleep)
    brokers.script = {PRODUCE: [TOO_FEW_REPLICAS] * refusals}
    await transactions.commit({AUDIT: records(b"a")}, PROGRESS)
    assert brokers.apis().count(PRODUCE) == refusals + 1
    waited = [pause for pause in pauses if pause > 0]
    assert len(waited) == waits
    assert waited == sorted(waited)


async def test_of_several_partitions_only_the_refused_are_sent_again(transactions, brokers) -> None:
    """What was appended stays appended."""
    brokers.script = {PRODUCE: [{INBOX: CONCURRENT}]}
    await transactions.commit({INBOX: records(b"delivery"), AUDIT: records(b"audit")}, PROGRESS)
    first, second = brokers.batches()
    assert second == {INBOX: first[INBOX]}


@pytest.mark.parametrize("api", [OFFSETS, END_TXN])
async def test_only_batches_have_a_leader(transactions, brokers, api) -> None:
    """A coordinator that says it does not lead has moved, and what it did is for whoever opens the id next."""
    brokers.script = {api: [NOT_LEADER]}
    with pytest.raises(NotLeaderForPartitionError):
        await transactions.commit({AUDIT: records(b"a")}, PROGRESS)
    assert brokers.apis().count(api) == 1


@pytest.mark.parametrize("api", [PRODUCE, OFFSETS, END_TXN])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (TOO_LARGE, MessageSizeTooLargeError),
        (FENCED, InvalidProducerEpoch),
        (KafkaConnectionError(), KafkaConnectionError),
        (KeyError((0, 1)), KafkaConnectionError),
        (AssertionError(), KafkaConnectionError),
    ],
)
async def test_anything_else_is_raised_and_asked_once(transactions, brokers, api, fault, error) -> None:
    """Above all what was not answered: whether it was done is for whoever opens the id next."""
    brokers.script = {api: [fault]}
    with pytest.raises(error):
        await transactions.commit({AUDIT: records(b"a")}, PROGRESS)
    assert brokers.apis().count(api) == 1


@pytest.mark.parametrize("api", [PRODUCE, OFFSETS])
async def test_nothing_is_committed_when_a_part_was_refused(transactions, brokers, api) -> None:
    """No EndTxn, and nothing of this object goes on in the background."""
    brokers.script = {api: [TOO_LARGE], PRODUCE + OFFSETS - api: [CONCURRENT] * 5}
    with pytest.raises(MessageSizeTooLargeError):
        await transactions.commit({AUDIT: records(b"a")}, PROGRESS)
    asked = len(brokers.asked)
    await asyncio.sleep(0.05)
    assert END_TXN not in brokers.apis()
    assert len(brokers.asked) == asked


async def test_a_broker_that_refuses_ends_what_goes_on_at_another(transactions, brokers) -> None:
    """Two leaders, one of them too busy for ever: the other's refusal ends both."""
    brokers.leaders = [{INBOX: 0, AUDIT: 1}]
    brokers.script = {PRODUCE: [CONCURRENT, TOO_LARGE, *[CONCURRENT] * 50]}
    with pytest.raises(MessageSizeTooLargeError):
        await transactions.commit({INBOX: records(b"a"), AUDIT: records(b"b")}, PROGRESS)
    asked = len(brokers.asked)
    await asyncio.sleep(0.05)
    assert len(brokers.asked) == asked


@pytest.mark.parametrize("code", [UNKNOWN_TOPIC, NO_LEADER, NOT_LEADER])
async def test_a_batch_follows_its_leader(transactions, brokers, code) -> None:
    """A leader moved, or does not know yet that it leads: the same bytes, to whom the metadata name then."""
    brokers.leaders = [{INBOX: 1, AUDIT: 0}, {INBOX: 1, AUDIT: 0}, {INBOX: 2, AUDIT: 0}]
    brokers.script = {PRODUCE: [{INBOX: code}, {INBOX: code}, {INBOX: code}]}
    await transactions.commit({INBOX: records(b"delivery"), AUDIT: records(b"audit")}, PROGRESS)
    assert brokers.nodes == [1, 0, 1, 2]
    assert [part[INBOX] for part in brokers.batches() if INBOX in part] == [brokers.batches()[0][INBOX]] * 3
    assert transactions._producer == (11, 5)


async def test_a_partition_without_a_leader_is_waited_for(transactions, brokers) -> None:
    """While one is elected; what goes elsewhere goes on, and goes out once."""
    brokers.leaders = [{INBOX: None}, {INBOX: None}, {INBOX: 2}]
    await transactions.commit({INBOX: records(b"delivery"), AUDIT: records(b"audit")}, PROGRESS)
    assert brokers.nodes == [0, 2]
    assert [part.keys() for part in brokers.batches()] == [{AUDIT}, {INBOX}]


async def test_a_final_refusal_counts_more_than_one_that_may_pass(transactions, brokers) -> None:
    """One partition is too busy, the other will never take its batch: that ends it at once."""
    brokers.script = {PRODUCE: [{INBOX: CONCURRENT, AUDIT: TOO_LARGE}]}
    with pytest.raises(MessageSizeTooLargeError):
        await transactions.commit({INBOX: records(b"a"), AUDIT: records(b"b")}, PROGRESS)
    assert brokers.apis().count(PRODUCE) == 1


async def test_batches_of_a_partition_go_out_one_after_another(transactions, brokers, monkeypatch) -> None:
    """Each request has one batch of a partition at most, in order, and the next waits for its answer."""
    monkeypatch.setattr(record_batches, "BATCH_BYTES", 300)
    brokers.script = {PRODUCE: [CONCURRENT]}
    values = [bytes([number]) * 100 for number in range(9)]
    await transactions.commit({AUDIT: records(*values), INBOX: records(b"one")}, PROGRESS)
    again, *rest = brokers.batches()
    assert rest[0] == again
    assert [part.keys() for part in rest[1:]] == [{AUDIT}] * (len(rest) - 1)
    assert [value for part in rest for value in read(part[AUDIT])[1]] == values
    assert brokers.apis()[-1] == END_TXN


# --- coordinators ---------------------------------------------------------------------------------------


async def find(transactions: Transactions, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> int:
    """Look for a coordinator; the lookups end in these errors or in a node, one after the other."""
    left = list(answers)

    async def lookup(*_: Any) -> int:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ready(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(transactions._client, "coordinator_lookup", lookup)
    monkeypatch.setattr(transactions._client, "ready", ready)
    return await transactions._find(0, "router")


async def test_a_coordinator_that_is_moving_is_looked_for_again(transactions, monkeypatch) -> None:
    """What a broker answers while the coordinator moves passes by itself."""
    moving = [for_code(code)() for code in (NO_COORDINATOR, NOT_COORDINATOR, LOADING)]
    assert await find(transactions, monkeypatch, *moving, 7) == 7


@pytest.mark.parametrize("error", [NodeNotReadyError(), KafkaConnectionError(), InvalidProducerEpoch()])
async def test_a_lookup_that_fails_otherwise_is_an_error_of_kafka(transactions, monkeypatch, error) -> None:
    """Also one that has no number, as those of a connection: a ledger ended over that."""
    with pytest.raises(type(error)):
        await find(transactions, monkeypatch, error)


# --- batches --------------------------------------------------------------------------------------------


@given(
    values=st.lists(st.binary(max_size=400), max_size=40),
    limit=st.integers(80, 1000),
    producer=st.tuples(st.integers(0, 2**40), st.integers(0, 2**15 - 1)),
)
def test_batches_hold_every_record_once_in_order(values, limit, producer) -> None:
    """Whatever the sizes: nothing is lost or moved, and the numbers have no gap."""
    before, record_batches.BATCH_BYTES = record_batches.BATCH_BYTES, limit
    try:
        built = batches_of(records(*values), producer=producer, now=1_700_000_000_000)
    finally:
        record_batches.BATCH_BYTES = before
    found, number = [], 0
    for batch in built:
        header, inside = read(batch)
        assert (header.producer_id, header.producer_epoch) == producer
        assert header.is_transactional
        assert header.base_sequence == number
        assert len(batch) <= limit or len(inside) == 1
        number += len(inside)
        found += inside
    assert found == values


# --- requests -------------------------------------------------------------------------------------------


def test_a_broker_that_does_not_speak_the_version_is_an_error_of_kafka() -> None:
    """It ends the claim as any other error does."""
    question = ask.end_transaction("id", (1, 1), commit=True)
    for spoken in ({}, {END_TXN: (0, 4)}, {END_TXN: (6, 9)}):
        with pytest.raises(IncompatibleBrokerVersion) as raised:
            question.prepare(spoken)
        assert isinstance(raised.value, KafkaError)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: ask.end_transaction("t", (1, 2), commit=True),
            "02 74 0000000000000001 0002 01 00",
        ),
        (
            lambda: ask.commit_offsets(
                "t", (1, 2), Membership("g", 9, "i"), {("s", 3): (4, "m"), ("r", 0): (5, "")}
            ),
            (
                "02 74 02 67 0000000000000001 0002 00000009 02 69 00"
                " 03 02 73 02 00000003 0000000000000004 ffffffff 02 6d 00 00"
                " 02 72 02 00000000 0000000000000005 ffffffff 01 00 00 00"
            ),
        ),
        (
            lambda: ask.fetch_offsets("g", [("s", 3)], stable=True),
            "02 67 02 02 73 02 00000003 00 01 00",
        ),
        (
            lambda: ask.fetch(FetchQuestion(7, 8, {("s", 3): 4}, (("r", 0),)), wait_ms=6),
            (
                "ffffffff 00000006 00000001 00f42400 01 00000007 00000008 00000001 0001 73 00000001 00000003 ffffffff"
                " 0000000000000004 ffffffffffffffff 001e8480 00000001 0001 72 00000001 00000000 0000"
            ),
        ),
        (
            lambda: offsets._question([("s", 3)], PartitionBound.BEGINNING),
            "ffffffff 01 00000001 0001 73 00000001 00000003 fffffffffffffffe",
        ),
        (
            lambda: ask.produce("t", {("a", 5): b"\x07\x08"}, timeout_ms=6),
            "02 74 ffff 00000006 02 02 61 02 00000005 03 07 08 00 00 00",
        ),
    ],
)
def test_the_bytes_are_those_of_kafkas_schemas(make: Callable[[], ask.PinnedRequest], expected: str) -> None:
    """By hand from the message definitions of Kafka 4.3: EndTxn 5, TxnOffsetCommit 5, Produce 12, OffsetFetch 7, Fetch 11, ListOffsets 2."""
    request = make().prepare(dict.fromkeys(range(100), (0, 99)))
    assert request.encode().hex() == expected.replace(" ", "")


def test_which_features_are_switched_on() -> None:
    """A tagged field of ApiVersions' answer; what is not named is off."""
    name = types.CompactString("utf-8").encode
    listed = b"\x03" + name("kraft.version") + bytes.fromhex("0001 0001 00")
    listed += name("transaction.version") + bytes.fromhex("0002 0000 00")
    answer = SimpleNamespace(tags={0: b"\x01", 2: listed})
    assert ask.finalized(answer, "transaction.version") == 2
    assert ask.finalized(answer, "kraft.version") == 1
    assert ask.finalized(answer, "group.version") == 0
    assert ask.finalized(SimpleNamespace(tags={}), "transaction.version") == 0
