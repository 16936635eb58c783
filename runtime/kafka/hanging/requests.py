"""DescribeProducers 0 and WriteTxnMarkers 2, which the library does not speak.

Owns their bytes. WriteTxnMarkers is what coordinators send; version 2 (KIP-1228) tells the protocol of the
transaction, and a leader then refuses a marker that is not newer than all data of its producer. So a marker
of ours never ends a transaction that has begun meanwhile. Older versions are not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from runtime.kafka.client import RequestStruct, Response, types
from runtime.kafka.hanging.coordinator_log import Noted
from runtime.kafka.hanging.verdicts import OpenTransaction
from runtime.kafka.ports import Place
from runtime.kafka.requests import NO_TAGS, TAGS, TEXT, PinnedRequest, by_topic

_PARTITIONS: Final = ("partitions", types.CompactArray(types.Int32))
_NO_MARKER_YET: Final = -1


class _ProducersDescribed(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 61, 0
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        by_topic(
            ("error_code", types.Int16),
            ("error_message", TEXT),
            (
                "producers",
                types.CompactArray(
                    ("producer_id", types.Int64),
                    ("producer_epoch", types.Int32),
                    ("last_sequence", types.Int32),
                    ("last_timestamp", types.Int64),
                    ("coordinator_epoch", types.Int32),
                    ("transaction_start", types.Int64),
                    TAGS,
                ),
            ),
        ),
        TAGS,
    )


class _DescribeProducers(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 61, 0, _ProducersDescribed
    SCHEMA = types.Schema(("topics", types.CompactArray(("topic", TEXT), _PARTITIONS, TAGS)), TAGS)


class _MarkersWritten(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 27, 2
    SCHEMA = types.Schema(
        (
            "markers",
            types.CompactArray(("producer_id", types.Int64), by_topic(("error_code", types.Int16)), TAGS),
        ),
        TAGS,
    )


class _WriteTxnMarkers(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 27, 2, _MarkersWritten
    SCHEMA = types.Schema(
        (
            "markers",
            types.CompactArray(
                ("producer_id", types.Int64),
                ("producer_epoch", types.Int16),
                ("committed", types.Boolean),
                ("topics", types.CompactArray(("topic", TEXT), _PARTITIONS, TAGS)),
                ("coordinator_epoch", types.Int32),
                ("transaction_version", types.Int8),
                TAGS,
            ),
        ),
        TAGS,
    )


def describe_producers(places: Iterable[Place]) -> PinnedRequest:
    """Which producers have written to these partitions, all of which one broker leads."""
    wanted: dict[str, list[int]] = {}
    for topic, partition in places:
        wanted.setdefault(topic, []).append(partition)
    return PinnedRequest(_DescribeProducers, [(*row, NO_TAGS) for row in wanted.items()], NO_TAGS)


def open_transactions(answer: Any) -> Iterator[OpenTransaction | tuple[Place, int]]:
    """The open transactions that an answer tells; and partitions of which it tells none, with the code."""
    for topic, partitions, _ in answer.topics:
        for partition, code, _, producers, _ in partitions:
            if code:
                yield (topic, partition), code
                continue
            for producer_id, epoch, _, timestamp, coordinator_epoch, start, _ in producers:
                if start >= 0:
                    yield OpenTransaction(
                        (topic, partition), producer_id, epoch, start, timestamp, coordinator_epoch
                    )


def write_markers(decided: Sequence[tuple[OpenTransaction, Noted, bool]]) -> PinnedRequest:
    """End these transactions, whose partitions one broker leads: each as decided, True for a commit."""
    rows = []
    for found, decision, commit in decided:
        topic, partition = found.place
        coordinator_epoch = max(found.coordinator_epoch, _NO_MARKER_YET + 1)
        rows.append(
            (
                found.producer_id, decision.epoch, commit, [(topic, [partition], NO_TAGS)],
                coordinator_epoch, decision.protocol, NO_TAGS,
            )
        )  # fmt: skip
    return PinnedRequest(_WriteTxnMarkers, rows, NO_TAGS)


def marker_codes(answer: Any) -> dict[tuple[int, Place], int]:
    """Of each producer and partition of an answer its error code; 0 where the marker is written."""
    return {
        (producer_id, (topic, partition)): code
        for producer_id, topics, _ in answer.markers
        for topic, partitions, _ in topics
        for partition, code, _ in partitions
    }
