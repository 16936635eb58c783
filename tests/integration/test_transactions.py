"""runtime/kafka/transactions.py against Kafka itself: large transactions, and clusters without the protocol.

What happens when a transaction fails or is taken over stands in test_kafka_traps.py and test_kafka_takeover.py.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import RequestStruct, Response

from runtime.errors import Unavailable
from runtime.kafka import requests
from runtime.kafka import transactions as transactions_module
from runtime.kafka.client import connection_settings, types
from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import BATCH_BYTES
from runtime.kafka.requests import NO_TAGS, TAGS, TEXT, PinnedRequest, features, finalized
from runtime.kafka.transactions import FEATURE, REQUEST_BYTES, Transactions
from tests.integration import adapter
from tests.integration.adapter import committed, create
from tests.waiting import until_async

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

cluster, bootstrap = adapter.cluster, adapter.bootstrap
no_late_tracebacks = adapter.no_late_tracebacks

UPGRADE, DOWNGRADE = 1, 2


class _Updated(Response):
    API_KEY, API_VERSION = 57, 1
    SCHEMA = types.Schema(("throttle_ms", types.Int32), ("error_code", types.Int16), ("error", TEXT))


class _UpdateFeatures(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 57, 1, _Updated
    SCHEMA = types.Schema(
        ("timeout_ms", types.Int32),
        ("updates", types.CompactArray(("name", TEXT), ("level", types.Int16), ("kind", types.Int8), TAGS)),
        ("validate_only", types.Boolean),
        TAGS,
    )


async def switch(bootstrap: str, level: int, kind: int) -> None:
    """Set the cluster's transaction.version, as kafka-features.sh does, and wait until the broker has learnt it.

    The controller answers once it has written the level; the broker reads it a moment later.
    """
    client = AIOKafkaClient(**connection_settings(bootstrap))
    await client.bootstrap()

    async def known() -> int:
        return finalized(await client.send(0, features("contrada", "tests")), FEATURE[0])

    try:
        update = [(FEATURE[0], level, kind, NO_TAGS)]
        answer = await client.send(0, PinnedRequest(_UpdateFeatures, 5_000, update, False, NO_TAGS))
        assert answer.error_code == 0, answer
        await until_async(
            known, lambda found: found == level, what=f"the broker to know {FEATURE[0]} {level}"
        )
    finally:
        await client.close()


@asynccontextmanager
async def opened(bootstrap: str, name: str):
    """An id that is ours."""
    transactions = Transactions(bootstrap, name)
    try:
        await transactions.open()
        yield transactions
    finally:
        await transactions.close()


async def test_a_transaction_of_many_batches_arrives_whole_and_in_order(bootstrap: str, unique) -> None:
    """Far more than a batch for one partition, next to one record for another; then a second one like it."""
    large, small = unique("large"), unique("small")
    await create(bootstrap, **{large: {}, small: {}})
    values = [number.to_bytes(4, "big") * 500 for number in range(2_000)]
    assert sum(map(len, values)) > 7 * BATCH_BYTES
    async with opened(bootstrap, unique("many")) as transactions:
        for half in (values[:1_000], values[1_000:]):
            await transactions.commit(
                {
                    (large, 0): [OutputRecord(large, b"", value) for value in half],
                    (small, 0): [OutputRecord(small, b"key", b"one")],
                }
            )
    assert await committed(bootstrap, large) == values
    assert await committed(bootstrap, small) == [b"one", b"one"]


async def test_what_is_too_much_for_a_request_goes_in_several(bootstrap: str, unique, monkeypatch) -> None:
    """Records for many partitions, as of one message to many addressees: each arrives, and no request is large."""
    names = [unique(f"many-{number}") for number in range(12)]
    await create(bootstrap, **{name: {} for name in names})
    sizes: list[int] = []

    def produce(name, batches, **more):
        sizes.append(sum(map(len, batches.values())))
        return requests.produce(name, batches, **more)

    monkeypatch.setattr(transactions_module, "ask", SimpleNamespace(**{**vars(requests), "produce": produce}))
    value = bytes(1_000_000)
    async with opened(bootstrap, unique("large")) as transactions:
        await transactions.commit({(name, 0): [OutputRecord(name, b"", value)] for name in names})
    assert [await committed(bootstrap, name) for name in names] == [[value]] * len(names)
    assert len(sizes) >= len(names) * len(value) // REQUEST_BYTES
    assert max(sizes) < REQUEST_BYTES + len(value)


async def test_nothing_is_seen_of_a_transaction_before_its_end(bootstrap: str, unique) -> None:
    """Whoever reads committed records sees all of it or nothing, and nothing of one that was left open."""
    topic, name = unique("open"), unique("id")
    await create(bootstrap, **{topic: {}})
    async with opened(bootstrap, name) as transactions:
        await transactions._write({(topic, 0): [OutputRecord(topic, b"", b"left open")]})
    async with opened(bootstrap, name) as transactions:
        await transactions.commit({(topic, 0): [OutputRecord(topic, b"", b"whole")]})
    assert await committed(bootstrap, topic) == [b"whole"]


async def test_a_cluster_without_the_protocol_is_refused_and_says_what_to_do(bootstrap: str, unique) -> None:
    """A broker takes the new requests even where the cluster has not switched them on: so we ask first."""
    name, wanted = FEATURE
    await switch(bootstrap, wanted - 1, DOWNGRADE)
    try:
        with pytest.raises(Unavailable, match=f"{name} {wanted - 1}, and {wanted} is needed") as raised:
            async with opened(bootstrap, unique("old")):
                pass
        assert f"--feature {name}={wanted}" in raised.value.hint
    finally:
        await switch(bootstrap, wanted, UPGRADE)
    async with opened(bootstrap, unique("new")):
        pass
