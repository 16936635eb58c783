"""Making proofs from the tiles of a tree (RFC 9162, 2.1.3 and 2.1.4), and for a batch while it is written.

Makes proofs; protocol/merkle.py verifies them. Trusts no tile: a wrong tile gives a proof that does not
verify, so the caller verifies it before use. Cost: each hash of a proof is the root over a part of one tile,
so a proof reads two tiles for each level, three levels up to sixteen million leaves.
"""

from __future__ import annotations

from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.merkle import Frontier, fold, root_of
from protocol.tlog.tiles import MAX_SIZE, TILE_HEIGHT, TILE_WIDTH, TileReader, read_hashes, tile_of

ProofPath = tuple[Digest, ...]


def inclusion_proof(index: int, size: int, read: TileReader) -> ProofPath:
    """That the leaf at this index belongs to the tree of this size: the siblings on its way to the root."""
    if not 0 <= index < size <= MAX_SIZE:
        raise Rejected(Code.E_PROOF, f"a tree of size {size} has no leaf {index}")
    return _Tree(size, read).path(index)


def consistency_proof(old: int, new: int, read: TileReader) -> ProofPath:
    """That the tree of the new size begins with that of the old one."""
    if not 0 <= old <= new <= MAX_SIZE:
        raise Rejected(Code.E_PROOF, f"a tree of size {new} does not begin with one of size {old}")
    return () if old in (0, new) else _Tree(new, read).consistency(old)


def frontier_at(size: int, read: TileReader) -> Frontier:
    """The full subtrees of the tree of this size."""
    if not 0 <= size <= MAX_SIZE:
        raise Rejected(Code.E_PROOF, f"no tree has the size {size}")
    return Frontier.resume(size, _Tree(size, read).subtrees(0, size))


def root_at(size: int, read: TileReader) -> Digest:
    """The root of the tree of this size."""
    return frontier_at(size, read).root()


class _Tree:
    """A tree of one size, of which each tile is read once at most."""

    __slots__ = ("_read", "_size", "_tiles")

    def __init__(self, size: int, read: TileReader) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[Digest]] = {}

    def path(self, index: int) -> ProofPath:
        """PATH of RFC 6962, 2.1.1, from the root down and then reversed."""
        begin, end, siblings = 0, self._size, []
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                siblings.append((middle, end))
                end = middle
            else:
                siblings.append((begin, middle))
                begin = middle
        return tuple(self._root(*sibling) for sibling in reversed(siblings))

    def consistency(self, old: int) -> ProofPath:
        """SUBPROOF of RFC 6962, 2.1.2, in the same way: down to the last full subtree of the old tree."""
        begin, end, steps = 0, self._size, []
        while old != end:
            middle = begin + _split(end - begin)
            if old <= middle:
                steps.append((middle, end))
                end = middle
            else:
                steps.append((begin, middle))
                begin = middle
        # What is left is a node of the old tree; when it is the whole of it, its root is known already.
        if begin:
            steps.append((begin, end))
        return tuple(self._root(*step) for step in reversed(steps))

    def _root(self, begin: int, end: int) -> Digest:
        return fold(self.subtrees(begin, end))

    def subtrees(self, begin: int, end: int) -> list[Digest]:
        """The roots of the full subtrees over these leaves, the largest first; one begins at `begin`."""
        nodes = []
        while begin < end:
            height = (end - begin).bit_length() - 1
            nodes.append(self._node(height, begin >> height))
            begin += 1 << height
        return nodes

    def _node(self, height: int, index: int) -> Digest:
        """The root of a full subtree: over a part of one tile."""
        level, inside = divmod(height, TILE_HEIGHT)
        tile, place = divmod(index << inside, TILE_WIDTH)
        return root_of(self._hashes(level, tile)[place : place + (1 << inside)])

    def _hashes(self, level: int, index: int) -> list[Digest]:
        found = self._tiles.get((level, index))
        if found is None:
            found = read_hashes(self._read, tile_of(level, index, size=self._size))
            self._tiles[level, index] = found
        return found


def _split(count: int) -> int:
    """The largest power of two below this count: where RFC 6962 divides a tree."""
    return 1 << (count - 1).bit_length() - 1
