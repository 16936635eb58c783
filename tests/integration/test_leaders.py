"""runtime/kafka/transactions.py where partitions get a leader, or another one, in the moment in which it writes."""

from __future__ import annotations

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import RequestStruct, Response

from runtime.kafka.client import connection_settings, types
from runtime.kafka.ports import OutputRecord
from runtime.kafka.requests import NO_TAGS, TAGS, TEXT, PinnedRequest
from runtime.kafka.transactions import Transactions
from tests.integration import adapter
from tests.integration.adapter import committed
from tests.waiting import until_async

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

no_late_tracebacks = adapter.no_late_tracebacks

_NODES = types.CompactArray(types.Int32)


class _Reassigned(Response):
    API_KEY, API_VERSION = 45, 0
    SCHEMA = types.Schema(("throttle_ms", types.Int32), ("error_code", types.Int16), ("error", TEXT))


class _Reassign(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 45, 0, _Reassigned
    SCHEMA = types.Schema(
        ("timeout_ms", types.Int32),
        (
            "topics",
            types.CompactArray(
                ("topic", TEXT),
                ("partitions", types.CompactArray(("partition", types.Int32), ("replicas", _NODES), TAGS)),
                TAGS,
            ),
        ),
        TAGS,
    )


async def create(bootstrap: str, name: str, replicas: int) -> None:
    """Make a topic of one partition, and wait for nothing."""
    admin = AIOKafkaAdminClient(**connection_settings(bootstrap))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, replicas)])
    finally:
        await admin.close()


async def led_by(client: AIOKafkaClient, topic: str) -> int:
    """Who leads the topic's one partition now."""
    await client.set_topics([topic])
    await client.force_metadata_update()
    return next(iter(client.cluster._partitions[topic].values())).leader


async def move(bootstrap: str, topic: str, *, node: int) -> None:
    """Let another broker lead the topic, and return when the one before has let go."""
    client = AIOKafkaClient(**connection_settings(bootstrap))
    await client.bootstrap()
    try:
        wanted = [(topic, [(0, [node], NO_TAGS)], NO_TAGS)]
        answer = await client.send(
            await led_by(client, topic), PinnedRequest(_Reassign, 5_000, wanted, NO_TAGS)
        )
        assert answer.error_code == 0, answer
        await until_async(
            lambda: led_by(client, topic),
            lambda leader: leader == node,
            what=f"broker {node} to lead {topic}",
        )
    finally:
        await client.close()


async def test_a_topic_is_written_in_the_moment_in_which_it_is_made(kafka, unique) -> None:
    """Its leader is named before it knows that it leads: the transaction waits and is one transaction."""
    transactions = Transactions(kafka.bootstrap, unique("id"))
    await transactions.open()
    try:
        for _ in range(20):
            topic = unique("new")
            await create(kafka.bootstrap, topic, replicas=1)
            await transactions.commit({(topic, 0): [OutputRecord(topic, b"", b"first")]})
            assert await committed(kafka.bootstrap, topic) == [b"first"]
    finally:
        await transactions.close()


async def test_a_transaction_follows_a_leader_that_moved(new_cluster, unique) -> None:
    """Whom our metadata name has let go of the partition: not a claim is lost by it, and nothing is doubled."""
    bootstrap, topic = new_cluster(brokers=3).bootstrap, unique("moving")
    await create(bootstrap, topic, replicas=1)
    transactions = Transactions(bootstrap, unique("id"))
    await transactions.open()
    try:
        values = []
        for turn in range(6):
            values.append(b"%d" % turn)
            await transactions.commit({(topic, 0): [OutputRecord(topic, b"", values[-1])]})
            asked = await transactions._leader((topic, 0))
            await move(bootstrap, topic, node=(asked + 1) % 3)
        assert await committed(bootstrap, topic) == values
    finally:
        await transactions.close()
