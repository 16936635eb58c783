"""The numbering of what this daemon seals: one random stream for each start, counted for each partition.

A router remembers, for each partition of an outbox, the last number of a stream, and treats everything up to
it as sent before (protocol/envelope/replay.py). So a number is given once, and in the order in which messages
go out. A number whose message was not stored is used again: it has not left the process.
"""

from __future__ import annotations

from protocol.envelope.core import Position
from protocol.identifiers import Entropy, StreamId


class Stream:
    """Numbers for one run of the daemon. Used in the worker's thread only."""

    __slots__ = ("_id", "_next")

    def __init__(self, entropy: Entropy) -> None:
        # Random and not counted: two runs from the same backup must not share a stream.
        self._id = StreamId(entropy(8))
        self._next: dict[int, int] = {}

    @property
    def id(self) -> StreamId:
        """The stream of this run."""
        return self._id

    def take(self, partition: int) -> Position:
        """The next number of a partition."""
        seq = self._next.get(partition, 0)
        self._next[partition] = seq + 1
        return Position(self._id, seq)

    def mark(self) -> dict[int, int]:
        """The state of the numbering."""
        return dict(self._next)

    def reset(self, mark: dict[int, int]) -> None:
        """Take back every number given since `mark`: the transaction that used them was not committed."""
        self._next = dict(mark)
