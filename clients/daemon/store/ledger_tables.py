"""The followed logs in the unit's database: edges, tiles, checkpoints.

Owns the tables `ledger_logs`, `ledger_tiles` and `ledger_checkpoints`. Every function runs in the worker's
thread; those that write expect an open transaction. What is kept here was verified before: a tile comes
from leaves that made a trusted root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from clients.daemon.store.database import Row, Store
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, Millis
from protocol.merkle import inclusion_paths, node_hash
from protocol.tlog.following import Follower
from protocol.tlog.proofs import frontier_at, inclusion_proof
from protocol.tlog.tiles import HASH_SIZE, TILE_HEIGHT, TILE_WIDTH, Tile, read_hashes, tile_of

KEPT_TILES: Final = 4096
"""Tiles of leaves that are kept of a log: a million leaves, 32 MiB."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of one log."""

    store: Store
    log: int

    def read(self, tile: Tile) -> bytes:
        """The tile, cut from a wider one where need be: a `TileReader`."""
        data = self.hashes(tile.level, tile.index)
        if len(data) < tile.width * HASH_SIZE:
            raise Rejected(Code.E_TILE, f"{tile.path} is not kept here")
        return data[: tile.width * HASH_SIZE]

    def hashes(self, level: int, number: int) -> bytes:
        """All that is kept of a tile."""
        row = self.store.row(
            "SELECT hashes FROM ledger_tiles WHERE log = ? AND level = ? AND number = ?",
            self.log,
            level,
            number,
        )
        return b"" if row is None else bytes(row["hashes"])

    def first(self) -> int | None:
        """The number of the first tile of leaves that is kept."""
        row = self.store.row(
            "SELECT number FROM ledger_tiles WHERE log = ? AND level = 0 ORDER BY number LIMIT 1", self.log
        )
        return None if row is None else int(row["number"])

    def put(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Keep these, over narrower ones."""
        for tile, data in tiles:
            self.store.write(
                """INSERT INTO ledger_tiles VALUES (?, ?, ?, ?)
                   ON CONFLICT DO UPDATE SET hashes = excluded.hashes""",
                self.log,
                tile.level,
                tile.index,
                data,
            )

    def forget_old(self, size: int) -> None:
        """Delete leaves that are too far behind."""
        self.store.write(
            "DELETE FROM ledger_tiles WHERE log = ? AND level = 0 AND number < ?",
            self.log,
            size // TILE_WIDTH - KEPT_TILES,
        )

    def paths(self, number: int, places: Iterable[int], *, size: int) -> dict[int, tuple[Digest, ...]]:
        """Inclusion paths of leaves of one tile. What stands above a full tile is the same for all."""
        tile, first = tile_of(0, number, size=size), number * TILE_WIDTH
        rows = [read_hashes(self.read, tile)]
        if tile.width < TILE_WIDTH:
            _, paths = inclusion_paths(rows[0], before=frontier_at(first, self.read))
            return {place: paths[place] for place in places}
        while len(rows) < TILE_HEIGHT:
            row = rows[-1]
            rows.append([node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)])
        above = inclusion_proof(first, size, self.read)[TILE_HEIGHT:]
        return {
            place: tuple(row[place >> height ^ 1] for height, row in enumerate(rows)) + above
            for place in places
        }


def logs(store: Store) -> Sequence[Row]:
    """Every log that is followed."""
    return store.rows("SELECT * FROM ledger_logs ORDER BY origin")


def put_log(store: Store, follower: Follower, *, next_offset: int, now: Millis) -> int:
    """Store the state of a log; returns the id of its row."""
    store.write(
        """INSERT INTO ledger_logs (origin, next_offset, advanced, nodes, note) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (origin) DO UPDATE SET next_offset = excluded.next_offset,
               advanced = excluded.advanced, nodes = excluded.nodes, note = excluded.note""",
        follower.origin,
        next_offset,
        now,
        follower.nodes,
        follower.note,
    )
    row = store.row("SELECT id FROM ledger_logs WHERE origin = ?", follower.origin)
    assert row is not None
    return int(row["id"])


def take_again(store: Store, position: int) -> None:
    """Publications from this place on were not taken in: others stand there now, or the same again."""
    store.write("UPDATE ledger_logs SET next_offset = min(next_offset, ?)", position)


def keep_checkpoint(store: Store, follower: Follower) -> int:
    """The id of the follower's checkpoint, kept for the proofs that rest on it."""
    size = follower.head.size
    store.write(
        "INSERT OR IGNORE INTO ledger_checkpoints (origin, size, note) VALUES (?, ?, ?)",
        follower.origin,
        size,
        follower.note,
    )
    row = store.row("SELECT id FROM ledger_checkpoints WHERE origin = ? AND size = ?", follower.origin, size)
    assert row is not None
    return int(row["id"])
