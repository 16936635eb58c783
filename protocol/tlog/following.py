"""The follower of a log: checks from publication to publication that the log only grows.

    follower, advance = Follower.join(publication, policy)      begins with a checkpoint that is trusted
    advance = follower.take(publication, policy)                what is new; `Rejected` where it is wrong

A follower keeps the right edge of the tree and recomputes every root from the leaves themselves:

    E_LOG_ROLLBACK  the log has signed a size below the one that is held
    E_LOG_FORK      it has signed a tree that does not begin with the one that is held
    E_LOG_GAP       it has grown, and leaves between are missing: what was not seen is not confirmed
    E_TILE          the files are not those of the checkpoint: the publisher's or Kafka's fault, not the log's
    E_LOG_UNKNOWN, E_LOG_SIGNATURE, E_QUORUM      the checkpoint is not trusted (protocol/tlog/policy.py)

Rules: whatever is raised, the held state stays. A fork is searched for before the quorum is checked:
witnesses that did not sign are the first sign of one, and the log's own signature is all the evidence that
is needed. Leaves of parts, and of checkpoints that lack nothing but cosignatures, wait for a trusted one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Digest
from protocol.merkle import Frontier, inclusion_paths, leaf_hash, root_of
from protocol.parties import TreeHead
from protocol.tlog.checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.proofs import frontier_at
from protocol.tlog.publication import Publication
from protocol.tlog.tiles import HASH_SIZE, TILE_HEIGHT, TILE_WIDTH, Tile

MAX_WAITING: Final = 16_384
"""Tiles that wait for a trusted checkpoint: four million leaves, 128 MiB."""

LACKS_WITNESSES: Final = frozenset({Code.E_QUORUM, Code.E_COSIGNATURE})
"""Why a checkpoint is not trusted yet: a later one may be."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What a trusted checkpoint added to the held tree."""

    checkpoint: Checkpoint
    note: bytes = field(repr=False)
    before: Frontier = field(repr=False)
    """The tree before the first of the leaves."""

    leaves: tuple[Digest, ...] = field(repr=False)

    def paths(self) -> list[tuple[Digest, ...]]:
        """The inclusion path of each of the leaves, against the checkpoint's root."""
        return inclusion_paths(self.leaves, before=self.before)[1]


class Follower:
    """The state of one reader for one log."""

    __slots__ = ("_edge", "_waiting", "checkpoint", "note")

    def __init__(self, signed: SignedCheckpoint, edge: Frontier) -> None:
        self.checkpoint = signed.checkpoint
        """The last trusted one."""

        self.note = signed.data
        """Its bytes with all signatures: evidence, should the log ever say otherwise."""

        self._edge = edge
        self._waiting = SeenTiles()

    @classmethod
    def join(
        cls, publication: Publication, policy: Policy, *, seen: SeenTiles | None = None
    ) -> tuple[Follower, Advance]:
        """Begin with this publication: its right edge alone makes its root.

        `seen` are the parts that came before it; it is put behind them.
        """
        signed = _signed(publication, policy)
        policy.trusted(signed)
        seen, size = SeenTiles() if seen is None else seen, signed.checkpoint.size
        seen.put(publication)
        edge = frontier_at(size, seen.read)
        if edge.root() != signed.checkpoint.root:
            raise Rejected(Code.E_TILE, "the files of the publication do not make the root of its checkpoint")
        before, leaves = seen.end_of(edge)
        return cls(signed, edge), Advance(signed.checkpoint, signed.data, before, leaves)

    @classmethod
    def resume(cls, note: bytes, nodes: bytes) -> Follower:
        """A follower as it was kept by its `note` and `nodes`."""
        signed = parse_checkpoint(note)
        edge = Frontier.resume(signed.checkpoint.size, _split(nodes))
        if edge.root() != signed.checkpoint.root:
            raise Rejected(Code.E_TILE, "what was kept of the log is not what its checkpoint says")
        return cls(signed, edge)

    @property
    def origin(self) -> str:
        """The log that is followed."""
        return self.checkpoint.origin

    @property
    def head(self) -> TreeHead:
        """Size and root of the held tree."""
        return TreeHead(self.checkpoint.size, self.checkpoint.root)

    @property
    def nodes(self) -> bytes:
        """The edge of the tree, for `resume`."""
        return b"".join(self._edge.nodes)

    @property
    def waits(self) -> bool:
        """Whether something was taken in that no trusted checkpoint covers yet."""
        return bool(self._waiting)

    def take(self, publication: Publication, policy: Policy) -> Advance | None:
        """Go on to what is published; None while nothing new is trusted."""
        if publication.origin != self.origin:
            raise MisuseError("the publication of another log")
        signed = None if publication.note is None else _signed(publication, policy)
        self._waiting.put(publication)
        if signed is None:
            return None
        try:
            advance = self._judge(signed, policy)
        except Rejected as rejected:
            if rejected.reason not in LACKS_WITNESSES:
                self._waiting = SeenTiles()
            raise
        self._waiting = SeenTiles()
        return advance

    def _judge(self, signed: SignedCheckpoint, policy: Policy) -> Advance | None:
        new, held = signed.checkpoint, self.checkpoint
        if new.size < held.size:
            raise Rejected(Code.E_LOG_ROLLBACK, f"the log went from {held.size} back to {new.size}")
        leaves = self._waiting.leaves(held.size, new.size)
        after = None if leaves is None else self._extended(leaves)
        if self._contradicts(new, after):
            raise self._accusation(new)
        policy.trusted(signed)
        if leaves is None or after is None:
            raise Rejected(Code.E_LOG_GAP, f"leaves between {held.size} and {new.size} are missing")
        if not leaves:
            return None
        advance = Advance(new, signed.data, self._edge, leaves)
        self.checkpoint, self.note, self._edge = new, signed.data, after
        return advance

    def _extended(self, leaves: tuple[Digest, ...]) -> Frontier:
        after = Frontier.resume(self._edge.size, self._edge.nodes)
        after.extend(leaves)
        return after

    def _contradicts(self, new: Checkpoint, after: Frontier | None) -> bool:
        if after is not None:
            return after.root() != new.root
        # Leaves are missing, but the files may still show the tree of the held size, and another one.
        shown = self._waiting.frontier(self.checkpoint.size)
        return shown is not None and shown.nodes != self._edge.nodes

    def _accusation(self, new: Checkpoint) -> Rejected:
        """A fork, if the files are those that the log has signed."""
        if not self._waiting.make(new):
            return Rejected(Code.E_TILE, f"the files up to {new.size} are not those of the checkpoint")
        return Rejected(
            Code.E_LOG_FORK,
            f"the tree of {new.size} does not begin with the tree of {self.checkpoint.size} that we hold",
        )


