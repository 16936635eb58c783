"""The Merkle tree: RFC 6962 to the letter, checked against its test tree and against a naive one."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.merkle import EMPTY_ROOT, Frontier, inclusion_paths, leaf_hash, root_from_path, root_of
from tests.unit.protocol.strategies import QUICK

# The test tree of the certificate-transparency project: its leaves, and the root over the first 1 to 8.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaf_lists = st.lists(st.binary(max_size=8), max_size=40)


def naive_root(data):
    """RFC 6962, 2.1, word for word."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return sha256(b"\x01" + naive_root(data[:k]) + naive_root(data[k:])).digest()


def naive_path(m, data):
    """RFC 6962, 2.1.1, word for word."""
    if len(data) <= 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m < k:
        return [*naive_path(m, data[:k]), naive_root(data[k:])]
    return [*naive_path(m - k, data[k:]), naive_root(data[:k])]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_known_tree(size):
    """The roots are those that other implementations publish."""
    assert root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_paths_of_the_known_tree():
    """The inclusion path of leaf 0 among 8 is the published one."""
    _, paths = inclusion_paths([leaf_hash(leaf) for leaf in LEAVES])

    assert [step.hex() for step in paths[0]] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def test_the_empty_tree_has_the_hash_of_nothing():
    """No leaves: SHA-256 of nothing."""
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()
    assert inclusion_paths([]) == (EMPTY_ROOT, [])


@QUICK
@given(leaf_lists)
def test_roots_and_paths_are_those_of_the_naive_tree(data):
    """Frontier and paths agree with the definition for every size."""
    leaves = [leaf_hash(leaf) for leaf in data]
    root, paths = inclusion_paths(leaves)

    assert root == root_of(leaves) == naive_root(data)
    assert [list(path) for path in paths] == [naive_path(i, data) for i in range(len(data))]


@QUICK
@given(leaf_lists)
def test_a_growing_tree_has_the_root_of_each_size(data):
    """The frontier gives the root at every length on the way."""
    frontier = Frontier()
    for size, leaf in enumerate(data, start=1):
        frontier.append(leaf_hash(leaf))
        assert frontier.root() == naive_root(data[:size])
        assert frontier.size == size


@QUICK
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_a_path_proves_its_leaf_at_its_place_only(data, draw):
    """The path proves its leaf; another place, size, leaf or step does not give the same root."""
    leaves = [leaf_hash(bytes([i]) + leaf) for i, leaf in enumerate(data)]
    root, paths = inclusion_paths(leaves)
    index = draw.draw(st.integers(0, len(leaves) - 1))
    path, size = paths[index], len(leaves)

    assert root_from_path(leaves[index], index=index, size=size, path=path) == root
    for other in range(size):
        if other != index:
            assert root_from_path(leaves[index], index=other, size=size, path=path) != root
    for at in range(len(path)):
        broken = [*path[:at], bytes(32), *path[at + 1 :]]
        assert root_from_path(leaves[index], index=index, size=size, path=broken) != root
        assert root_from_path(leaves[index], index=index, size=size, path=path[:at]) is None
    assert root_from_path(leaves[index], index=index, size=size, path=[*path, bytes(32)]) is None


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0), (5, 4), (0, -1)])
def test_a_place_outside_the_tree_proves_nothing(index, size):
    """An index that is not in the tree has no path, negative ones too."""
    assert root_from_path(bytes(32), index=index, size=size, path=[]) is None


def test_a_leaf_is_no_node():
    """A leaf that looks like two hashes has another hash than their parent."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert leaf_hash(left + right) != root_of([left, right])
