"""The requests of Kafka's second transaction protocol (KIP-890), which the library does not speak.

Owns their bytes and nothing of when they are sent: Produce 12, TxnOffsetCommit 5, EndTxn 5, and the part of
ApiVersions 3 that says whether a cluster has the protocol switched on. All are flexible versions (KIP-482):
compact lengths, and a list of tagged fields behind every structure, sent empty and not read, but for the one
that is needed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from runtime.kafka.client import IncompatibleBrokerVersion, RequestStruct, Response, ResponseHeader_v0, types

NO_TAGS: Final[dict[int, bytes]] = {}
ALL_IN_SYNC: Final = -1
NO_GENERATION, NO_MEMBER, NO_INSTANCE, NO_LEADER_EPOCH = -1, "", None, -1

_Text = types.CompactString("utf-8")
_Tags = ("tags", types.TaggedFields)
_FINALIZED_FEATURES: Final = 2
"""The tag of ApiVersions' answer that lists what the cluster has switched on."""


def _by_topic(*row: tuple[str, Any]) -> tuple[str, Any]:
    """The field that lists partitions under their topics, each with these fields."""
    partitions = types.CompactArray(("partition", types.Int32), *row, _Tags)
    return "topics", types.CompactArray(("topic", _Text), ("partitions", partitions), _Tags)


class _Produced(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 0, 12
    SCHEMA = types.Schema(
        _by_topic(
            ("error_code", types.Int16),
            ("base_offset", types.Int64),
            ("log_append_time", types.Int64),
            ("log_start_offset", types.Int64),
            ("record_errors", types.CompactArray(("index", types.Int32), ("message", _Text), _Tags)),
            ("error_message", _Text),
        ),
        ("throttle_ms", types.Int32),
        _Tags,
    )


class _Produce(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 0, 12, _Produced
    SCHEMA = types.Schema(
        ("transactional_id", _Text),
        ("acks", types.Int16),
        ("timeout_ms", types.Int32),
        _by_topic(("records", types.CompactBytes)),
        _Tags,
    )


class _OffsetsCommitted(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 28, 5
    SCHEMA = types.Schema(("throttle_ms", types.Int32), _by_topic(("error_code", types.Int16)), _Tags)


class _TxnOffsetCommit(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 28, 5, _OffsetsCommitted
    SCHEMA = types.Schema(
        ("transactional_id", _Text),
        ("group", _Text),
        ("producer_id", types.Int64),
        ("producer_epoch", types.Int16),
        ("generation", types.Int32),
        ("member", _Text),
        ("group_instance", _Text),
        _by_topic(("offset", types.Int64), ("leader_epoch", types.Int32), ("metadata", _Text)),
        _Tags,
    )


class _TxnEnded(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 26, 5
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        ("error_code", types.Int16),
        ("producer_id", types.Int64),
        ("producer_epoch", types.Int16),
        _Tags,
    )


class _EndTxn(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 26, 5, _TxnEnded
    SCHEMA = types.Schema(
        ("transactional_id", _Text),
        ("producer_id", types.Int64),
        ("producer_epoch", types.Int16),
        ("committed", types.Boolean),
        _Tags,
    )


class _Versions(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 18, 3
    SCHEMA = types.Schema(
        ("error_code", types.Int16),
        (
            "apis",
            types.CompactArray(("key", types.Int16), ("oldest", types.Int16), ("newest", types.Int16), _Tags),
        ),
        ("throttle_ms", types.Int32),
        _Tags,
    )


class _ApiVersions(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 18, 3, _Versions
    SCHEMA = types.Schema(("software", _Text), ("version", _Text), _Tags)

    def parse_response_header(self, read_buffer: io.BytesIO) -> Any:
        """KIP-511: its answer has the old header, so that any broker's can be read."""
        return ResponseHeader_v0.decode(read_buffer)


class PinnedRequest:
    """A request in the one version that is used, as the library's connections take it."""

    __slots__ = ("_fields", "_struct")

    def __init__(self, struct: type[RequestStruct], *fields: Any) -> None:
        self._struct = struct
        self._fields = fields

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> RequestStruct:
        """The request, if the broker speaks this version."""
        struct = self._struct
        oldest, newest = versions.get(struct.API_KEY, (0, -1))
        if not oldest <= struct.API_VERSION <= newest:
            raise IncompatibleBrokerVersion(
                f"request {struct.API_KEY}: the broker speaks {oldest} to {newest}, not {struct.API_VERSION}"
            )
        return struct(*self._fields)


def produce(
    transactional_id: str, batches: Mapping[tuple[str, int], bytes], *, timeout_ms: int
) -> PinnedRequest:
    """One batch each for any number of partitions that one broker leads."""
    by_topic: dict[str, list[tuple[int, bytes, dict[int, bytes]]]] = {}
    for (topic, partition), batch in batches.items():
        by_topic.setdefault(topic, []).append((partition, batch, NO_TAGS))
    wanted = [(topic, partitions, NO_TAGS) for topic, partitions in by_topic.items()]
    return PinnedRequest(_Produce, transactional_id, ALL_IN_SYNC, timeout_ms, wanted, NO_TAGS)


def commit_offset(
    transactional_id: str,
    producer: tuple[int, int],
    *,
    group: str,
    source: tuple[str, int],
    position: int,
    metadata: str,
) -> PinnedRequest:
    """A position and its metadata, as a part of the transaction. No generation: the epoch fences."""
    topic, partition = source
    wanted = [(topic, [(partition, position, NO_LEADER_EPOCH, metadata, NO_TAGS)], NO_TAGS)]
    return PinnedRequest(
        _TxnOffsetCommit, transactional_id, group, *producer,
        NO_GENERATION, NO_MEMBER, NO_INSTANCE, wanted, NO_TAGS,
    )  # fmt: skip


def end_transaction(transactional_id: str, producer: tuple[int, int], *, commit: bool) -> PinnedRequest:
    """The end of the transaction; its answer has the producer's id and epoch for the next one."""
    return PinnedRequest(_EndTxn, transactional_id, *producer, commit, NO_TAGS)


def features(software: str, version: str) -> PinnedRequest:
    """Which protocol versions the broker supports, and which features its cluster has switched on."""
    return PinnedRequest(_ApiVersions, software, version, NO_TAGS)


def refusals(answer: Any) -> dict[tuple[str, int], int]:
    """The partitions that an answer to `produce` or `commit_offset` refuses, with the code of the error."""
    return {(topic, row[0]): row[1] for topic, partitions, _ in answer.topics for row in partitions if row[1]}


def finalized(answer: Any, feature: str) -> int:
    """The level that the cluster has switched a feature on to; 0 where the answer does not name it."""
    data = answer.tags.get(_FINALIZED_FEATURES)
    if data is None:
        return 0
    listed: Sequence[tuple[str, int, int, dict[int, bytes]]] = _FEATURES.decode(io.BytesIO(data))
    return {name: newest for name, newest, _, _ in listed}.get(feature, 0)


_FEATURES = types.CompactArray(
    ("name", _Text), ("max_version_level", types.Int16), ("min_version_level", types.Int16), _Tags
)
