"""What routers signed, held against the log: no decision is there that no router took.

A router signs one root over the decisions of each of its transactions. The ledger keeps these signatures
beside the records; they name no record and no salt, so they stay when records are deleted. Here each is
verified with the router's key from the directory's log, over the entries that the tiles have. Every decision
of the log must be covered by one. What is told: the first leaf of a batch that does not hold, and each
decision that none covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from broker.audit.findings import Finding, Kind, Tell
from broker.audit.heads import Head
from broker.audit.ledger_copy import LogFiles
from broker.audit.record_reader import RecordReader, unreadable
from broker.audit.record_walk import ENTRY_SIZE, MOST_FINDINGS
from broker.errors import Unavailable
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from protocol.audit import check_batch
from protocol.errors import Rejected
from protocol.records import DECISIONS
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, read_entries, tile_of

_DECISIONS = frozenset(map(int, DECISIONS))
_AT_ONCE = 10_000
"""Batches of one task; each task verifies the directory once."""

_KEPT = 4
"""Tiles that are remembered: batches follow each other, and seldom span more than a few."""


@dataclass(slots=True)
class Entries:
    """The entries of a log by their place, from its tiles."""

    log: LogFiles
    size: int
    _tiles: dict[int, list[bytes]] = field(default_factory=dict)

    def between(self, first: int, end: int) -> Iterator[bytes]:
        """Those from `first` on, before `end`; `Rejected` where a tile is not at hand."""
        for number in range(first // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
            start = number * TILE_WIDTH
            yield from self._tile(number)[max(0, first - start) : end - start]

    def _tile(self, number: int) -> list[bytes]:
        if number not in self._tiles:
            if len(self._tiles) >= _KEPT:
                self._tiles.clear()
            self._tiles[number] = read_entries(self.log.read, tile_of(ENTRIES, number, size=self.size))
        return self._tiles[number]


Batch = tuple[int, int, bytes]
"""First leaf, how many leaves, the signed root."""


@dataclass(frozen=True, slots=True)
class Task:
    """Some batches of one log, and how to verify them."""

    log: LogFiles
    size: int
    statements: Sequence[bytes]
    root: RootOfTrust


def check_signed(
    head: Head,
    records: Path,
    directory: tuple[Sequence[bytes], RootOfTrust],
    *,
    pool: ProcessPoolExecutor | None,
    tell: Tell,
) -> None:
    """Every decision of this log is one that a router signed."""
    origin, size = head.checkpoint.origin, head.checkpoint.size
    try:
        with RecordReader(records) as reader:
            batches = reader.batches(origin, size)
    except Unavailable as error:
        tell(unreadable(records, error))
        return
    task = Task(head.log, size, *directory)
    parts = list(_parts(batches))
    found = map(verified, repeat(task), parts) if pool is None else pool.map(verified, repeat(task), parts)
    good: list[tuple[int, int]] = []
    for spans, wrong in found:
        good += spans
        for index, why in wrong:
            what = f"the batch of leaf {index} is not what a router signed: {why}"
            tell(Finding(Kind.DECISION_UNSIGNED, origin, what, "records.sqlite", index))
    for count, index in enumerate(_uncovered(Entries(head.log, size), good), start=1):
        what = f"leaf {index} is a decision that no router's batch covers"
        tell(Finding(Kind.DECISION_UNSIGNED, origin, what, "", index))
        if count >= MOST_FINDINGS:
            return


def verified(task: Task, batches: Sequence[Batch]) -> tuple[list[tuple[int, int]], list[tuple[int, str]]]:
    """The spans of leaves whose batch holds, and the first leaves of the others. Runs in any process."""
    directory = _directory(task)
    entries = Entries(task.log, task.size)
    good, wrong = [], []
    for first, leaves, signed in batches:
        try:
            _check(entries.between(first, min(first + leaves, task.size)), signed, directory)
        except Rejected as rejected:
            wrong.append((first, rejected.code))
        else:
            good.append((first, leaves))
    return good, wrong


def _check(entries: Iterator[bytes], signed: bytes, directory: Directory) -> None:
    check_batch(signed, [entry for entry in entries if _is_decision(entry)], parties=directory)


def _directory(task: Task) -> Directory:
    directory = Directory(task.root)
    for statement in task.statements:
        try:
            directory.apply(statement)
        except Rejected:
            continue  # told where the directory is checked
    return directory


def _uncovered(entries: Entries, good: Sequence[tuple[int, int]]) -> Iterator[int]:
    at = 0
    for first, leaves in [*good, (entries.size, 0)]:
        if first > at:
            yield from _decisions(entries, at, first)
        at = max(at, first + leaves)


def _decisions(entries: Entries, first: int, end: int) -> Iterator[int]:
    try:
        for index, entry in enumerate(entries.between(first, end), start=first):
            if _is_decision(entry):
                yield index
    except Rejected:
        return  # missing entries are told where the tree is checked


def _is_decision(entry: bytes) -> bool:
    return len(entry) == ENTRY_SIZE and entry[2] in _DECISIONS


def _parts(batches: Sequence[Batch]) -> Iterator[Sequence[Batch]]:
    for start in range(0, len(batches), _AT_ONCE):
        yield batches[start : start + _AT_ONCE]
