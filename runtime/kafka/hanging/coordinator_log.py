"""What coordinators write of transactions: the values of the topic `__transaction_state`.

Owns the reading of their bytes: TransactionLogValue, versions 0 and 1, of Kafka's own schemas. Rule: what is
not such a value is nothing. It may be a deletion, or a version that we do not know; then nothing follows from
it, and no transaction is ended for it.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from runtime.kafka.client import types
from runtime.kafka.ports import Place

TOPIC: Final = "__transaction_state"


class Status(IntEnum):
    """The state of a transaction. The numbers are Kafka's (TransactionState)."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7


@dataclass(frozen=True, slots=True)
class Noted:
    """One record of a coordinator."""

    producer_id: int
    epoch: int
    """Of the marker: in the second protocol (KIP-890) the one after the epoch of the data."""

    status: Status
    places: frozenset[Place]
    protocol: int
    """The version of the transaction protocol; 2 is the second."""


_TEXT, _COMPACT_TEXT = types.String("utf-8"), types.CompactString("utf-8")
_BEGIN = (
    ("producer_id", types.Int64),
    ("producer_epoch", types.Int16),
    ("timeout_ms", types.Int32),
    ("status", types.Int8),
)
_TIMES = (("updated", types.Int64), ("started", types.Int64))
_VALUES: Final = {
    0: types.Schema(
        *_BEGIN, ("topics", types.Array(("topic", _TEXT), ("partitions", types.Array(types.Int32)))), *_TIMES
    ),
    1: types.Schema(
        *_BEGIN,
        (
            "topics",
            types.CompactArray(
                ("topic", _COMPACT_TEXT),
                ("partitions", types.CompactArray(types.Int32)),
                ("tags", types.TaggedFields),
            ),
        ),
        *_TIMES,
        ("tags", types.TaggedFields),
    ),
}
_PROTOCOL_TAG: Final = 2


def noted(value: bytes) -> Noted | None:
    """What the record says; None where it is none that we can read."""
    try:
        (version,) = struct.unpack_from(">h", value)
        fields: tuple[Any, ...] = _VALUES[version].decode(io.BytesIO(value[2:]))
        return _noted(*fields)
    except (LookupError, ValueError, TypeError, struct.error):
        return None


def _noted(
    producer_id: int, epoch: int, _timeout: int, status: int, topics: Any, _updated: int, _started: int,
    tags: dict[int, bytes] | None = None,
) -> Noted:  # fmt: skip
    tagged = (tags or {}).get(_PROTOCOL_TAG)
    return Noted(
        producer_id,
        epoch,
        Status(status),
        frozenset((topic, partition) for topic, partitions, *_ in topics or () for partition in partitions),
        0 if tagged is None else struct.unpack(">h", tagged)[0],
    )
