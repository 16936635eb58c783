"""How much of an outbox no router has decided yet, as Kafka has it: what stands there, and the routers' position."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.client import connection_settings
from runtime.kafka.security.access import KafkaAddress


async def undecided(bootstrap: KafkaAddress, unit: UnitId) -> int:
    """Records behind the position that was committed last."""
    source = TopicPartition(topics.outbox(unit), 0)
    admin = AIOKafkaAdminClient(**connection_settings(bootstrap))
    consumer = AIOKafkaConsumer(**connection_settings(bootstrap))
    try:
        await admin.start()
        await consumer.start()
        end = (await consumer.end_offsets([source]))[source]
        found = await admin.list_consumer_group_offsets(topics.ROUTER_GROUP, partitions=[source])
    finally:
        await consumer.stop()
        await admin.close()
    return int(end - max(0, found[source].offset))