class SeenTiles:
    """Tiles as publications showed them; of one tile in several widths the latest counts."""

    __slots__ = ("_tiles",)

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._tiles)

    def put(self, publication: Publication) -> None:
        """Remember the files of a publication."""
        if len(self._tiles) + len(publication.files) > MAX_WAITING:
            self._tiles.clear()
            raise Rejected(Code.E_SIZE, "a publication that does not come to its end")
        for tile, data in sorted(publication.files.items(), key=lambda item: item[0].width):
            self._tiles[tile.level, tile.index] = data

    def read(self, tile: Tile) -> bytes:
        """The tile, cut from a wider one where need be: a `TileReader`."""
        data = self._tiles.get((tile.level, tile.index), b"")
        if len(data) < tile.width * HASH_SIZE:
            raise Rejected(Code.E_TILE, f"{tile.path} was not published")
        return data[: tile.width * HASH_SIZE]

    def leaves(self, first: int, end: int) -> tuple[Digest, ...] | None:
        """The leaves from `first` to `end`, if all of them are here."""
        found: list[Digest] = []
        while (at := first + len(found)) < end:
            index, skip = divmod(at, TILE_WIDTH)
            hashes = _split(self._tiles.get((0, index), b""))[skip : end - index * TILE_WIDTH]
            if not hashes or skip + len(hashes) < min(TILE_WIDTH, end - index * TILE_WIDTH):
                return None
            found += hashes
        return tuple(found)

    def frontier(self, size: int) -> Frontier | None:
        """The tree of this size, if the files show it."""
        try:
            return frontier_at(size, self.read)
        except Rejected:
            return None

    def end_of(self, edge: Frontier) -> tuple[Frontier, tuple[Digest, ...]]:
        """The leaves behind which the files show nothing but full tiles, and the tree before them."""
        size = edge.size
        first = size // TILE_WIDTH * TILE_WIDTH
        before = self.frontier(first) or Frontier()
        while first and (0, first // TILE_WIDTH - 1) in self._tiles:
            earlier = self.frontier(first - TILE_WIDTH)
            if earlier is None:
                break
            first, before = first - TILE_WIDTH, earlier
        leaves = self.leaves(first, size)
        whole = Frontier.resume(before.size, before.nodes)
        whole.extend(leaves or ())
        return (before, leaves or ()) if whole.root() == edge.root() else (edge, ())

    def make(self, checkpoint: Checkpoint) -> bool:
        """Whether the files make the root of the checkpoint, each full tile that of its place above."""
        edge = self.frontier(checkpoint.size)
        if edge is None or edge.root() != checkpoint.root:
            return False
        return all(
            self._stands_above(level, index, data)
            for (level, index), data in self._tiles.items()
            if len(data) == TILE_WIDTH * HASH_SIZE
        )

    def _stands_above(self, level: int, index: int, data: bytes) -> bool:
        above = _split(self._tiles.get((level + 1, index >> TILE_HEIGHT), b""))
        place = index % TILE_WIDTH
        return place >= len(above) or root_of(_split(data)) == above[place]


def begins_with(first: Digest, previous: Checkpoint) -> bool:
    """Whether the first leaf of a shard is this checkpoint, the last of the shard before it."""
    return first == leaf_hash(previous.body().encode())


def _signed(publication: Publication, policy: Policy) -> SignedCheckpoint:
    if publication.note is None:
        raise Rejected(Code.E_LOG_GAP, "this is only a part of a publication")
    signed = parse_checkpoint(publication.note)
    if signed.checkpoint.origin != publication.origin:
        raise Rejected(Code.E_LOG_UNKNOWN, "the checkpoint of another log")
    policy.signed_by_log(signed)
    return signed


def _split(data: bytes) -> list[Digest]:
    return [Digest(data[at : at + HASH_SIZE]) for at in range(0, len(data), HASH_SIZE)]
