"""Claims: the router loop's interface to Kafka. broker/router/outboxes.py implements it.

The contract of `Claim`, on which the router's safety rests:

- The holder of a claim has fenced every earlier holder of the same input partition, and read the
  committed position only after that.
- `commit` is part of one transaction: all outputs, the position and the state, or nothing.
- After any exception from a claim, `CancelledError` included, the claim is lost. Its holder drops it and
  claims again; it never retries on the same one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from protocol.identifiers import UnitId
from runtime.kafka.ports import InputRecord, OutputRecord


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

    @property
    def end(self) -> int:
        """Where the log ended when it was fetched last, for health pages: nothing is decided by it."""
        ...

    async def fetch(self, *, wait_ms: int | None, most: int) -> list[InputRecord]:
        """Records that follow what was fetched before; empty after `wait_ms` without any.

        None waits for as long as it takes.
        """
        ...

    async def commit(self, outputs: Sequence[OutputRecord], *, position: int, state: str) -> None:
        """Write outputs, position and state in one transaction, which may hold other claims' too."""
        ...


Work = Callable[[Claim], Awaitable[None]]
"""What is done with a claim, until it is cancelled or fails."""
