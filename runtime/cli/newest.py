"""The newest rows of a list that is read from its oldest end, and how many were left out before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from runtime.cli.render import say

T = TypeVar("T")


class Newest(Generic[T]):
    """Keeps the last `limit` that were appended; all, where there is no limit."""

    def __init__(self, limit: int | None) -> None:
        self._kept: deque[T] = deque(maxlen=limit)
        self.left_out = 0

    def append(self, row: T) -> None:
        """Take the next one, which is newer than all before."""
        self.left_out += len(self._kept) == self._kept.maxlen
        self._kept.append(row)

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept)


def say_left_out(count: int) -> None:
    """Say that a list was cut, and how to see the rest."""
    if count:
        say(f"hint: {count} older ones are left out: say a higher --limit, or none")
