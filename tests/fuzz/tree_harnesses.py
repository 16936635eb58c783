"""What is fuzzed of the logs' trees: names and files of tiles, proofs, the edge on which a writer goes on.

Proofs are held against the real tree: the only one that verifies between its real roots is the real one.
"""

from __future__ import annotations

from functools import cache

from protocol.errors import Code, Rejected
from protocol.merkle import leaf_hash, verify_consistency, verify_inclusion
from protocol.tlog.proofs import consistency_proof, inclusion_proof, root_at
from protocol.tlog.tiles import (
    Tile,
    TileReader,
    TreeWriter,
    pack_entries,
    parse_path,
    smaller_from,
    unpack_entries,
)
from tests.fuzz.harness import Harness, expect

SIZE = 300
ENTRIES = [number.to_bytes(2, "big") for number in range(SIZE)]


@cache
def _files() -> dict[str, bytes]:
    writer = TreeWriter()
    for entry in ENTRIES:
        writer.append(entry)
    return writer.take()


@cache
def _tree() -> TileReader:
    return smaller_from(lambda tile: _files()[tile.path], size=SIZE)


def tile_path(data: bytes) -> None:
    """The name of a tile."""
    text = data.decode("latin-1")
    expect(parse_path(text).path, text)


def entries(data: bytes) -> None:
    """A file of entries: a byte for the width less one, then the file."""
    found = unpack_entries(data[1:], 1 + (data[0] if data else 0))
    expect(pack_entries(found), data[1:])


def inclusion(data: bytes) -> None:
    """An inclusion proof: index, size, and hashes."""
    index, size, path = _proof(data)
    if index >= size or not verify_inclusion(
        leaf_hash(ENTRIES[index]), index=index, size=size, path=path, root=root_at(size, _tree())
    ):
        raise Rejected(Code.E_INCLUSION, "not verified")
    expect(tuple(path), inclusion_proof(index, size, _tree()))


def consistency(data: bytes) -> None:
    """A consistency proof: two sizes, and hashes."""
    old, new, path = _proof(data)
    roots = root_at(old, _tree()), root_at(new, _tree())
    if not verify_consistency(old, roots[0], new=new, new_root=roots[1], path=path):
        raise Rejected(Code.E_CONSISTENCY, "not verified")
    expect(tuple(path), consistency_proof(old, new, _tree()))


def _proof(data: bytes) -> tuple[int, int, list[bytes]]:
    first, second = (int.from_bytes(data[at : at + 2], "big") % (SIZE + 1) for at in (0, 2))
    return first, second, [data[at : at + 32] for at in range(4, len(data), 32)]


def edge(data: bytes) -> None:
    """The files on which a writer goes on: a size, whether entries too, and the files behind each other."""
    size = int.from_bytes(data[:3], "big")
    rest = memoryview(data)[4:]

    def read(tile: Tile) -> bytes:
        nonlocal rest
        count = tile.width * 32 if tile.level >= 0 else len(rest)
        found, rest = bytes(rest[:count]), rest[count:]
        return found

    writer = TreeWriter.resume(size, read, with_entries=bool(data[3:4] > b"\x7f"))
    expect(writer.size, size)
    expect(writer.take(), {})
    expect(writer.frontier().size, size)


def _proofs() -> list[bytes]:
    made = [(0, 1), (5, 8), (255, 300), (299, 300), (256, 257), (100, 300)]
    return [_sizes(i, size) + b"".join(inclusion_proof(i, size, _tree())) for i, size in made]


def _growths() -> list[bytes]:
    made = [(0, 0), (0, 5), (7, 7), (3, 7), (4, 8), (255, 300), (256, 300), (299, 300)]
    return [_sizes(old, new) + b"".join(consistency_proof(old, new, _tree())) for old, new in made]


def _sizes(first: int, second: int) -> bytes:
    return first.to_bytes(2, "big") + second.to_bytes(2, "big")


def _edges() -> list[bytes]:
    names = ("tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44")
    files = b"".join(_files()[name] for name in names)
    size = SIZE.to_bytes(3, "big")
    return [
        size + b"\xff" + files,
        size + b"\x00" + files,
        bytes(4),
        b"\xff\xff\xff\x00" + bytes(3 * 255 * 32),
    ]


TREES = (
    Harness(
        "tile-path", tile_path, lambda: [path.encode() for path in [*_files(), "tile/2/x001/x234/067.p/8"]]
    ),
    Harness("entries", entries, lambda: [bytes([255]) + _files()["tile/entries/000"], b"\x00\x00\x01a"]),
    Harness("inclusion", inclusion, _proofs),
    Harness("consistency", consistency, _growths),
    Harness("tree-edge", edge, _edges),
)
