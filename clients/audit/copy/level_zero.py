"""Hashing the lowest level of a log's tree: entries against leaf hashes, tile by tile. The costly part.

Works on independent ranges of tiles, so that processes can share them; what is passed between them is small:
two hashes for each tile, and the positions where entries and hashes differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from clients.audit.copy.ledger_copy import LogFiles
from protocol.errors import Rejected
from protocol.identifiers import Digest
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, read_entries, read_hashes, tile_of

RANGE = 64
"""Tiles in a range: 16,384 leaves, a tenth of a second."""


@dataclass(frozen=True, slots=True)
class TilePair:
    """One tile of leaf hashes, stored and computed from its entries."""

    index: int
    by_entries: Digest | None
    """The root over the hashes of the entries; None where the file of entries is missing or damaged."""

    by_hashes: Digest | None
    """The root over the stored hashes; None where the tile is missing."""

    differing: tuple[int, ...]
    """Positions within the tile at which entry and hash differ."""

    trouble: tuple[str, ...] = ()
    """Why a file is not there, or not to be used."""


@dataclass(frozen=True, slots=True)
class LastTile:
    """The partial tile at the end, whose hashes go into the root one by one."""

    by_entries: tuple[Digest, ...] | None
    by_hashes: tuple[Digest, ...] | None


@dataclass(frozen=True, slots=True)
class LoadedTile:
    """One tile's entries and hashes, as far as they are there."""

    index: int
    entries: list[bytes] | None
    hashes: list[Digest] | None
    trouble: tuple[str, ...]

    def pair(self) -> TilePair:
        """Entries and hashes compared."""
        computed = None if self.entries is None else leaf_hashes(self.entries)
        if computed is not None and computed == self.hashes:
            root = root_of_tile(computed)
            return TilePair(self.index, root, root, ())
        return TilePair(
            index=self.index,
            by_entries=None if computed is None else root_of_tile(computed),
            by_hashes=None if self.hashes is None else root_of_tile(self.hashes),
            differing=tuple(
                at
                for at, (left, right) in enumerate(zip(computed or (), self.hashes or (), strict=False))
                if left != right
            ),
            trouble=self.trouble,
        )

    def edge(self) -> LastTile:
        """The hashes one by one."""
        return LastTile(
            None if self.entries is None else tuple(leaf_hashes(self.entries)),
            None if self.hashes is None else tuple(self.hashes),
        )


def load_tile(log: LogFiles, index: int, *, size: int) -> LoadedTile:
    """Read one tile of a log of this size, entries and hashes."""
    entries: list[bytes] | None = None
    hashes: list[Digest] | None = None
    trouble = []
    try:
        entries = read_entries(log.read, tile_of(ENTRIES, index, size=size))
    except Rejected as rejected:
        trouble.append(rejected.sentence)
    try:
        hashes = read_hashes(log.read, tile_of(0, index, size=size))
    except Rejected as rejected:
        trouble.append(rejected.sentence)
    return LoadedTile(index, entries, hashes, tuple(trouble))


def leaf_hashes(entries: Sequence[bytes]) -> list[Digest]:
    """SHA-256(0x00 || entry) of each."""
    return [Digest(sha256(b"\x00" + entry).digest()) for entry in entries]


def root_of_tile(hashes: Sequence[Digest]) -> Digest:
    """The root over the hashes of a tile; any number of them."""
    row: list[bytes] = list(hashes)
    while len(row) > 1:
        odd = row[-1:] if len(row) & 1 else []
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)] + odd
    return Digest(row[0])


def tiles_in(size: int) -> int:
    """How many tiles of level 0 a log of this size has."""
    return -(-size // TILE_WIDTH)
