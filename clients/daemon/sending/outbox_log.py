"""The outbox log: the interface of sending to Kafka. clients/daemon/sending/kafka_outbox.py implements it.

The contract that the safety of sending rests on: `append` is all or nothing for what it reports, and returns
only when Kafka has acknowledged it. After any exception nothing is known: some of it may be there, none of it
may be. The caller starts again from the oldest record without a receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record to be appended. It names no topic: a unit has one outbox, and a lane is a partition of it."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """What Kafka acknowledged: the first `count` of the records, from `offset` on."""

    offset: int
    count: int
    t: int | None = None
    """When Kafka took them, by its own clock, Unix milliseconds; None where it does not say so."""


class OutboxLog(Protocol):
    """The unit's outbox topic."""

    async def append(self, partition: int, records: Sequence[OutboxRecord]) -> Appended:
        """Append as many of the records as one batch holds, at least the first; `Unavailable` if not now."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
