"""The Merkle tree of RFC 6962 (RFC 9162, 2.1): roots, inclusion paths and their verification.

Pure mathematics over leaf hashes; what a leaf means is said elsewhere. The router signs one root per
batch (protocol/audit.py), the key directory has one root per length (keys/directory.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from protocol.identifiers import Digest

EMPTY_ROOT = Digest(sha256(b"").digest())


def leaf_hash(data: bytes) -> Digest:
    """SHA-256(0x00 || data)."""
    return Digest(sha256(b"\x00" + data).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    """SHA-256(0x01 || left || right)."""
    return Digest(sha256(b"\x01" + left + right).digest())


class Frontier:
    """An append-only tree of which only the right edge is kept: the roots of its full subtrees."""

    __slots__ = ("_full", "size")

    def __init__(self) -> None:
        self.size = 0
        self._full: list[Digest] = []

    def append(self, leaf: Digest) -> None:
        """Add one leaf hash; amortised two hashes."""
        self._full.append(leaf)
        self.size += 1
        # As many trailing ones as `size` had before: so many pairs of equal subtrees are now complete.
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self._full.pop()
            self._full.append(node_hash(self._full.pop(), right))

    def root(self) -> Digest:
        """The root of all leaves so far."""
        if not self._full:
            return EMPTY_ROOT
        root = self._full[-1]
        for left in reversed(self._full[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[Digest]) -> Digest:
    """The root over these leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_paths(leaves: Sequence[Digest]) -> tuple[Digest, list[tuple[Digest, ...]]]:
    """The root, and for every leaf its inclusion path (RFC 9162, 2.1.3.1); for whole small trees."""
    if not leaves:
        return EMPTY_ROOT, []
    paths: list[list[Digest]] = [[] for _ in leaves]
    # One level at a time. `spans` are (root of a subtree, first leaf, one past the last leaf); a subtree
    # without a sibling goes up unchanged, which is the shape that RFC 6962 gives to an unbalanced tree.
    spans = [(leaf, index, index + 1) for index, leaf in enumerate(leaves)]
    while len(spans) > 1:
        above = []
        for left, right in zip(spans[::2], spans[1::2], strict=False):
            for index in range(left[1], left[2]):
                paths[index].append(right[0])
            for index in range(right[1], right[2]):
                paths[index].append(left[0])
            above.append((node_hash(left[0], right[0]), left[1], right[2]))
        if len(spans) % 2:
            above.append(spans[-1])
        spans = above
    return spans[0][0], [tuple(path) for path in paths]


def root_from_path(leaf: Digest, *, index: int, size: int, path: Sequence[Digest]) -> Digest | None:
    """The root that this path proves for the leaf (RFC 9162, 2.1.3.2), or None if it cannot be a path."""
    if not 0 <= index < size:
        return None
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        node >>= 1
        last >>= 1
    return result if last == 0 else None
