"""Decisions on record, each with the directory by which it was made: for whoever judges them once more.

Owns the bound on how many are held, and their order. Reading and verifying records is the caller's; so is the
directory's topic or log. A decision names how many statements its router had read (`directory_size`): a
replica that has applied as many is the one that it was made by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from protocol.trail.records import Record, encode_record, parse_record

RECORDED: Final = "contrada.recorded"
"""The entry points that find recorded decisions: functions of an invocation and a `RecordedSpan`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSpan:
    """Which decisions are asked for."""

    most: int
    """The newest so many."""

    since: int | None = None
    until: int | None = None
    ledger: Path | None = None
    """The copy of a ledger in which they are; None for the exchange's audit topic."""

    ledger_policy: Path | None = None
    root: Path | None = None

    def has(self, record: Record) -> bool:
        """Whether it was decided within the span."""
        after = self.since is None or record.t >= self.since
        return after and (self.until is None or record.t < self.until)


class RecordedDecisions:
    """The newest so many decisions, in little memory."""

    def __init__(self, most: int) -> None:
        self._held: deque[tuple[int, bytes]] = deque(maxlen=most)
        self.passed = 0
        """How many were older than those that are held."""

    def __len__(self) -> int:
        return len(self._held)

    def take(self, record: Record) -> None:
        """One more."""
        self.passed += len(self._held) == self._held.maxlen
        self._held.append((record.directory_size, encode_record(record)))

    def with_directories(
        self, root: RootOfTrust, statements: Sequence[bytes], *, verified: bytes = b""
    ) -> Iterator[tuple[Record, Directory]]:
        """Each with its directory, in the order of the directories; what names a longer one has all there is.

        Every statement is verified, but for those whose digests the caller has verified.
        """
        directory = Directory(root, verified=verified, keeps=False)
        for size, encoded in sorted(self._held, key=lambda held: held[0]):
            while directory.head.size < min(size, len(statements)):
                directory.apply(statements[directory.head.size])
            yield parse_record(encoded), directory
