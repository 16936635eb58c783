"""Tiles (C2SP tlog-tiles): the files of a log's tree, their names, and their writer.

    tile/<L>/<N>[.p/<W>]         hashes: 256 of them, or W in a partial one; level 0 is the leaf hashes, and
                                 a hash of level L+1 is the root over one full tile of level L
    tile/entries/<N>[.p/<W>]     the entries behind tile 0/<N>: uint16 length || entry, one after the other
    <N>                          1234067 is x001/x234/067

Owns names, sizes and contents, and no files: a `TileReader` gives the bytes, `take` hands out what was made.
Rules: a full tile is for ever; a partial one is the beginning of the full one, so a file, once right, is
never wrong later, and writing it twice is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Digest
from protocol.merkle import Frontier, leaf_hash

TILE_WIDTH = 256
TILE_HEIGHT = 8
HASH_SIZE = 32
ENTRIES = -1
"""The level of the files of entries."""

MAX_SIZE = 2**63 - 1  # of a tree: every implementation can represent it
MAX_ENTRY = 0xFFFF

_PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*)(\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """One file of the tree."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """Its name below the log's directory."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_groups(self.index)}{partial}"

    @property
    def full(self) -> Tile:
        """The tile that this one becomes."""
        return Tile(self.level, self.index, TILE_WIDTH)


TileReader = Callable[[Tile], bytes]
"""Gives a file of the tree, or raises `Rejected` with E_TILE where there is none."""


def _groups(index: int) -> str:
    *high, low = (group.zfill(3) for group in f"{index:,}".split(","))
    return "".join(f"x{group}/" for group in high) + low


def parse_path(path: str) -> Tile:
    """The tile of this name, if it is in the one form and a tree can be that large."""
    found = _PATH.fullmatch(path) if len(path) <= 64 else None
    if found is None:
        raise Rejected(Code.E_TILE, "not the name of a tile")
    level, high, low, width = found.groups()
    tile = Tile(
        level=ENTRIES if level == "entries" else int(level),
        index=int(high.replace("x", "").replace("/", "") + low),
        width=TILE_WIDTH if width is None else int(width),
    )
    last = tile.index * TILE_WIDTH + tile.width
    if tile.path != path or tile.width > TILE_WIDTH or last << TILE_HEIGHT * max(tile.level, 0) > MAX_SIZE:
        raise Rejected(Code.E_TILE, "not the name of a tile of any tree")
    return tile


def tiles_between(old: int, new: int) -> tuple[Tile, ...]:
    """The tiles of hashes that a tree of the new size has and one of the old size had not."""
    if not 0 <= old <= new:
        raise MisuseError("a tree does not shrink")
    return tuple(tile for level in range(levels_of(new)) for tile in _of_level(level, old, new))


def entries_between(old: int, new: int) -> tuple[Tile, ...]:
    """The same for the files of entries."""
    return tuple(Tile(ENTRIES, tile.index, tile.width) for tile in _of_level(0, old, new))


