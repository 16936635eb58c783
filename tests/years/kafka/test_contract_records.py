"""The contract suite (places.py): the order of records, what is seen of transactions, and who may still write."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from aiokafka.errors import (
    InvalidTxnState,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    for_code,
)

from runtime.kafka import requests as ask
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.leaders import Leaders
from runtime.kafka.partition_log import KafkaLog, KafkaTopics
from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import batch_of, batches_of
from runtime.kafka.shared_reader import SharedReader
from tests.integration import adapter
from tests.integration.adapter import committed, create, put
from tests.waiting import GENEROUS, until_async
from tests.years.kafka import places
from tests.years.kafka.places import (
    FENCED,
    client_of,
    followed,
    opened,
    read_all,
    records,
    values_of,
)

no_late_tracebacks = adapter.no_late_tracebacks
place, own_cluster, unit = places.place, places.own_cluster, places.unit


# Order, offsets, and what is seen.


async def test_records_are_read_in_the_order_in_which_they_were_appended(place, unique) -> None:
    topic = unique("order")
    await create(place.bootstrap, **{topic: {}})
    values = [number.to_bytes(4, "big") * 100 for number in range(3_000)]
    await KafkaLog(place.bootstrap, topic).append(values[:1_500])
    async with KafkaTopics(place.bootstrap).writing() as writer:
        await writer.write([OutputRecord(topic, b"key", value) for value in values[1_500:]])
    found = await read_all(place, topic, count=len(values))
    assert [record.value for record in found] == values
    assert [record.offset for record in found] == list(range(len(values)))
    assert (
        values_of(await followed(place, topic, start=0, until=lambda f: len(values_of(f)) >= 3_000)) == values
    )


async def test_the_end_of_a_transaction_takes_an_offset(place, unique) -> None:
    topic, name = unique("marker"), unique("alone")
    await create(place.bootstrap, **{topic: {}})
    for number in range(3):
        async with KafkaTopics(place.bootstrap).writing(alone=name) as writer:
            await writer.write([OutputRecord(topic, b"", b"%d" % number)])
    found = await read_all(place, topic, count=3)
    assert [record.offset for record in found] == [0, 2, 4]
    async with KafkaTopics(place.bootstrap).reading(topic, 4) as reader:
        assert [record.value for record in await reader.fetch(wait_ms=10_000, most=10)] == [b"2"]
        await until_async(reader.span, lambda span: span == (0, 6), what="the last marker")


async def test_a_position_between_records_reads_what_follows(place, unique) -> None:
    topic = unique("between")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        for value in (b"a", b"b"):
            await transactions.commit(records(topic, value))
    found = await read_all(place, topic, position=1, count=1)
    assert [(record.offset, record.value) for record in found] == [(2, b"b")]


async def test_an_open_transaction_hides_itself_and_all_behind_it(place, unique) -> None:
    topic, name = unique("open"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    await put(place.bootstrap, topic, b"before")
    async with opened(place, name) as transactions:
        await transactions._write(records(topic, b"left open"))
        await put(place.bootstrap, topic, b"behind")
        assert await KafkaFeeds(place.bootstrap).end(topic, 0) == 1
        async with KafkaTopics(place.bootstrap).reading(topic, None) as reader:
            found = await reader.fetch(wait_ms=10_000, most=10)
            found += await reader.fetch(wait_ms=300, most=10)
            assert [record.value for record in found] == [b"before"]
            async with opened(place, name) as heir:  # ends what was left open
                found = await reader.fetch(wait_ms=int(GENEROUS * 1000), most=10)
                assert [record.value for record in found] == [b"behind"]
                await heir.commit(records(topic, b"after"))
    assert await committed(place.bootstrap, topic) == [b"before", b"behind", b"after"]


async def test_records_of_an_aborted_transaction_are_never_seen(place, unique) -> None:
    """By none of our readers, from wherever they begin; and those of the same producer afterwards are."""
    topic, name = unique("aborted"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    for turn in range(3):
        async with opened(place, name) as transactions:
            await transactions.commit(records(topic, b"kept %d" % turn))
            await transactions._write(records(topic, b"dropped", b"dropped too"))
    async with opened(place, name) as transactions:
        await transactions.commit(records(topic, b"last"))
    kept = [b"kept 0", b"kept 1", b"kept 2", b"last"]
    found = await followed(place, topic, start=0, until=lambda f: len(values_of(f)) >= 4)
    assert values_of(found) == kept
    for position in range(6):  # one transaction and the beginning of the next
        after = [record.value for record in await read_all(place, topic, position=position, count=2)]
        first = kept.index(after[0])
        assert after == kept[first : first + len(after)]
        assert first == (0 if position == 0 else 1)
    async with client_of(place) as client:
        reader = SharedReader(client, Leaders(client), wait_ms=100)
        inflow = reader.add((topic, 0), 0)
        shared: list[bytes] = []
        while len(shared) < 4:
            shared += [record.value for record in await inflow.take(wait_ms=None, most=10)]
        await reader.close()
    assert shared == kept


async def test_a_transaction_is_whole_in_all_its_partitions(place, unique) -> None:
    """More batches than one in one of them; all of it, or nothing where one record is too large."""
    large, small = unique("large"), unique("small")
    await create(place.bootstrap, **{large: {}, small: {"max.message.bytes": "2000"}})
    values = [number.to_bytes(4, "big") * 500 for number in range(700)]
    async with opened(place, unique("many")) as transactions:
        await transactions.commit(records(large, *values) | records(small, b"one"))
        assert await committed(place.bootstrap, large) == values
        with pytest.raises(MessageSizeTooLargeError):
            await transactions.commit(records(large, b"lost") | records(small, b"x" * 5_000))
    assert await committed(place.bootstrap, small) == [b"one"]


# Fencing.


async def test_whoever_takes_an_id_shuts_out_those_who_had_it(place, unique) -> None:
    topic, name = unique("fenced"), unique("id")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, name) as zombie:
        await zombie.commit(records(topic, b"first"))
        async with opened(place, name) as heir:
            with pytest.raises(FENCED):
                await zombie.commit(records(topic, b"by the zombie"))
            await heir.commit(records(topic, b"by the heir"))
    async with opened(place, name):
        assert await committed(place.bootstrap, topic) == [b"first", b"by the heir"]


async def test_a_late_batch_is_in_no_later_transaction(place, unique) -> None:
    topic, other, now = unique("late"), unique("other"), int(time.time() * 1000)
    await create(place.bootstrap, **{topic: {}, other: {}})
    async with opened(place, unique("id")) as transactions:
        (late,) = batches_of([OutputRecord(topic, b"", b"once")], producer=transactions._producer, now=now)
        await transactions.commit(records(topic, b"once"))
        with suppress(*FENCED):  # refused, or known as a double
            await transactions._append({(topic, 0): late})
        with pytest.raises(FENCED):
            await transactions._append({(other, 0): late})
        await transactions.commit(records(topic, b"twice") | records(other, b"other"))
    assert await committed(place.bootstrap, topic) == [b"once", b"twice"]
    assert await committed(place.bootstrap, other) == [b"other"]


async def test_an_end_that_comes_late_ends_nothing_later(place, unique) -> None:
    """The end of the transaction before, once more: while nothing is open it is known, and otherwise refused."""
    topic = unique("late")
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        first = transactions._producer
        await transactions.commit(records(topic, b"first"))

        async def again() -> int:
            question = ask.end_transaction(transactions._id, first, commit=True)
            return (await transactions._ask_coordinator(question, node=transactions._coordinator)).error_code

        await until_async(again, lambda code: code == 0, what="the end to be known as done")
        await transactions._write(records(topic, b"not to be committed"))
        assert await again() != 0
        assert await KafkaFeeds(place.bootstrap).end(topic, 0) == 2
    async with opened(place, transactions._id):
        assert await committed(place.bootstrap, topic) == [b"first"]


async def test_a_batch_that_is_sent_again_is_known(place, unique) -> None:
    """A transaction's batch, twice with the same bytes: one record. With a gap before it: refused."""
    topic, now = unique("again"), int(time.time() * 1000)
    await create(place.bootstrap, **{topic: {}})
    async with opened(place, unique("id")) as transactions:
        producer = transactions._producer
        (first,) = batches_of([OutputRecord(topic, b"", b"once")], producer=producer, now=now)
        await transactions._append({(topic, 0): first})
        await transactions._append({(topic, 0): first})
        gap, _ = batch_of([OutputRecord(topic, b"", b"too far")], now=now, numbered=(*producer, 5))
        with pytest.raises(OutOfOrderSequenceNumber):
            await transactions._append({(topic, 0): gap})
        await transactions.commit({})
    assert await committed(place.bootstrap, topic) == [b"once"]


async def test_the_end_of_nothing_is_refused(place, unique) -> None:
    async with opened(place, unique("id")) as transactions:
        question = ask.end_transaction(transactions._id, transactions._producer, commit=True)
        answer = await transactions._ask_coordinator(question, node=transactions._coordinator)
        assert for_code(answer.error_code) is InvalidTxnState
