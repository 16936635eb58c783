"""The one module that imports aiokafka: its names, for the modules that speak to Kafka.

Owns the settings that all clients have in common, their security among them, what of the library is
corrected at import, and which of its errors are errors of a connection. The library's own transactions are
not among the names (docs/adr/0018): runtime/kafka/transactions.py replaces them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka import client as aiokafka_client
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaError,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol import types
from aiokafka.protocol.api import RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.commit import OffsetCommitRequest_v3 as OffsetCommitRequest
from aiokafka.protocol.fetch import FetchRequest_v11 as FetchRequest
from aiokafka.protocol.metadata import MetadataRequest as _MetadataRequest
from aiokafka.protocol.offset import OffsetRequest_v2 as CommittedOffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from protocol import topics
from runtime.kafka.security.access import KafkaAddress, tls_files
from runtime.kafka.security.tls import context_of

__all__ = [
    "AIOKafkaAdminClient",
    "AIOKafkaClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "CommittedOffsetRequest",
    "ConfigResource",
    "ConfigResourceType",
    "ConnectionGroup",
    "ConsumerRebalanceListener",
    "CoordinationType",
    "DefaultRecordBatchBuilder",
    "FetchRequest",
    "IncompatibleBrokerVersion",
    "InitProducerIdRequest",
    "InvalidTimestampError",
    "KafkaConnectionError",
    "KafkaError",
    "MemoryRecords",
    "MetadataRequest",
    "NewTopic",
    "OffsetCommitRequest",
    "PartitionRecords",
    "ProduceRequest",
    "RangePartitionAssignor",
    "RequestStruct",
    "RequestTimedOutError",
    "Response",
    "ResponseHeader_v0",
    "TopicPartition",
    "connection_settings",
    "for_code",
    "prompt_client",
    "sparing_client",
    "types",
]

# Asking for a topic never makes one, whatever the cluster's auto.create.topics.enable says.
MetadataRequest = partial(_MetadataRequest, allow_auto_topic_creation=False)
aiokafka_client.MetadataRequest = MetadataRequest

REQUEST_TIMEOUT_MS: Final = 5_000
COMMIT_TIMEOUT: Final = 20.0

PROMPT: Final[dict[str, Any]] = {
    "request_timeout_ms": REQUEST_TIMEOUT_MS,
    "retry_backoff_ms": 20,
    "metadata_max_age_ms": 5_000,
}
"""For routers and ledgers: few, beside the brokers, and messages wait while they do. They try again soon, and
a new unit's outbox is noticed within five seconds."""

SPARING: Final[dict[str, Any]] = {
    "request_timeout_ms": REQUEST_TIMEOUT_MS,
    "retry_backoff_ms": 50,
    "metadata_max_age_ms": 30_000,
}
"""For units and commands: thousands, far from the brokers, with topics that hardly change. Each of their
connections asks for metadata at this interval, busy or not."""

CALM: Final[dict[str, Any]] = {"consumer_timeout_ms": 2_000}
"""For every consumer. The library's own task looks five times a second at what there is to do. What it waits
for wakes it all the same: an answer, an assignment, a position that was set, records that were taken. That a
partition has another leader, while the old one does not answer, it learns by looking alone."""


def connection_settings(address: KafkaAddress) -> dict[str, Any]:
    """The servers and the security of a connection: of every client, of whatever kind."""
    files = tls_files(address)
    if files is None:
        return {"bootstrap_servers": str(address), "security_protocol": "PLAINTEXT"}
    return {
        "bootstrap_servers": str(address),
        "security_protocol": "SSL",
        "ssl_context": context_of(files),
    }


def prompt_client(bootstrap: KafkaAddress) -> AIOKafkaClient:
    """A client that knows the brokers; which topics there are is asked for by runtime/kafka/leaders.py."""
    return _without_topics(AIOKafkaClient(**connection_settings(bootstrap), **PROMPT))


def sparing_client(bootstrap: KafkaAddress) -> AIOKafkaClient:
    """The same for units and commands."""
    return _without_topics(AIOKafkaClient(**connection_settings(bootstrap), **SPARING))


def _without_topics(client: AIOKafkaClient) -> AIOKafkaClient:
    """The library refreshes what it knows of the topics that it was told of, and of all where of none.

    All are thousands, at each refresh. `set_topics` would ask at once, before there is a connection.
    """
    client._topics = {topics.DIRECTORY}  # noqa: SLF001
    return client


@contextmanager
def as_connection_errors() -> Iterator[None]:
    """Turn the library's races, such as a connection that has just gone, into errors of the connection."""
    try:
        yield
    except (KeyError, AttributeError, AssertionError, ValueError, OSError) as error:
        raise KafkaConnectionError(f"{type(error).__name__} in the client") from error
