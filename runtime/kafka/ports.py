"""What the centre needs of Kafka, as our own types. outboxes.py of the router gives claims.

The contract behind `Claim`, which every safety claim of the router rests on:

- Whoever holds a claim has fenced every earlier holder of the same input partition, and read the
  committed position only after that.
- `commit` is one transaction: all outputs, the position and the state, or nothing.
- After any exception from a claim, `CancelledError` included, the claim is dead. Its holder drops it and
  claims again; it never retries on the same one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from protocol.identifiers import UnitId


@dataclass(frozen=True, slots=True)
class InputRecord:
    """A record of an outbox."""

    offset: int
    timestamp: int
    """When the broker or the producer stamped it, Unix milliseconds. Not trusted for anything."""

    value: bytes


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A record to be written. The key decides the partition."""

    topic: str
    key: bytes
    value: bytes


class Claim(Protocol):
    """The exclusive right to work on one partition of an outbox."""

    @property
    def owner(self) -> UnitId:
        """The unit whose outbox this is."""
        ...

    @property
    def partition(self) -> int:
        """Which partition of it."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions the outbox has."""
        ...

    @property
    def state(self) -> str:
        """The state that was committed with the position; empty before the first commit."""
        ...

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        """Records that follow what was fetched before; empty after `wait_ms` without any."""
        ...

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """Write outputs, position and state in one transaction."""
        ...


Work = Callable[[Claim], Awaitable[None]]
"""What is done with a claim, until it is cancelled or fails."""


class OutboxLog(Protocol):
    """All outboxes, shared among the routers that run."""

    async def run(self, work: Work) -> None:
        """Do `work` for every partition that falls to this process, until cancelled."""
        ...


class StatementFeed(Protocol):
    """The directory topic, from its beginning."""

    async def run(self, take: Callable[[bytes], None], caught_up: Callable[[], None]) -> None:
        """Give every statement to `take`, in order; call `caught_up` whenever none is left."""
        ...


class LogReader(Protocol):
    """A topic of one partition, read in order from a position. Committed records only."""

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
        """A writer; after any error it is done for. Under a name it fences every earlier one of that name."""
        ...
