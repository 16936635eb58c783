"""Requests that the library does not speak, or not so: of new transactions, and of shared reading.

Owns their bytes and nothing of when they are sent: Produce 12, TxnOffsetCommit 5, EndTxn 5 and the part of
ApiVersions 3 that says whether a cluster has the protocol switched on (KIP-890); OffsetFetch 7 for stable
positions (KIP-447); Fetch 11 with sessions (KIP-227), in the library's own structure.
All the others are flexible versions (KIP-482): compact lengths, and a list of tagged fields behind every
structure, sent empty and not read, but for the one that is needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.kafka.client import (
    FetchRequest,
    IncompatibleBrokerVersion,
    RequestStruct,
    Response,
    ResponseHeader_v0,
    types,
)
from runtime.kafka.committed_records import READ_COMMITTED
from runtime.kafka.fetch_session import FetchQuestion
from runtime.kafka.ports import Place

NO_TAGS: Final[dict[int, bytes]] = {}
ALL_IN_SYNC: Final = -1
NO_INSTANCE, NO_LEADER_EPOCH = None, -1
FETCH_BYTES: Final = 16_000_000
FETCH_PARTITION_BYTES: Final = 2_000_000
NO_REPLICA: Final = -1
_NO_LOG_START: Final = -1

TEXT = types.CompactString("utf-8")
TAGS = ("tags", types.TaggedFields)
_FINALIZED_FEATURES: Final = 2
"""The tag of ApiVersions' answer that lists what the cluster has switched on."""


def by_topic(*row: tuple[str, Any]) -> tuple[str, Any]:
    """The field that lists partitions under their topics, each with these fields."""
    partitions = types.CompactArray(("partition", types.Int32), *row, TAGS)
    return "topics", types.CompactArray(("topic", TEXT), ("partitions", partitions), TAGS)


