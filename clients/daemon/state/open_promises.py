"""The open promises: which leaves the ledger must still show, and since when. Pure, in memory.

A promise has one leaf (a decision on a sent message) or two (the decision on a received one, and its
delivery). Owns which promises wait for which leaf; the database is for `promises`. Rule: one leaf can be
promised several times (a decision is read twice, or a unit is sender and addressee), and keeps each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocol.identifiers import Digest
from protocol.trail.records import RecordType

SENT: Final = 1
"""A promise about a sealing of this unit."""

RECEIVED: Final = 2
"""A promise about a message in the inbox."""

PATIENCE: Final = 60.0
"""Seconds that the ledger has for a leaf."""

SEARCH_AFTER: Final = 5.0
"""Seconds after which a leaf may have been there before its promise: what was read is looked through."""

MOST: Final = 50_000
"""Promises in memory at a time, the oldest first; a ledger that stands still fills no memory."""


@dataclass(slots=True)
class OpenPromise:
    """A router's signed promise that the ledger will have these leaves."""

    id: int
    side: int
    subject: int
    since: float
    """When it was taken up, by a clock that does not jump."""

    late: bool
    leaves: dict[Digest, RecordType]
    """The leaves that are not proved yet."""

    salt: bytes | None = None
    searched: bool = False


@dataclass(frozen=True, slots=True)
class FoundLeaf:
    """A leaf that a promise waits for, and its place."""

    origin: str
    position: int
    leaf: Digest


@dataclass(slots=True)
class OpenPromises:
    """All promises in memory."""

    promises: dict[int, OpenPromise] = field(default_factory=dict)
    last: int = 0
    """The newest promise that was taken up."""

    found: list[FoundLeaf] = field(default_factory=list)
    search: Iterator[bool] | None = None
    """The current search through what was read earlier, if any."""

    _waiting: dict[Digest, list[OpenPromise]] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """How many promises may be taken up now."""
        return MOST - len(self.promises)

    def add(self, promise: OpenPromise) -> None:
        """Take up a promise."""
        self.promises[promise.id] = promise
        self.last = max(self.last, promise.id)
        for leaf in promise.leaves:
            self._waiting.setdefault(leaf, []).append(promise)

    def look_for(self, origin: str, leaves: Sequence[Digest], *, first: int) -> None:
        """Note which of these leaves, the first of them at `first`, a promise waits for."""
        waiting = self._waiting
        self.found += [
            FoundLeaf(origin, first + place, leaf) for place, leaf in enumerate(leaves) if leaf in waiting
        ]

    def take_found(self, origin: str) -> Mapping[int, tuple[Sequence[OpenPromise], Digest]]:
        """What was found in a log since the last time, by place; the first place of a leaf counts."""
        there = [found for found in self.found if found.origin == origin and found.leaf in self._waiting]
        self.found = [found for found in self.found if found.origin != origin]
        once = {found.leaf: found for found in reversed(there)}
        return {found.position: (tuple(self._waiting[leaf]), leaf) for leaf, found in once.items()}

    def prove(self, promise: OpenPromise, leaf: Digest) -> bool:
        """One leaf of a promise is proved; whether the promise is kept altogether."""
        others = [other for other in self._waiting.pop(leaf) if other is not promise]
        if others:
            self._waiting[leaf] = others
        del promise.leaves[leaf]
        if promise.leaves:
            return False
        del self.promises[promise.id]
        return True

    def overdue(self, now: float, *, steady_since: float) -> list[OpenPromise]:
        """Promises that were not kept in time, and have no alarm yet."""
        return [
            promise
            for promise in self.promises.values()
            if not promise.late and now - max(promise.since, steady_since) >= PATIENCE
        ]

    def unsearched(self, now: float) -> list[OpenPromise]:
        """Promises whose leaves may have come before them."""
        return [
            promise
            for promise in self.promises.values()
            if not promise.searched and now - promise.since >= SEARCH_AFTER
        ]

    @property
    def late(self) -> int:
        """How many are overdue and have an alarm."""
        return sum(promise.late for promise in self.promises.values())
