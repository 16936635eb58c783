"""Checking a log in ranges of tiles: entries against hashes, records against entries.

Ranges are independent, so processes share them. A range reads a few leaves before its first, since the
deliveries at its beginning follow from a decision there.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients.audit.checks.record_walk import RecordWalk, Walked
from clients.audit.copy.ledger_copy import LogFiles
from clients.audit.copy.level_zero import RANGE, LastTile, LoadedTile, TilePair, load_tile, tiles_in
from clients.audit.copy.record_reader import RecordReader, unreadable
from protocol.limits import MAX_RECIPIENTS
from protocol.tlog.tiles import TILE_WIDTH
from runtime.errors import Unavailable

_BEFORE = 1 + MAX_RECIPIENTS
"""Leaves before a range that are read: a decision is at most so far before its last delivery."""


@dataclass(frozen=True, slots=True)
class RangeTask:
    """A range of one log."""

    log: LogFiles
    origin: str
    size: int
    first: int
    """Its first tile."""

    records: Path | None
    """The store of records; None for a log that has none."""

    chained: bool
    """Whether the log's first entry is a checkpoint."""

    cuts: frozenset[int] = frozenset()
    """Leaves from which on places of outboxes may come again."""


@dataclass(frozen=True, slots=True)
class CheckedRange:
    """The result of a range."""

    pairs: tuple[TilePair, ...]
    edge: LastTile | None
    walked: Walked | None
    unread: int
    """Leaves whose records were not checked, because their entries are missing."""


def range_tasks(
    log: LogFiles,
    origin: str,
    size: int,
    *,
    records: Path | None,
    chained: bool,
    cuts: frozenset[int] = frozenset(),
) -> list[RangeTask]:
    """The ranges of a log."""
    starts = range(0, tiles_in(size), RANGE)
    return [RangeTask(log, origin, size, first, records, chained, cuts) for first in starts]


def check_range(task: RangeTask) -> CheckedRange:
    """Check one range. Runs in any process."""
    last = min(task.first + RANGE, tiles_in(task.size))
    loaded = [load_tile(task.log, index, size=task.size) for index in range(task.first, last)]
    at_end = last * TILE_WIDTH > task.size
    walked, unread = (None, 0) if task.records is None else _read(task, task.records, loaded)
    return CheckedRange(
        pairs=tuple(tile.pair() for tile in loaded),
        edge=loaded[-1].edge() if at_end else None,
        walked=walked,
        unread=unread,
    )


@contextmanager
def checking(leaves: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes for so many leaves; None where one is enough."""
    workers = min(-(-leaves // (RANGE * TILE_WIDTH)), len(os.sched_getaffinity(0)))
    with ExitStack() as stack:
        pool = None
        if workers > 1:
            # Not forked: a forked child of a process with threads or an open database is not safe.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
        try:
            yield pool
        except BaseException:
            if pool is not None:
                # Nobody waits for the result: what is at work may end, the rest is not begun.
                pool.shutdown(wait=False, cancel_futures=True)
            raise


def _read(task: RangeTask, records: Path, loaded: list[LoadedTile]) -> tuple[Walked, int]:
    try:
        return _walk(task, records, loaded)
    except Unavailable as error:
        return Walked(task.origin, findings=[unreadable(records, error)]), 0


def _walk(task: RangeTask, records: Path, loaded: list[LoadedTile]) -> tuple[Walked, int]:
    first, last = task.first * TILE_WIDTH, min((task.first + RANGE) * TILE_WIDTH, task.size)
    walk = RecordWalk(task.origin, chained=task.chained)
    unread = 0
    with (
        RecordReader(records) as reader,
        closing(reader.rows(task.origin, max(0, first - _BEFORE), last)) as rows,
    ):
        row = next(rows, None)
        begun = False
        for index, entry in _entries(task, loaded, first):
            if index >= first and not begun:
                begun = True
                walk.begin(index)
            if begun and index in task.cuts:
                walk.cut(index)
            while row is not None and row.index < index:
                row = next(rows, None)
            if entry is None:
                walk.gap()
                unread += index >= first
                continue
            walk.see(index, entry, row if row is not None and row.index == index else None)
        walk.end_of_range(last, size=task.size, follows=_next_entry(task, last))
    return walk.walked, unread


def _entries(task: RangeTask, loaded: list[LoadedTile], first: int) -> Iterator[tuple[int, bytes | None]]:
    if task.first:
        before = load_tile(task.log, task.first - 1, size=task.size)
        for at, entry in enumerate((before.entries or [])[-_BEFORE:]):
            yield first - _BEFORE + at, entry
    for tile in loaded:
        start = tile.index * TILE_WIDTH
        if tile.entries is None:
            yield from ((index, None) for index in range(start, min(start + TILE_WIDTH, task.size)))
        else:
            yield from enumerate(tile.entries, start)


def _next_entry(task: RangeTask, last: int) -> bytes | None:
    if last >= task.size:
        return None
    entries = load_tile(task.log, last // TILE_WIDTH, size=task.size).entries
    return entries[0] if entries else None
