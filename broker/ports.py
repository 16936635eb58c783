"""What the router needs of Kafka, as our own types. `broker/kafka.py` is the one module that gives it.

The contract behind `Claim`, which every safety claim of the router rests on:

- Whoever holds a claim has fenced every earlier holder of the same input partition, and read the
  committed position only after that.
- `commit` is one transaction: all outputs, the position and the state, or nothing.
- After any exception from a claim, `CancelledError` included, the claim is dead. Its holder drops it and
  claims again; it never retries on the same one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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
