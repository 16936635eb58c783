"""Proofs out of tiles: those of the naive tree for every place and size, and no others verify."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, Rejected
from protocol.merkle import (
    EMPTY_ROOT,
    Frontier,
    inclusion_paths,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from protocol.tlog.proofs import consistency_proof, frontier_at, inclusion_proof, root_at
from protocol.tlog.tiles import MAX_SIZE, TreeWriter, right_edge, smaller_from
from tests.unit.protocol.strategies import QUICK, THOROUGH
from tests.unit.protocol.tlog import naive
from tests.unit.protocol.tlog.naive import Store

LARGEST = 1_100
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(LARGEST)]


@cache
def store():
    """The files of the largest tree."""
    writer, files = TreeWriter(with_entries=False), Store()
    for leaf in LEAVES:
        writer.append_leaf(leaf)
    files.files.update(writer.take())
    return files


@cache
def read():
    return smaller_from(store().read, size=LARGEST)


@cache
def root(size):
    return naive.root(LEAVES[:size])


# Sizes about which trees change their shape come often.
sizes = st.one_of(
    st.integers(1, LARGEST), st.sampled_from([1, 2, 3, 4, 7, 8, 255, 256, 257, 511, 512, 513, 1024, 1025])
)


@st.composite
def places(draw):
    """A size and a leaf in it."""
    size = draw(sizes)
    return draw(st.integers(0, size - 1)), size


@st.composite
def growths(draw):
    """Two sizes, the smaller one first."""
    new = draw(sizes)
    return draw(st.integers(0, new)), new


@pytest.mark.parametrize("size", range(18))
def test_every_proof_of_every_small_tree(size):
    """Without exception: each leaf, each earlier size."""
    for index in range(size):
        assert list(inclusion_proof(index, size, read())) == naive.path(index, LEAVES[:size])
    for old in range(size + 1):
        assert list(consistency_proof(old, size, read())) == naive.consistency(old, LEAVES[:size])
    assert root_at(size, read()) == root(size)


@THOROUGH
@given(places())
def test_inclusion_proofs_are_those_of_the_definition(place):
    """Hash for hash PATH of RFC 6962, and it verifies."""
    index, size = place
    proof = inclusion_proof(index, size, read())

    assert list(proof) == naive.path(index, LEAVES[:size])
    assert verify_inclusion(LEAVES[index], index=index, size=size, path=proof, root=root(size))


@THOROUGH
@given(growths())
def test_consistency_proofs_are_those_of_the_definition(growth):
    """Hash for hash PROOF of RFC 6962, and it verifies."""
    old, new = growth
    proof = consistency_proof(old, new, read())

    assert list(proof) == naive.consistency(old, LEAVES[:new])
    assert verify_consistency(old, root(old), new=new, new_root=root(new), path=proof)


@QUICK
@given(sizes)
def test_roots_and_edges_of_every_size(size):
    """Out of the tiles of its right edge alone."""
    files = store()
    files.reads.clear()

    assert root_at(size, read()) == root(size)
    assert frontier_at(size, read()).nodes == Frontier.resume(size, frontier_at(size, read()).nodes).nodes
    assert {(tile.level, tile.index) for tile in files.reads} == {
        (t.level, t.index) for t in right_edge(size)
    }


@THOROUGH
@given(growths())
def test_paths_of_a_run_of_leaves_need_the_frontier_only(growth):
    """The path of each new leaf, made without reading a tile, is the one that the tiles give."""
    old, new = growth
    before = Frontier()
    before.extend(LEAVES[:old])
    kept = before.nodes
    found, paths = inclusion_paths(LEAVES[old:new], before=before)

    assert found == root(new)
    assert before.nodes == kept
    assert len(paths) == new - old
    for index in {old, (old + new) // 2, new - 1} - {new}:
        if old <= index < new:
            assert paths[index - old] == inclusion_proof(index, new, read())


@QUICK
@given(growths())
def test_a_frontier_goes_on_from_what_was_kept_of_it(growth):
    """Size and nodes are the whole state."""
    old, new = growth
    frontier = Frontier()
    frontier.extend(LEAVES[:old])
    again = Frontier.resume(frontier.size, frontier.nodes)
    again.extend(LEAVES[old:new])

    assert (again.size, again.root()) == (new, root(new))
    assert frontier.root() == root(old)


@pytest.mark.parametrize(
    ("size", "nodes"), [(0, [bytes(32)]), (1, []), (3, [bytes(32)]), (4, [bytes(32)] * 2), (1, [bytes(31)]), (-1, [bytes(32)])]
)  # fmt: skip
def test_what_is_no_frontier_is_refused(size, nodes):
    """A hash too many, too few, too short; a size below nothing."""
    with pytest.raises(Rejected) as caught:
        Frontier.resume(size, nodes)
    assert caught.value.reason is Code.E_TILE


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (0, 0), (1, 1), (5, 4), (0, MAX_SIZE + 1), (0, -1)])
def test_no_inclusion_proof_of_what_is_not_there(index, size):
    """A place outside the tree is refused before a tile is read."""
    with pytest.raises(Rejected) as caught:
        inclusion_proof(index, size, _never)
    assert caught.value.reason is Code.E_PROOF


@pytest.mark.parametrize(("old", "new"), [(-1, 1), (2, 1), (1, MAX_SIZE + 1)])
def test_no_consistency_proof_between_what_is_no_growth(old, new):
    """Nor between sizes that do not follow each other."""
    with pytest.raises(Rejected) as caught:
        consistency_proof(old, new, _never)
    assert caught.value.reason is Code.E_PROOF


@pytest.mark.parametrize("size", [-1, MAX_SIZE + 1])
def test_no_root_of_what_is_no_size(size):
    """Nor a root of a size that no tree has."""
    with pytest.raises(Rejected) as caught:
        root_at(size, _never)
    assert caught.value.reason is Code.E_PROOF


def _never(tile):
    raise AssertionError(f"{tile.path} was read")


def test_trees_that_begin_with_anything_need_no_proof():
    """The empty tree and the tree itself: an empty path proves them, and nothing reads a tile."""
    for old, new in ((0, 0), (0, 5), (5, 5)):
        assert consistency_proof(old, new, _never) == ()
        assert verify_consistency(old, root(old), new=new, new_root=root(new), path=())
        assert not verify_consistency(old, root(old), new=new, new_root=root(new), path=[bytes(32)])
        assert not verify_consistency(old, bytes(32), new=new, new_root=root(new), path=())
    assert not verify_consistency(5, root(5), new=5, new_root=root(4), path=())
    assert not verify_consistency(0, EMPTY_ROOT, new=0, new_root=bytes(32), path=())
    assert not verify_consistency(0, bytes(32), new=0, new_root=bytes(32), path=())


def test_a_missing_tile_is_named():
    """A tree without one of its files gives no proof, and says which file it is."""
    files = Store()
    files.files = {path: data for path, data in store().files.items() if path != "tile/0/002"}

    with pytest.raises(Rejected, match="tile/0/002"):
        inclusion_proof(600, LARGEST, files.read)
    assert inclusion_proof(3, LARGEST, files.read)


@QUICK
@given(places(), st.data())
def test_a_wrong_tile_makes_a_proof_that_does_not_verify(place, draw):
    """One bit of any tile that is read: another proof, or the same; never another that verifies."""
    index, size = place
    good = inclusion_proof(index, size, read())
    bent_one = draw.draw(st.integers(0, 5))

    def bent(tile):
        data = read()(tile)
        if (tile.level * 3 + tile.index) % 6 != bent_one:
            return data
        at = draw.draw(st.integers(0, len(data) - 1))
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    found = inclusion_proof(index, size, bent)
    verified = verify_inclusion(LEAVES[index], index=index, size=size, path=found, root=root(size))
    assert verified is (found == good)


@THOROUGH
@given(growths(), st.data())
def test_no_altered_consistency_proof_verifies(growth, draw):
    """Another hash, one more, one less, two exchanged, another size: each is refused."""
    old, new = growth
    proof = list(consistency_proof(old, new, read()))

    def holds(path, old=old, new=new):
        return verify_consistency(old, root(old), new=new, new_root=root(new), path=path)

    assert holds(proof)
    assert not holds([*proof, bytes(32)])
    assert not holds([bytes(32), *proof])
    for at in range(len(proof)):
        assert not holds([*proof[:at], sha256(proof[at]).digest(), *proof[at + 1 :]])
        assert not holds(proof[:at] + proof[at + 1 :])
        assert not holds([*proof[:at], proof[at][:-1], *proof[at + 1 :]])
        assert (
            not holds([*proof[:at], *reversed(proof[at : at + 2]), *proof[at + 2 :]]) or at == len(proof) - 1
        )
    other = draw.draw(st.integers(1, LARGEST).filter(lambda size: size not in (old, new)))
    if 0 < old < new:
        assert not verify_consistency(other, root(old), new=new, new_root=root(new), path=proof)
        assert not verify_consistency(old, root(other), new=new, new_root=root(new), path=proof)
        assert not verify_consistency(old, root(old), new=new, new_root=root(other), path=proof)


@QUICK
@given(growths())
def test_a_tree_that_was_changed_in_the_past_has_no_consistency_proof(growth):
    """One leaf of the old tree rewritten: what the new tree can offer does not lead to the old root."""
    old, new = growth
    if not 0 < old < new:
        return
    writer, files = TreeWriter(with_entries=False), Store()
    for number, leaf in enumerate(LEAVES[:new]):
        writer.append_leaf(leaf if number != old // 2 else leaf_hash(b"rewritten"))
    files.files.update(writer.take())
    proof = consistency_proof(old, new, files.read)

    assert not verify_consistency(old, root(old), new=new, new_root=writer.root(), path=proof)


def test_a_step_of_another_length_moves_no_border():
    """Two hashes cut elsewhere have the same bytes behind each other: only whole hashes are steps."""
    left, right = LEAVES[0], LEAVES[1]
    both = left + right

    assert root_of([left, right]) == sha256(b"\x01" + both).digest()
    assert not verify_inclusion(both[:31], index=0, size=2, path=[both[31:]], root=root_of([left, right]))
    assert not verify_inclusion(b"", index=0, size=1, path=[], root=b"")
    assert not verify_consistency(1, left, new=2, new_root=root_of([left, right]), path=[right + b"\x00"])


def test_ten_million_leaves_are_six_tiles():
    """A proof in a large tree reads two tiles a level at most, each of them once."""
    reads = []

    def some(tile):
        reads.append(tile)
        return bytes(32 * tile.width)

    inclusion_proof(4_999_999, 10_000_000, some)
    assert len(reads) == len(set(reads)) <= 6
    reads.clear()
    consistency_proof(7_654_321, 10_000_000, some)
    assert len(reads) == len(set(reads)) <= 6
