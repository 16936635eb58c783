"""The Merkle tree of RFC 6962 (RFC 9162, 2.1): roots, paths of a run of leaves, and all verification.

Pure mathematics over leaf hashes; it does not know what a leaf means. The router signs one root per
batch (protocol/trail/batches.py), the key directory has one root per length (keys/directory.py), and the logs
keep their trees as tiles (protocol/tlog/tiles.py), from which protocol/tlog/proofs.py makes proofs.

Why a proof cannot be forged: a leaf is hashed behind 0x00 and a node behind 0x01, so neither can be taken for
the other, and the sizes alone determine the side of each hash of a proof. A proof has one length for its
sizes; one hash more or less proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from protocol.errors import Code, Rejected
from protocol.identifiers import Digest

EMPTY_ROOT = Digest(sha256(b"").digest())


def leaf_hash(data: bytes) -> Digest:
    """SHA-256(0x00 || data)."""
    return Digest(sha256(b"\x00" + data).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    """SHA-256(0x01 || left || right)."""
    return Digest(sha256(b"\x01" + left + right).digest())


class Frontier:
    """An append-only tree of which only the right edge is kept: the roots of its full subtrees.

    The sizes of these subtrees are the bits of `size`, so that `size` and `nodes` are the whole state.
    """

    __slots__ = ("_full", "size")

    def __init__(self) -> None:
        self.size = 0
        self._full: list[Digest] = []

    @classmethod
    def resume(cls, size: int, nodes: Iterable[bytes]) -> Frontier:
        """A frontier as it was kept: a root for each bit of `size`, the largest subtree first."""
        frontier = cls()
        frontier.size = size
        frontier._full = [Digest(node) for node in nodes]
        if size < 0 or len(frontier._full) != size.bit_count() or not _hashes(frontier._full):
            raise Rejected(Code.E_TILE, "these are not the subtrees of a tree of this size")
        return frontier

    @property
    def nodes(self) -> tuple[Digest, ...]:
        """The roots of the full subtrees, the largest first."""
        return tuple(self._full)

    def append(self, leaf: Digest) -> None:
        """Add one leaf hash; amortised one hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[Digest]) -> None:
        """Add leaf hashes, each amortised one hash."""
        full, size = self._full, self.size
        for leaf in leaves:
            node, carry = leaf, size
            # Each trailing one of the size so far is a subtree as large as this node: together one more.
            while carry & 1:
                node = node_hash(full.pop(), node)
                carry >>= 1
            full.append(node)
            size += 1
        self.size = size

    def root(self) -> Digest:
        """The root of all leaves so far."""
        return fold(self._full)


def fold(nodes: Sequence[Digest]) -> Digest:
    """The root over adjoining full subtrees, the largest first."""
    if not nodes:
        return EMPTY_ROOT
    root = nodes[-1]
    for left in reversed(nodes[:-1]):
        root = node_hash(left, root)
    return root


def root_of(leaves: Iterable[Digest]) -> Digest:
    """The root over these leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def inclusion_paths(
    leaves: Sequence[Digest], *, before: Frontier | None = None
) -> tuple[Digest, list[tuple[Digest, ...]]]:
    """The root over `before` and these leaves, and for each of them its inclusion path (RFC 9162, 2.1.3.1).

    Of the tree before them the frontier is enough: what stands left of a run of new leaves is full subtrees.
    """
    size, full = (0, []) if before is None else (before.size, list(before.nodes))
    if not leaves:
        return fold(full), []
    rows: list[tuple[int, list[Digest]]] = []
    first, row = size, list(leaves)
    while first or len(row) > 1:
        if first & 1:
            # A left sibling made of older leaves only: the smallest full subtree that is still unused.
            row.insert(0, full.pop())
            first -= 1
        rows.append((first, row))
        above = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        if len(row) & 1:
            # Without a sibling it goes up unchanged: the shape that RFC 6962 gives to an unbalanced tree.
            above.append(row[-1])
        first, row = first >> 1, above
    return row[0], _paths_down(rows, size=size, count=len(leaves))


def _paths_down(rows: list[tuple[int, list[Digest]]], *, size: int, count: int) -> list[tuple[Digest, ...]]:
    """From the root down: the path of a node is its sibling, if there is one, and the path of its parent."""
    paths: list[tuple[Digest, ...]] = [()]
    start = 0
    for height in range(len(rows) - 1, -1, -1):
        first, row = rows[height]
        lowest, highest = size >> height, (size + count - 1) >> height
        below = []
        for index in range(lowest, highest + 1):
            sibling = (index ^ 1) - first
            above = paths[(index >> 1) - start]
            below.append((row[sibling], *above) if sibling < len(row) else above)
        paths, start = below, lowest
    return paths


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


def verify_inclusion(leaf: Digest, *, index: int, size: int, path: Sequence[Digest], root: bytes) -> bool:
    """Whether the path proves that the leaf stands at this index of the tree of this size and root."""
    return _hashes([leaf, *path]) and root_from_path(leaf, index=index, size=size, path=path) == root


def _hashes(path: Sequence[bytes]) -> bool:
    """Whether each step is a hash: of another length, it could move the border between left and right."""
    return all(len(step) == len(EMPTY_ROOT) for step in path)


def verify_consistency(
    old: int, old_root: bytes, *, new: int, new_root: bytes, path: Sequence[Digest]
) -> bool:
    """Whether the path proves that the new tree begins with the old one (RFC 9162, 2.1.4.2).

    Every tree begins with the empty one, and with itself: both are proved by the empty path.
    """
    if not 0 <= old <= new or not _hashes([old_root, new_root, *path]):
        return False
    if old == new:
        return not path and old_root == new_root and (old > 0 or old_root == EMPTY_ROOT)
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    # The old root is itself a node of the new tree when its size is a power of two, so it is not sent.
    steps = [Digest(old_root), *path] if old & (old - 1) == 0 else list(path)
    roots = _both_roots(steps, old=old - 1, new=new - 1)
    return roots is not None and roots == (old_root, new_root)


def proved_root(old: int, *, new: int, new_root: bytes, path: Sequence[Digest]) -> Digest | None:
    """The root that the new tree has over its first `old` leaves, where the path proves it by itself.

    None where it does not, and where `old` is a power of two: then the path does not have that root.
    """
    if not 0 < old < new or old & (old - 1) == 0 or not _hashes([new_root, *path]):
        return None
    roots = _both_roots(path, old=old - 1, new=new - 1)
    return roots[0] if roots is not None and roots[1] == new_root else None


def _both_roots(steps: Sequence[Digest], *, old: int, new: int) -> tuple[Digest, Digest] | None:
    """The roots of the old and the new tree, by the indexes of their last leaves, or None."""
    while old & 1:
        old >>= 1
        new >>= 1
    if not steps:
        return None
    before = after = steps[0]
    for step in steps[1:]:
        if new == 0:
            return None
        if old & 1 or old == new:
            before, after = node_hash(step, before), node_hash(step, after)
            while not old & 1 and old:
                old >>= 1
                new >>= 1
        else:
            after = node_hash(after, step)
        old >>= 1
        new >>= 1
    return (before, after) if new == 0 else None
