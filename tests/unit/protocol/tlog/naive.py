"""The trees of RFC 6962 word for word: slow, recursive, and what everything else is compared with.

Owns: MTH (2.1), PATH (2.1.1), SUBPROOF (2.1.2), and a store of tiles in memory. Rule: nothing of ours is used
but hashes, so that a fault of ours cannot repeat itself here.
"""

from __future__ import annotations

from hashlib import sha256

from protocol.errors import Code, Rejected
from protocol.tlog.tiles import Tile


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: list[bytes]) -> bytes:
    """MTH, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), root(leaves[k:])]
    return [*path(m - k, leaves[k:]), root(leaves[:k])]


def consistency(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) for 0 < m < n; nothing is to be proved otherwise."""
    return subproof(m, leaves, True) if 0 < m < len(leaves) else []


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), root(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), root(leaves[:k])]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def tile(level: int, index: int, width: int, leaves: list[bytes]) -> bytes:
    """The definition of a tile in tlog-tiles: MTH(D[(n*256+i) * 256**l : (n*256+i+1) * 256**l])."""
    span = 256**level
    first = index * 256 * span
    return b"".join(root(leaves[first + i * span : first + (i + 1) * span]) for i in range(width))


class Store:
    """Files of a log in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reads: list[Tile] = []

    def read(self, tile: Tile) -> bytes:
        self.reads.append(tile)
        if tile.path not in self.files:
            raise Rejected(Code.E_TILE, f"{tile.path} is not here")
        return self.files[tile.path]
