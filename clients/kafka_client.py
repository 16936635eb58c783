"""The one module of this package that imports aiokafka: its names, for the modules that speak to Kafka.

Owns the settings that our clients have in common, and what of the library is set right at import: asking for
a topic never makes one, whatever the cluster's `auto.create.topics.enable` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import client as aiokafka_client
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

__all__ = [
    "AIOKafkaAdminClient",
    "AIOKafkaClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "ConfigResource",
    "ConfigResourceType",
    "DefaultRecordBatchBuilder",
    "KafkaConnectionError",
    "KafkaError",
    "NewTopic",
    "ProduceRequest",
    "TopicPartition",
    "for_code",
]

aiokafka_client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)

CLOSE_TIMEOUT: Final = 5.0
COMMON: Final[dict[str, Any]] = {
    "retry_backoff_ms": 50,
    "request_timeout_ms": 5_000,
    "metadata_max_age_ms": 30_000,
}


async def ended(closing: Coroutine[Any, Any, None]) -> None:
    """Wait for a part of aiokafka to close, for a while, whatever comes of it.

    In a task of its own: while a broker is away `stop()` ends in a `CancelledError` of aiokafka's own
    tasks, which here would look as if somebody had cancelled us.
    """
    task = asyncio.create_task(closing)
    done, pending = await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
    for late in pending:
        late.cancel()
    for ended in done:
        if not ended.cancelled():
            ended.exception()
