"""Storing a ledger's logs: lock rows, records and staged files in the database, tiles in the tile store.

Owns the order in which a step reaches the disk: the database commits, then the tiles are stored, then the
staged files are cleared. A step that was interrupted in between is completed when the log is resumed. Does
not decide what a step is: the two sequencers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from broker.ledger.log_head import LogHead, resume_head
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.record_store import Erasure, LogState, RecordStore
from broker.ledger.store.tile_store import TileStore
from protocol.errors import Code, Rejected
from protocol.tlog.tiles import (
    ENTRIES,
    HASH_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TileReader,
    pack_entries,
    parse_path,
    unpack_entries,
)
from protocol.trail.ledger_leaves import Row
from protocol.trail.records_file import SignedLeaves
from runtime.errors import Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LogStorage:
    """The database and the tile store of the ledger with this name."""

    records: RecordStore
    store: TileStore
    name: str

    def reader(self, origin: str) -> TileReader:
        """Reads the tiles of one of the ledger's logs."""
        return stored_tiles(self.store, prefix_of(origin, self.name))

    def resume(self, state: LogState) -> LogHead:
        """The head to go on from, after files that were committed and perhaps not stored are in the store.

        Raises `StoreCorrupt` where tiles and lock row disagree.
        """
        staged = self.records.staged(state.origin)
        if staged:
            self._put(state, staged, old=state.size)
            self.records.clear_staged(state.origin, size=state.size)
        return resume_head(state, self.reader(state.origin))

    def commit(
        self,
        old: LogState,
        head: LogHead,
        new: LogState,
        files: Mapping[str, bytes],
        *,
        rows: Sequence[Row] = (),
        erasures: Sequence[Erasure] = (),
        signed: Sequence[SignedLeaves] = (),
        read: AuditRead | None = None,
    ) -> LogHead:
        """Commit a step and store its files; the head of `new`. Raises `Moved`, and nothing is written then.

        `old` is the lock row that the step was built on, `head` the head that it grew from: those of two logs
        where the step begins a shard.
        """
        self.records.commit(old, new, rows, files, erasures, signed, read)
        self._put(new, files, old=head.state.size)
        self.records.clear_staged(new.origin, size=new.size)
        return LogHead(new, head.tree)

    def _put(self, state: LogState, files: Mapping[str, bytes], *, old: int) -> None:
        """Store a log's files durably, again if need be, and remove partial ones that are full now.

        `old` was the size before: only a tile that was begun then can have partial files.
        """
        prefix = prefix_of(state.origin, self.name)
        self.store.put({prefix + path: data for path, data in files.items()})
        full = [path for path in files if _was_partial(parse_path(path), old)]
        try:
            for path in full:
                self.store.forget(self.store.names(f"{prefix}{path}.p/"))
        except Unavailable as error:
            # Safe to leave: the full tiles are stored, and no reader asks for their partial ones any more.
            log.warning("partial_tiles_left", origin=state.origin, error=str(error))


def prefix_of(origin: str, name: str) -> str:
    """Where the log's files are in the store: `contrada.example/audit/2026h2` in `audit/2026h2/`."""
    return origin.removeprefix(f"{name}/") + "/"


def stored_tiles(store: TileStore, prefix: str) -> TileReader:
    """Reads a log's tiles; a partial one also from the full one that has taken its place."""

    def read(tile: Tile) -> bytes:
        data = store.get(prefix + tile.path)
        if data is not None:
            return data
        full = None if tile.width == TILE_WIDTH else store.get(prefix + tile.full.path)
        if full is None:
            raise Rejected(Code.E_TILE, f"there is no {prefix}{tile.path}")
        if tile.level == ENTRIES:
            return pack_entries(unpack_entries(full, TILE_WIDTH)[: tile.width])
        return full[: tile.width * HASH_SIZE]

    return read


def _was_partial(tile: Tile, old: int) -> bool:
    return tile.width == TILE_WIDTH and tile.index * TILE_WIDTH << TILE_HEIGHT * max(tile.level, 0) < old