class _Produced(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 0, 12
    SCHEMA = types.Schema(
        by_topic(
            ("error_code", types.Int16),
            ("base_offset", types.Int64),
            ("log_append_time", types.Int64),
            ("log_start_offset", types.Int64),
            ("record_errors", types.CompactArray(("index", types.Int32), ("message", TEXT), TAGS)),
            ("error_message", TEXT),
        ),
        ("throttle_ms", types.Int32),
        TAGS,
    )


class _Produce(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 0, 12, _Produced
    SCHEMA = types.Schema(
        ("transactional_id", TEXT),
        ("acks", types.Int16),
        ("timeout_ms", types.Int32),
        by_topic(("records", types.CompactBytes)),
        TAGS,
    )


class _OffsetsCommitted(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 28, 5
    SCHEMA = types.Schema(("throttle_ms", types.Int32), by_topic(("error_code", types.Int16)), TAGS)


class _TxnOffsetCommit(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 28, 5, _OffsetsCommitted
    SCHEMA = types.Schema(
        ("transactional_id", TEXT),
        ("group", TEXT),
        ("producer_id", types.Int64),
        ("producer_epoch", types.Int16),
        ("generation", types.Int32),
        ("member", TEXT),
        ("group_instance", TEXT),
        by_topic(("offset", types.Int64), ("leader_epoch", types.Int32), ("metadata", TEXT)),
        TAGS,
    )


class _OffsetsFetched(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 9, 7
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        by_topic(
            ("offset", types.Int64),
            ("leader_epoch", types.Int32),
            ("metadata", TEXT),
            ("error_code", types.Int16),
        ),
        ("error_code", types.Int16),
        TAGS,
    )


class _OffsetFetch(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 9, 7, _OffsetsFetched
    SCHEMA = types.Schema(
        ("group", TEXT),
        (
            "topics",
            types.CompactArray(("topic", TEXT), ("partitions", types.CompactArray(types.Int32)), TAGS),
        ),
        ("stable", types.Boolean),
        TAGS,
    )


class _TxnEnded(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 26, 5
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        ("error_code", types.Int16),
        ("producer_id", types.Int64),
        ("producer_epoch", types.Int16),
        TAGS,
    )


class _EndTxn(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 26, 5, _TxnEnded
    SCHEMA = types.Schema(
        ("transactional_id", TEXT),
        ("producer_id", types.Int64),
        ("producer_epoch", types.Int16),
        ("committed", types.Boolean),
        TAGS,
    )


class _Versions(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 18, 3
    SCHEMA = types.Schema(
        ("error_code", types.Int16),
        (
            "apis",
            types.CompactArray(("key", types.Int16), ("oldest", types.Int16), ("newest", types.Int16), TAGS),
        ),
        ("throttle_ms", types.Int32),
        TAGS,
    )


class _ApiVersions(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 18, 3, _Versions
    SCHEMA = types.Schema(("software", TEXT), ("version", TEXT), TAGS)

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


def produce(transactional_id: str, batches: Mapping[Place, bytes], *, timeout_ms: int) -> PinnedRequest:
    """One batch each for any number of partitions that one broker leads."""
    by_topic: dict[str, list[tuple[int, bytes, dict[int, bytes]]]] = {}
    for (topic, partition), batch in batches.items():
        by_topic.setdefault(topic, []).append((partition, batch, NO_TAGS))
    wanted = [(topic, partitions, NO_TAGS) for topic, partitions in by_topic.items()]
    return PinnedRequest(_Produce, transactional_id, ALL_IN_SYNC, timeout_ms, wanted, NO_TAGS)


@dataclass(frozen=True, slots=True)
class Membership:
    """A place in a consumer group. Its coordinator refuses what is committed under an older generation."""

    group: str
    generation: int
    member: str


def commit_offsets(
    transactional_id: str,
    producer: tuple[int, int],
    membership: Membership,
    positions: Mapping[Place, tuple[int, str]],
) -> PinnedRequest:
    """Positions with their metadata, as a part of the transaction, under a generation (KIP-447)."""
    by_topic: dict[str, list[tuple[Any, ...]]] = {}
    for (topic, partition), (position, metadata) in positions.items():
        row = (partition, position, NO_LEADER_EPOCH, metadata, NO_TAGS)
        by_topic.setdefault(topic, []).append(row)
    wanted = [(topic, rows, NO_TAGS) for topic, rows in by_topic.items()]
    return PinnedRequest(
        _TxnOffsetCommit, transactional_id, membership.group, *producer,
        membership.generation, membership.member, NO_INSTANCE, wanted, NO_TAGS,
    )  # fmt: skip


def fetch_offsets(group: str, places: Iterable[Place], *, stable: bool) -> PinnedRequest:
    """A group's positions. `stable`: a position of a transaction that has not ended is an error (KIP-447)."""
    by_topic: dict[str, list[int]] = {}
    for topic, partition in places:
        by_topic.setdefault(topic, []).append(partition)
    wanted = [(topic, partitions, NO_TAGS) for topic, partitions in by_topic.items()]
    return PinnedRequest(_OffsetFetch, group, wanted, stable, NO_TAGS)


def fetch(question: FetchQuestion, *, wait_ms: int) -> PinnedRequest:
    """What a fetch session asks next; committed records alone."""
    new: dict[str, list[tuple[int, int, int, int, int]]] = {}
    for (topic, partition), position in question.positions.items():
        row = (partition, NO_LEADER_EPOCH, position, _NO_LOG_START, FETCH_PARTITION_BYTES)
        new.setdefault(topic, []).append(row)
    gone: dict[str, list[int]] = {}
    for topic, partition in question.forgotten:
        gone.setdefault(topic, []).append(partition)
    return PinnedRequest(
        FetchRequest, NO_REPLICA, wait_ms, 1, FETCH_BYTES, READ_COMMITTED,
        question.session, question.epoch, list(new.items()), list(gone.items()), "",
    )  # fmt: skip


def end_transaction(transactional_id: str, producer: tuple[int, int], *, commit: bool) -> PinnedRequest:
    """The end of the transaction; its answer has the producer's id and epoch for the next one."""
    return PinnedRequest(_EndTxn, transactional_id, *producer, commit, NO_TAGS)


def features(software: str, version: str) -> PinnedRequest:
    """Which protocol versions the broker supports, and which features its cluster has switched on."""
    return PinnedRequest(_ApiVersions, software, version, NO_TAGS)


def refusals(answer: Any) -> dict[Place, int]:
    """The partitions that an answer to `produce` or `commit_offsets` refuses, with the code of the error."""
    return {(topic, row[0]): row[1] for topic, partitions, _ in answer.topics for row in partitions if row[1]}


def finalized(answer: Any, feature: str) -> int:
    """The level that the cluster has switched a feature on to; 0 where the answer does not name it."""
    data = answer.tags.get(_FINALIZED_FEATURES)
    if data is None:
        return 0
    listed: Sequence[tuple[str, int, int, dict[int, bytes]]] = _FEATURES.decode(io.BytesIO(data))
    return {name: newest for name, newest, _, _ in listed}.get(feature, 0)


_FEATURES = types.CompactArray(
    ("name", TEXT), ("max_version_level", types.Int16), ("min_version_level", types.Int16), TAGS
)
