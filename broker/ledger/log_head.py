"""The tip of a log: what its lock row says, and the tree from which it goes on.

    state     origin, size, root, signed checkpoint, and how far the inputs were read: in the lock row
    tree      the last tile of each level: in memory, resumed from the tile store

Owns how one becomes the next: leaves are added, the new head is signed, the files that changed are named.
Pure but for the files that it reads to resume. Rules:
- A tree that cannot be committed is thrown away: it is ahead of the store, and nobody may build on it.
- A tree that is resumed has the root of the lock row, or it is refused: the tiles were altered, or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from broker.errors import StoreCorrupt
from broker.ledger.store.records import LogState, RecordStore
from broker.ledger.store.tiles import TileStore
from protocol.errors import Code, Rejected
from protocol.tlog.checkpoints import Checkpoint, CheckpointSigner, Seconds, sign_checkpoint
from protocol.tlog.tiles import (
    ENTRIES,
    HASH_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TileReader,
    TreeWriter,
    pack_entries,
    parse_path,
    tile_of,
    unpack_entries,
)
from runtime.errors import Unavailable

log = structlog.get_logger()

Signers = Callable[[str], Sequence[CheckpointSigner]]
"""The keys with which the log of an origin signs."""


@dataclass(slots=True)
class Tip:
    """Where a log is, and its tree."""

    state: LogState
    tree: TreeWriter
    first_entries: Sequence[bytes] = ()
    """What a log that has just begun starts with."""

    @property
    def origin(self) -> str:
        """The log."""
        return self.state.origin


def prefix_of(origin: str, name: str) -> str:
    """Where the log's files lie in the store: `contrada.example/audit/2026h2` in `audit/2026h2/`."""
    return origin.removeprefix(f"{name}/") + "/"


def tile_reader(store: TileStore, prefix: str) -> TileReader:
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


def beginnings(read: TileReader, size: int) -> TileReader:
    """Reads the hashes of any smaller tree out of the tiles that the tree of this size has."""

    def cut(tile: Tile) -> bytes:
        return read(tile_of(tile.level, tile.index, size=size))[: tile.width * HASH_SIZE]

    return cut


def resume(state: LogState, read: TileReader) -> Tip:
    """The tip, from the lock row and the store, which must agree."""
    try:
        tree = TreeWriter.resume(state.size, read)
    except Rejected as rejected:
        raise _corrupt(state, str(rejected)) from None
    if tree.root() != state.root:
        raise _corrupt(state, "the tiles make another root")
    return Tip(state, tree)


def begin(origin: str, *, after: LogState | None = None, first_entries: Sequence[bytes] = ()) -> Tip:
    """A log without entries, not signed yet; its inputs go on where those of the log before it ended."""
    tree = TreeWriter()
    state = LogState(
        origin=origin,
        size=0,
        root=tree.root(),
        checkpoint=b"",
        position=0 if after is None else after.position,
        directory_next=0 if after is None else after.directory_next,
    )
    return Tip(state, tree, first_entries)


def grown(
    tip: Tip,
    entries: Sequence[bytes],
    *,
    signers: Signers,
    now: Seconds,
    position: int | None = None,
    directory_next: int | None = None,
) -> tuple[LogState, Mapping[str, bytes]]:
    """The state with these entries more, signed, and the files that changed. `tip.tree` has them then."""
    for entry in entries:
        tip.tree.append(entry)
    old, size, root = tip.state, tip.tree.size, tip.tree.root()
    note = old.checkpoint
    if entries or not note:
        note = sign_checkpoint(Checkpoint(tip.origin, size, root), signers(tip.origin), now=now)
    state = replace(
        old,
        size=size,
        root=root,
        checkpoint=note,
        position=old.position if position is None else position,
        directory_next=old.directory_next if directory_next is None else directory_next,
    )
    return state, tip.tree.take()


def put(store: TileStore, name: str, state: LogState, files: Mapping[str, bytes], *, old: int) -> None:
    """Store a log's files durably, again if need be, and remove partial ones that are full now.

    `old` was the size before: only a tile that was begun then can have partial files.
    """
    prefix = prefix_of(state.origin, name)
    store.put({prefix + path: data for path, data in files.items()})
    full = [path for path in files if _was_partial(parse_path(path), old)]
    try:
        for path in full:
            store.forget(store.names(f"{prefix}{path}.p/"))
    except Unavailable as error:
        # They are in nobody's way, and what had to be there is there.
        log.warning("partial_tiles_left", origin=state.origin, error=str(error))


def _was_partial(tile: Tile, old: int) -> bool:
    return tile.width == TILE_WIDTH and tile.index * TILE_WIDTH << TILE_HEIGHT * max(tile.level, 0) < old


def put_staged(records: RecordStore, store: TileStore, name: str, state: LogState) -> None:
    """Store what was committed and perhaps not stored, by us or by a writer before us."""
    staged = records.staged(state.origin)
    if staged:
        put(store, name, state, staged, old=state.size)
        records.clear_staged(state.origin, size=state.size)


def _corrupt(state: LogState, why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"the tiles of {state.origin} are not those of its head of size {state.size}: {why}",
        hint="restore the tile store from a copy (a mirror has one: 'contrada audit mirror'), then check it "
        "with 'contrada audit fsck DIR'; never start a new log in its place",
    )
