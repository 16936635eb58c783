"""The one module of this package that imports aiokafka: its names, for the modules that speak to Kafka.

Owns the settings that all of our clients have in common, and what of the library is set right at import.
Its own transactions are not among the names (docs/adr/0018): runtime/kafka/transactions.py is what we use.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka import client as aiokafka_client
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    for_code,
)
from aiokafka.protocol import types
from aiokafka.protocol.api import RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

__all__ = [
    "AIOKafkaClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "ConnectionGroup",
    "ConsumerRebalanceListener",
    "CoordinationType",
    "DefaultRecordBatchBuilder",
    "IncompatibleBrokerVersion",
    "InitProducerIdRequest",
    "KafkaConnectionError",
    "KafkaError",
    "OffsetFetchRequest",
    "RequestStruct",
    "Response",
    "ResponseHeader_v0",
    "TopicPartition",
    "for_code",
    "types",
]

# Asking for a topic never makes one, whatever the cluster's auto.create.topics.enable says.
aiokafka_client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)

COMMIT_TIMEOUT: Final = 20.0
COMMON: Final[dict[str, Any]] = {
    "retry_backoff_ms": 20,
    "request_timeout_ms": 5_000,
    "metadata_max_age_ms": 5_000,
}
