"""The interfaces to Kafka that several processes use, as types of this project.

    FeedReader       any partition, for ever, and through outages      runtime/kafka/feeds.py
    Topics           a topic of one partition, read and written        runtime/kafka/partition_log.py
    DirectoryTopic   the directory, for writing                        runtime/kafka/partition_log.py
    MarkTeller       how far was read, for the operator                runtime/kafka/marks.py

`FeedReader` and `LogReader` are two, since their users need opposite behaviour at a gap. A unit that was
away for a month reads what is left and counts what is lost. A ledger that finds its position gone must stop:
it would sign a log with a hole in it. What only one process needs is declared there: the router's claims in
broker/router/claims.py, the unit's outbox in clients/daemon/sending/outbox_log.py.

Rules of all of them:

- A reader shows committed records only, in the order of the log, each at least once.
- `Unavailable` means: not now. The caller waits and tries again; nothing else is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from protocol.identifiers import Digest, Millis

Place = tuple[str, int]
"""A topic and a partition of it."""


@dataclass(frozen=True, slots=True)
class InputRecord:
    """A committed record that was read."""

    offset: int
    timestamp: int
    """When the broker or the producer stamped it, Unix milliseconds. Not trusted for anything."""

    value: bytes
    """Empty where the record had none."""


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A record to be written. The key decides the partition."""

    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition, and where reading goes on after them.

    `position` may lie behind the last record: markers and aborted records take offsets too.
    """

    topic: str
    partition: int
    records: tuple[InputRecord, ...]
    position: int
    lost: int = 0
    """How many offsets the log no longer had when reading began here: retention removed them unread."""

    rewound_from: int | None = None
    """Where reading had come to, if the log is another one than was read: it goes on at `position` instead,
    behind the last record that both have. What was read above that says nothing of this log."""


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record that was read: where it stood, and what it was."""

    offset: int
    digest: Digest


Ladder = tuple[ReadRecord, ...]
"""Some of the records that were read of a partition, the newest first (runtime/read_records.py)."""


Take = Callable[[Fetched], Awaitable[None]]
"""What is done with records. When it returns they count as read."""


Spacing = Callable[[], float]
"""Seconds in which nothing more is asked for once something has come, so that what follows comes together."""


class FeedReader(Protocol):
    """Committed records of any partition, for as long as it takes."""

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; `Unavailable` while it does not exist."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """The offset behind the last committed record."""
        ...

    async def follow(
        self,
        topic: str,
        partition: int,
        *,
        start: int,
        take: Take,
        known: Ladder = ...,
        spacing: Spacing = ...,
    ) -> None:
        """Give records from `start` on to `take`, for ever; outages are waited out.

        A start that the log no longer has becomes its beginning. Where it has not the records that are
        `known` to have been read of it, or was read of it since, reading goes back to where both part. What
        `take` raises comes out.
        """
        ...


class LogReader(Protocol):
    """A topic of one partition, read in order from a position; never moved to another one."""

    async def span(self) -> tuple[int, int]:
        """Where the records that are kept begin, and where those that are committed end."""
        ...

    async def position(self) -> int:
        """Where the next record may be."""
        ...

    def seek(self, position: int) -> None:
        """Go on from here."""
        ...

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        """Records that follow what was fetched before; empty after `wait_ms` without any."""
        ...


class LogWriter(Protocol):
    """Writes records to topics of one partition."""

    async def write(self, outputs: Sequence[OutputRecord]) -> None:
        """Write records in their order, all or none if it writes alone; they are safe when this returns."""
        ...


class Topics(Protocol):
    """Topics of one partition. Everything here raises `Unavailable` when Kafka is not to be had."""

    def reading(self, topic: str, position: int | None) -> AbstractAsyncContextManager[LogReader]:
        """A reader from a position, or from the beginning."""
        ...

    def writing(self, *, alone: str | None = None) -> AbstractAsyncContextManager[LogWriter]:
        """A writer; after any error it is not used again. Under a name it fences earlier ones of it."""
        ...


class DirectoryTopic(Protocol):
    """The directory topic, for writing."""

    async def publish(self, statements: Sequence[bytes]) -> None:
        """Append statements, each keyed by its own hash; returns when Kafka has acknowledged them."""
        ...


@dataclass(frozen=True, slots=True)
class ReadingMark:
    """How far a place was read."""

    position: int
    """Where reading goes on."""

    told: Millis
    moved: Millis
    """When this was told, and when the position had moved last, by the reader's own clock."""


class MarkTeller(Protocol):
    """Tells the operator how far this process has read."""

    async def tell(self, marks: Mapping[Place, ReadingMark]) -> None:
        """Tell marks of places that this process alone reads; `Unavailable` where Kafka does not take it."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What `KafkaTopicAdmin.apply` did to one topic."""

    name: str
    action: str
    """`created`, `altered` or `kept`."""

    settings: tuple[str, ...] = ()
