"""Publications: the records by which the ledger publishes a log's growth, C2SP files in one Kafka topic.

    publication = [ 1, origin, [ [path, bytes], ... ], note / null ]

The files are hash tiles (protocol/tlog/tiles.py): of level 0 everything from the size that was published
last to the new one, of the levels above what changed with it, and the whole right edge of the new tree. So a
reader of the previous one recomputes the whole tree, and a new reader can begin here. The note is the
cosigned checkpoint of the new size. A large publication comes in parts: only the last one has the note.
Nothing is verified here: protocol/tlog/following.py does that, against a policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from protocol.canonical import Item, decode, encode
from protocol.errors import Code, Rejected
from protocol.item_forms import uint
from protocol.limits import MAX_ROW_ITEMS
from protocol.tlog.tiles import TILE_WIDTH, Tile, TileReader, parse_path, right_edge, tiles_between

VERSION: Final = 1
HASH: Final = 32
TILES_IN_PART: Final = 64
"""Tiles of a part: 16,384 leaves and half a megabyte, well below what Kafka takes as one record."""

MAX_PUBLICATION: Final = 1_200_000
MAX_ORIGIN: Final = 200


@dataclass(frozen=True, slots=True)
class Publication:
    """A part of a log, not verified yet."""

    origin: str
    files: Mapping[Tile, bytes] = field(repr=False)
    note: bytes | None = field(repr=False)


def publications(origin: str, *, old: int, new: int, note: bytes, read: TileReader) -> Iterator[bytes]:
    """The records that say how the log has grown from `old`, which was published, to `new`."""
    tiles = dict.fromkeys((*tiles_between(old, new), *right_edge(new)))
    leaves = [tile for tile in tiles if tile.level == 0]
    above = [tile for tile in tiles if tile.level > 0]
    while len(leaves) > TILES_IN_PART:
        part, leaves = leaves[:TILES_IN_PART], leaves[TILES_IN_PART:]
        yield encode_publication(Publication(origin, {tile: read(tile) for tile in part}, None))
    yield encode_publication(Publication(origin, {tile: read(tile) for tile in (*leaves, *above)}, note))


def encode_publication(publication: Publication) -> bytes:
    """The one encoding of a publication."""
    files: list[Item] = [[tile.path, data] for tile, data in publication.files.items()]
    return encode([VERSION, publication.origin, files, publication.note])


def parse_publication(data: bytes) -> Publication:
    """A publication, checked in form; not verified yet."""
    match decode(data, limit=MAX_PUBLICATION, items=MAX_ROW_ITEMS):
        case [version, str(origin), [*files], note] if note is None or type(note) is bytes:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            if not 1 <= len(origin) <= MAX_ORIGIN or not origin.isprintable():
                raise Rejected(Code.E_SCHEMA, "not the origin of a log")
            return Publication(origin, _files(files), note)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a publication of version 1")


def _files(rows: list[Item]) -> dict[Tile, bytes]:
    files: dict[Tile, bytes] = {}
    for row in rows:
        match row:
            case [str(path), bytes(content)]:
                tile = parse_path(path)
            case _:
                raise Rejected(Code.E_SCHEMA, "a file of a publication is not [path, bytes]")
        if tile.level < 0 or not 1 <= tile.width <= TILE_WIDTH or len(content) != HASH * tile.width:
            raise Rejected(Code.E_TILE, "not a tile of hashes, or not of the width that its name says")
        if tile in files:
            raise Rejected(Code.E_SCHEMA, "a file stands in a publication twice")
        files[tile] = content
    return files