def _of_level(level: int, old: int, new: int) -> list[Tile]:
    before, after = old >> TILE_HEIGHT * level, new >> TILE_HEIGHT * level
    last, width = divmod(after, TILE_WIDTH)
    tiles = [Tile(level, index, TILE_WIDTH) for index in range(before // TILE_WIDTH, last)]
    return [*tiles, Tile(level, last, width)] if width and before < after else tiles


def levels_of(size: int) -> int:
    """How many levels of tiles a tree of this size has."""
    return (size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT


def right_edge(size: int) -> tuple[Tile, ...]:
    """The partial tiles of a tree of this size, from the leaves up: its root needs nothing else."""
    edge = (divmod(size >> TILE_HEIGHT * level, TILE_WIDTH) for level in range(levels_of(size)))
    return tuple(Tile(level, index, width) for level, (index, width) in enumerate(edge) if width)


def tile_of(level: int, index: int, *, size: int) -> Tile:
    """This tile as a tree of this size has it."""
    count = (size >> TILE_HEIGHT * max(level, 0)) - index * TILE_WIDTH
    if index < 0 or count <= 0:
        raise Rejected(Code.E_TILE, "a tree of this size has no such tile")
    return Tile(level, index, min(count, TILE_WIDTH))


def read_hashes(read: TileReader, tile: Tile) -> list[Digest]:
    """The hashes of a tile, from its own file or from that of the full tile, which may have replaced it."""
    data = _read(read, tile)
    return [Digest(data[at : at + HASH_SIZE]) for at in range(0, tile.width * HASH_SIZE, HASH_SIZE)]


def _read(read: TileReader, tile: Tile) -> bytes:
    try:
        return _checked(read(tile), tile)
    except Rejected:
        if tile.width == TILE_WIDTH:
            raise
        return _checked(read(tile.full), tile.full)


def _checked(data: bytes, tile: Tile) -> bytes:
    if len(data) != tile.width * HASH_SIZE:
        raise Rejected(Code.E_TILE, f"{tile.path} has {len(data)} bytes, not {tile.width * HASH_SIZE}")
    return data


def smaller_from(read: TileReader, *, size: int) -> TileReader:
    """A reader of every smaller tree in the files of a tree of this size: it cuts a tile from a wider one."""

    def cut(tile: Tile) -> bytes:
        kept = tile_of(tile.level, tile.index, size=size)
        if kept.width < tile.width:
            raise Rejected(Code.E_TILE, f"a tree of size {size} has no {tile.path}")
        if tile.level == ENTRIES:
            return pack_entries(read_entries(read, kept)[: tile.width])
        return _read(read, kept)[: tile.width * HASH_SIZE]

    return cut


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """The content of a file of entries."""
    return b"".join(map(_packed, entries))


def _packed(entry: bytes) -> bytes:
    if len(entry) > MAX_ENTRY:
        raise Rejected(Code.E_SIZE, f"a log's entry has at most {MAX_ENTRY} bytes")
    return len(entry).to_bytes(2, "big") + entry


def unpack_entries(data: bytes, width: int) -> list[bytes]:
    """Exactly so many entries, and nothing after them."""
    entries, at = [], 0
    for _ in range(width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data):
            raise Rejected(Code.E_TILE, f"a file of entries ends before its {width} entries do")
        entries.append(data[start:at])
    if at != len(data):
        raise Rejected(Code.E_TILE, f"a file of entries goes on after its {width} entries")
    return entries


def read_entries(read: TileReader, tile: Tile) -> list[bytes]:
    """The entries of a file of them; also from the full file, as with hashes."""
    try:
        return unpack_entries(read(tile), tile.width)
    except Rejected:
        if tile.width == TILE_WIDTH:
            raise
        return read_entries(read, tile.full)[: tile.width]


class _Edge:
    """The last tile of one level while it grows."""

    __slots__ = ("frontier", "hashes", "index", "taken")

    def __init__(self, index: int, hashes: list[Digest]) -> None:
        self.index = index
        self.hashes = hashes
        self.taken = len(hashes)
        self.frontier = Frontier()

    def subtrees(self) -> tuple[Digest, ...]:
        """The roots of the full subtrees in this tile; each hash is taken in once."""
        self.frontier.extend(self.hashes[self.frontier.size :])
        return self.frontier.nodes


class TreeWriter:
    """A growing tree, of which only the last tile of each level is kept.

    After a failure to store its files, resume another one: this one is ahead of the store.
    """

    __slots__ = ("_edges", "_entries", "_files")

    def __init__(self, *, with_entries: bool = True) -> None:
        self._edges = [_Edge(0, [])]
        self._entries: bytearray | None = bytearray() if with_entries else None
        self._files: dict[str, bytes] = {}

    @classmethod
    def resume(cls, size: int, read: TileReader, *, with_entries: bool = True) -> TreeWriter:
        """Go on with a stored tree. Compare `root()` with what was signed before anything is appended.

        `with_entries=False` is for a caller with leaf hashes only: files of entries are then neither read nor
        made.
        """
        writer = cls(with_entries=with_entries)
        for level in range(levels_of(size)):
            index, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
            hashes = read_hashes(read, Tile(level, index, width)) if width else []
            writer._edges[level:] = [_Edge(index, hashes)]
        if with_entries and size % TILE_WIDTH:
            entries = read_entries(read, tile_of(ENTRIES, size // TILE_WIDTH, size=size))
            if [leaf_hash(entry) for entry in entries] != writer._edges[0].hashes:
                raise Rejected(Code.E_TILE, "the last entries are not those of the last leaves")
            writer._entries = bytearray(pack_entries(entries))
        return writer

    @property
    def size(self) -> int:
        """The number of leaves."""
        edge = self._edges[0]
        return edge.index * TILE_WIDTH + len(edge.hashes)

    def append(self, entry: bytes) -> Digest:
        """Add an entry; gives its leaf hash."""
        if self._entries is None:
            raise MisuseError("this writer has leaf hashes only")
        self._entries += _packed(entry)
        leaf = leaf_hash(entry)
        self._add(0, leaf)
        return leaf

    def append_leaf(self, leaf: Digest) -> None:
        """Add a leaf of which only the hash is known."""
        if self._entries is not None:
            raise MisuseError("this writer needs the entries")
        self._add(0, leaf)

    def _add(self, level: int, node: Digest) -> None:
        hashes = self._edges[level].hashes
        hashes.append(node)
        if len(hashes) == TILE_WIDTH:
            self._close(level)

    def _close(self, level: int) -> None:
        """The tile is full: its root is a hash of the level above."""
        edge = self._edges[level]
        self._keep(level, edge)
        self._edges[level] = _Edge(edge.index + 1, [])
        if level == 0 and self._entries is not None:
            self._entries = bytearray()
        if level + 1 == len(self._edges):
            self._edges.append(_Edge(0, []))
        self._add(level + 1, edge.subtrees()[0])

    def _keep(self, level: int, edge: _Edge) -> None:
        width = len(edge.hashes)
        self._files[Tile(level, edge.index, width).path] = b"".join(edge.hashes)
        if level == 0 and self._entries is not None:
            self._files[Tile(ENTRIES, edge.index, width).path] = bytes(self._entries)

    def frontier(self) -> Frontier:
        """The tree so far as the roots of its full subtrees: a copy."""
        nodes = [node for edge in reversed(self._edges) for node in edge.subtrees()]
        return Frontier.resume(self.size, nodes)

    def root(self) -> Digest:
        """The root of all leaves so far."""
        return self.frontier().root()

    def take(self) -> dict[str, bytes]:
        """Every file that changed since the last take, by its path."""
        for level, edge in enumerate(self._edges):
            if len(edge.hashes) != edge.taken:
                self._keep(level, edge)
                edge.taken = len(edge.hashes)
        files, self._files = self._files, {}
        return files
