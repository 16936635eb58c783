"""Tiles: the names and widths of C2SP tlog-tiles, and a writer whose files are those of the definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, MisuseError, Rejected
from protocol.merkle import leaf_hash
from protocol.tlog.tiles import (
    ENTRIES,
    MAX_ENTRY,
    MAX_SIZE,
    TILE_WIDTH,
    Tile,
    TreeWriter,
    entries_between,
    pack_entries,
    parse_path,
    read_entries,
    read_hashes,
    right_edge,
    smaller_from,
    tile_of,
    tiles_between,
    unpack_entries,
)
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.tlog.naive import Store
from tests.unit.protocol.tlog.naive import root as naive_root
from tests.unit.protocol.tlog.naive import tile as naive_tile

NAMES = {
    "tile/0/000": Tile(0, 0, 256),
    "tile/0/x001/x234/067": Tile(0, 1234067, 256),
    "tile/1/x001/x234/067.p/8": Tile(1, 1234067, 8),
    "tile/0/273.p/112": Tile(0, 273, 112),
    "tile/entries/x001/000.p/255": Tile(ENTRIES, 1000, 255),
    "tile/entries/999": Tile(ENTRIES, 999, 256),
    "tile/6/127.p/255": Tile(6, 127, 255),
}
SIZES = st.one_of(st.integers(0, 600), st.integers(0, MAX_SIZE))


def refused(call, *args):
    with pytest.raises(Rejected) as caught:
        call(*args)
    return caught.value.reason


def made(entries):
    """A writer of these entries, and the store of its files."""
    writer, store = TreeWriter(), Store()
    for entry in entries:
        writer.append(entry)
    store.files.update(writer.take())
    return writer, store


def numbered(count):
    return [number.to_bytes(4, "big") * (number % 3) for number in range(count)]


@pytest.mark.parametrize(("path", "tile"), NAMES.items())
def test_a_tile_has_one_name(path, tile):
    """Name and tile give each other."""
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/-1/000", "tile/entry/000",
        "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/", "tile/0/000.p", "tile/0/x000/000",
        "tile/0/001/000", "tile/0/x001", "tile/0/x001/x000", "tile/0/x1/000", "tile/0/000/", "/tile/0/000", "tile/0/000\n", "tile/0/٠٠٠",
        "tile/64/000", "tile/8/000.p/1", "tile/6/127", "tile/7/000.p/128", "tile/0/../000", "tile/0/000.p/1/", "TILE/0/000", "tile/0/" + "x999/" * 9 + "999",
    ],
)  # fmt: skip
def test_other_names_are_no_tiles(path):
    """Another spelling, another width, and what no tree of less than 2^63 leaves can have."""
    assert refused(parse_path, path) is Code.E_TILE


@QUICK
@given(st.integers(-1, 7), st.integers(0, 2**56), st.integers(1, 256))
def test_names_of_all_tiles_survive(level, index, width):
    """A tile of a possible tree is read back from its name; any other is refused."""
    tile = Tile(level, index, width)
    if (index * 256 + width) << 8 * max(level, 0) <= MAX_SIZE:
        assert parse_path(tile.path) == tile
    else:
        assert refused(parse_path, tile.path) is Code.E_TILE


def test_the_example_of_the_specification():
    """A tree of 70,000 has 273 full tiles of level 0, then 112; one full of level 1, then 17; one of width 1."""
    tiles = tiles_between(0, 70_000)

    assert tiles[:273] == tuple(Tile(0, index, 256) for index in range(273))
    assert tiles[273:] == (Tile(0, 273, 112), Tile(1, 0, 256), Tile(1, 1, 17), Tile(2, 0, 1))
    assert right_edge(70_000) == (Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1))
    assert tiles_between(0, 256) == (Tile(0, 0, 256), Tile(1, 0, 1))
    assert right_edge(256) == (Tile(1, 0, 1),)
    assert tiles_between(0, 0) == right_edge(0) == ()


@QUICK
@given(st.integers(0, 140_000), st.integers(0, 3_000))
def test_tiles_between_are_what_one_size_has_and_the_other_has_not(old, more):
    """Going step by step names the same full tiles as going at once, and the right edge is among them."""
    new = old + more
    before, after, between = (
        {tile.path: tile for tile in tiles}
        for tiles in (tiles_between(0, old), tiles_between(0, new), tiles_between(old, new))
    )

    assert between.keys() == after.keys() - before.keys()
    assert {tile.path for tile in right_edge(new)} <= after.keys()
    assert {t.index for t in entries_between(old, new)} == {t.index for t in between.values() if t.level == 0}


def test_a_tree_does_not_shrink():
    """Asking for that is a fault of the program."""
    with pytest.raises(MisuseError):
        tiles_between(2, 1)


@QUICK
@given(SIZES)
def test_the_widths_of_the_right_edge_are_the_size(size):
    """They are its digits to the base 256: nothing of the tree is left out or counted twice."""
    assert sum(tile.width << 8 * tile.level for tile in right_edge(size)) == size


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 511, 512, 700])
def test_files_are_those_of_the_definition(count):
    """Each file has the bytes that tlog-tiles defines, and there is no other file."""
    entries = numbered(count)
    leaves = [leaf_hash(entry) for entry in entries]
    writer, store = made(entries)

    wanted = {
        tile.path: naive_tile(tile.level, tile.index, tile.width, leaves) for tile in tiles_between(0, count)
    }
    for tile in entries_between(0, count):
        wanted[tile.path] = pack_entries(entries[tile.index * 256 :][: tile.width])
    assert store.files == wanted
    assert writer.size == count


def test_a_third_level_stands_on_the_second():
    """At 65,536 leaves the second level is full, and its root is the first hash of the third."""
    writer = TreeWriter(with_entries=False)
    for number in range(65_537):
        writer.append_leaf(leaf_hash(number.to_bytes(4, "big")))
    files = writer.take()

    assert files.keys() == {tile.path for tile in tiles_between(0, 65_537)}
    second = files["tile/1/000"]
    assert files["tile/2/000.p/1"] == naive_root([second[at : at + 32] for at in range(0, 8192, 32)])


@QUICK
@given(st.lists(st.integers(0, 300), max_size=6), st.data())
def test_a_resumed_writer_goes_on_as_if_it_had_never_stopped(steps, draw):
    """Whether resumed or not, each take gives the files between the two sizes, with the same bytes and root."""
    whole, store, size = TreeWriter(), Store(), 0
    entries = numbered(sum(steps))
    writer = TreeWriter()
    for step in steps:
        if draw.draw(st.booleans()):
            writer = TreeWriter.resume(size, store.read)
        for entry in entries[size : size + step]:
            writer.append(entry)
            whole.append(entry)
        files = writer.take()
        store.files.update(files)
        assert files == whole.take()
        assert files.keys() == {
            t.path for t in (*tiles_between(size, size + step), *entries_between(size, size + step))
        }
        size += step
        assert (writer.size, writer.root()) == (size, whole.root())
        assert writer.frontier().nodes == whole.frontier().nodes


def test_taking_twice_gives_nothing_twice():
    """A file is handed out when it has changed, and only then."""
    writer, _ = made(numbered(300))

    assert writer.take() == {}
    writer.append(b"")
    assert writer.take().keys() == {"tile/0/001.p/45", "tile/entries/001.p/45"}


def test_a_writer_of_leaf_hashes_makes_the_same_tiles():
    """Who has no entries makes and reads every file but those of entries."""
    entries = numbered(600)
    _, store = made(entries)
    writer = TreeWriter(with_entries=False)
    for entry in entries[:300]:
        writer.append_leaf(leaf_hash(entry))
    files = writer.take()
    again = TreeWriter.resume(300, lambda tile: files[tile.path], with_entries=False)
    for entry in entries[300:]:
        again.append_leaf(leaf_hash(entry))
    files.update(again.take())

    assert {p: d for p, d in files.items() if p in store.files} == {
        path: data for path, data in store.files.items() if "entries" not in path
    }


def test_entries_and_leaf_hashes_do_not_mix():
    """A writer of entries takes no bare hash, and the other way round: a file of entries would have a hole."""
    with pytest.raises(MisuseError):
        TreeWriter().append_leaf(leaf_hash(b""))
    with pytest.raises(MisuseError):
        TreeWriter(with_entries=False).append(b"")


@pytest.mark.parametrize("missing", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"])
def test_a_writer_does_not_resume_without_its_edge(missing):
    """Each file of the edge is needed."""
    _, store = made(numbered(300))
    del store.files[missing]

    assert refused(TreeWriter.resume, 300, store.read) is Code.E_TILE


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("tile/0/001.p/44", bytes(43 * 32)),
        ("tile/0/001.p/44", bytes(45 * 32)),
        ("tile/0/001.p/44", bytes(44 * 32)),
        ("tile/entries/001.p/44", pack_entries(numbered(44))),
        ("tile/entries/001.p/44", b""),
    ],
)
def test_a_writer_does_not_resume_on_a_wrong_edge(path, data):
    """A file of another length, and entries that are not those of the leaves."""
    _, store = made(numbered(300))
    store.files[path] = data

    assert refused(TreeWriter.resume, 300, store.read) is Code.E_TILE


def test_a_full_tile_stands_in_for_a_partial_one():
    """When the partial file was removed because the full one is there, its beginning is used."""
    entries = numbered(300)
    _, store = made(entries)

    assert read_hashes(store.read, Tile(0, 0, 100)) == [leaf_hash(entry) for entry in entries[:100]]
    assert read_entries(store.read, Tile(ENTRIES, 0, 100)) == entries[:100]
    assert refused(read_hashes, store.read, Tile(0, 1, 20)) is Code.E_TILE
    assert refused(read_entries, store.read, Tile(ENTRIES, 1, 20)) is Code.E_TILE


def test_every_smaller_tree_is_in_the_files_of_a_larger_one():
    """A size that never had a checkpoint has no files of its own; they are cut from those that are there."""
    entries = numbered(300)
    _, store = made(entries)
    read = smaller_from(store.read, size=300)

    assert read_hashes(read, Tile(0, 1, 20)) == [leaf_hash(entry) for entry in entries[256:276]]
    assert read_entries(read, Tile(ENTRIES, 1, 20)) == entries[256:276]
    assert refused(read, Tile(0, 1, 45)) is Code.E_TILE
    assert refused(read, Tile(0, 2, 1)) is Code.E_TILE


def test_tiles_outside_the_tree_are_refused():
    """A tree has no tile beyond its end, and none before its beginning."""
    assert tile_of(1, 0, size=300) == Tile(1, 0, 1)
    for level, index in ((0, 2), (1, 1), (2, 0), (0, -1)):
        with pytest.raises(Rejected):
            tile_of(level, index, size=300)


@QUICK
@given(st.lists(st.binary(max_size=300), max_size=TILE_WIDTH))
def test_entries_survive_packing(entries):
    """What was packed is unpacked; with another number of entries it is refused."""
    data = pack_entries(entries)

    assert unpack_entries(data, len(entries)) == entries
    assert refused(unpack_entries, data, len(entries) + 1) is Code.E_TILE
    assert refused(unpack_entries, data + b"\x00", len(entries)) is Code.E_TILE
    if entries:
        assert refused(unpack_entries, data[:-1], len(entries)) is Code.E_TILE
        assert refused(unpack_entries, data, len(entries) - 1) is Code.E_TILE


def test_an_entry_has_at_most_65535_bytes():
    """Its length is written in two bytes; one more and it could not be read back."""
    assert unpack_entries(pack_entries([bytes(MAX_ENTRY)]), 1) == [bytes(MAX_ENTRY)]
    assert refused(pack_entries, [bytes(MAX_ENTRY + 1)]) is Code.E_SIZE
    writer = TreeWriter()
    assert refused(writer.append, bytes(MAX_ENTRY + 1)) is Code.E_SIZE
    assert writer.size == 0
