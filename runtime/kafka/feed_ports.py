"""What the clients need of Kafka, as our own types. `clients/kafka*.py` give it.

The contract that the daemon's safety rests on:

- `OutboxLog.append` is all or nothing for what it reports, and returns only when Kafka has acknowledged it.
  After any exception nothing is known: some of it may be there, none of it may be. The caller starts again
  from the oldest record without a receipt.
- `Feed` shows committed records only, in the order of the log, each at least once.
- `Unavailable` means: not now. Whoever gets it waits and tries again; nothing else is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol.topics import Topic


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be appended."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """What Kafka acknowledged: the first `count` of the records, from `offset` on."""

    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """A committed record."""

    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition, and where reading goes on after them.

    `position` may lie behind the last record: markers and aborted records take offsets too.
    """

    topic: str
    partition: int
    records: tuple[Incoming, ...]
    position: int
    lost: int = 0
    """How many offsets the log no longer had when reading began here: retention has passed us."""


Take = Callable[[Fetched], Awaitable[None]]
"""What is done with records. When it returns they count as read."""


class OutboxLog(Protocol):
    """The unit's outbox topic."""

    async def append(self, partition: int, records: Sequence[Outgoing]) -> Appended:
        """Append as many of the records as one batch holds, at least the first."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


class FeedReader(Protocol):
    """Committed records of topics."""

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; `Unavailable` while it does not exist."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """The offset behind the last committed record."""
        ...

    async def follow(self, topic: str, partition: int, *, start: int, take: Take) -> None:
        """Give records from `start` on to `take`, for ever; outages are waited out.

        A start that the log no longer has becomes its beginning. What `take` raises comes out.
        """
        ...


class DirectoryLog(Protocol):
    """The directory topic, for writing."""

    async def publish(self, statements: Sequence[bytes]) -> None:
        """Append statements, each keyed by its own hash; returns when Kafka has acknowledged them."""
        ...


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What `TopicAdmin.apply` did to one topic."""

    name: str
    action: str
    """`created`, `altered` or `kept`."""

    settings: tuple[str, ...] = ()


class TopicAdmin(Protocol):
    """The shape of the exchange in Kafka."""

    async def apply(self, topics: Sequence[Topic]) -> tuple[TopicChange, ...]:
        """Create what is missing, correct settings; `TopicConflict` where partitions differ."""
        ...

    async def list(self) -> tuple[str, ...]:
        """The names of the topics that exist."""
        ...
