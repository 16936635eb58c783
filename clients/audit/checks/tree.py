"""Checking the files of a log's tree against the signed root, and naming the file that is wrong.

    signed root
      └── hashes of the highest level ── ... ── level 1 ── level 0 (leaf hashes) ── entries

Each hash has up to two sources: the stored tile, and the level below, computed from the entries. Judged from
the top: the signed root says which of the two is right for the right edge, and a hash that is known to be
right says it for the whole tile below it. So an altered file is named itself, and not all that is above it.

Owns that judgement. Entries are hashed in level_zero.py; what an entry means is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from clients.audit.copy.ledger_copy import LogFiles
from clients.audit.copy.level_zero import LastTile, TilePair, root_of_tile
from clients.audit.findings import Finding, FindingKind, Tell, span
from protocol.errors import Rejected
from protocol.identifiers import Digest
from protocol.merkle import Frontier, fold
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, levels_of, read_hashes, tile_of

Known = Digest | None


@dataclass(slots=True)
class Level:
    """All hashes of one level of tiles, from both sources; `right` is filled from the top."""

    computed: list[Known]
    stored: list[Known]
    right: list[Known]


class TreeCheck:
    """The judgement over one log. Give it every pair of level 0, then ask."""

    def __init__(self, log: LogFiles, checkpoint: Checkpoint, tell: Tell) -> None:
        self._log = log
        self._size = checkpoint.size
        self._root = checkpoint.root
        self._origin = checkpoint.origin
        self._tell = tell
        self._pairs: dict[int, TilePair] = {}
        self._roots: list[tuple[Known, Known]] = []
        self._edge = LastTile((), ())
        self._holds = True

    def take(self, pairs: Sequence[TilePair], edge: LastTile | None) -> None:
        """Take the result of a range of level 0, in order. Of a correct tile only the root is kept."""
        for pair in pairs:
            if pair.trouble or pair.differing:
                self._pairs[pair.index] = pair
            if (pair.index + 1) * TILE_WIDTH <= self._size:
                self._roots.append((pair.by_entries, pair.by_hashes))
        if edge is not None:
            self._edge = edge

    def judge(self) -> bool:
        """Report what is wrong; True if nothing is."""
        if self._size == 0:
            if self._root != fold([]):
                self._wrong_root()
            return self._holds
        levels = self._levels()
        if not self._find_right_edge(levels):
            self._wrong_root()
        self._judge_down(levels)
        for number, level in enumerate(levels[1:], start=1):
            self._judge_level(number, level)
        for pair in self._pairs.values():
            self._judge_pair(pair, levels)
        return self._holds

    def _wrong_root(self) -> None:
        what = f"what is stored does not make the root that was signed over {self._size} leaves"
        self._find(FindingKind.ROOT, what, place="checkpoint")

    # Both sources of every level.

    def _levels(self) -> list[Level]:
        leaves = self._edge
        width = self._size % TILE_WIDTH
        zero = Level(_or_unknown(leaves.by_entries, width), _or_unknown(leaves.by_hashes, width), [])
        levels = [zero]
        computed = [by_entries for by_entries, _ in self._roots]
        for number in range(1, levels_of(self._size)):
            count = self._size >> 8 * number
            levels.append(Level(computed, self._stored(number, count), [None] * count))
            computed = [_tile_root(computed, at) for at in range(count // TILE_WIDTH)]
        return levels

    def _stored(self, number: int, count: int) -> list[Known]:
        found: list[Known] = []
        for index in range(-(-count // TILE_WIDTH)):
            tile = tile_of(number, index, size=self._size)
            try:
                found += read_hashes(self._log.read, tile)
            except Rejected:
                found += [None] * tile.width
        return found

    # From the signed root down.

    def _find_right_edge(self, levels: list[Level]) -> bool:
        """Choose, level by level, the source with which the right edge gives the signed root."""
        ends = [_partial(level, first=number == 0) for number, level in enumerate(levels)]
        choices = [[end for end in pair if end is not None] for pair in ends]
        for chosen in product(*choices):
            nodes = [node for end in reversed(chosen) for node in _peaks(end)]
            if fold(nodes) == self._root:
                for level, end in zip(levels, chosen, strict=True):
                    level.right[len(level.right) - len(end) :] = end
                return True
        return False

    def _judge_down(self, levels: list[Level]) -> None:
        for number in range(len(levels) - 2, 0, -1):
            level, above = levels[number], levels[number + 1]
            for index, right in enumerate(above.right):
                tile = slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)
                for witness in (level.computed, level.stored):
                    if right is not None and _tile_root(witness, index) == right:
                        level.right[tile] = witness[tile]
                        break
                else:
                    self._nobody(number, index, right)
        for index, right in enumerate(levels[1].right if len(levels) > 1 else ()):
            if right not in self._roots[index]:
                self._nobody(0, index, right)

    def _nobody(self, number: int, index: int, right: Known) -> None:
        """Neither source of this tile is right: entries and hashes were changed together."""
        if right is None:
            return  # reported where it begins, further up
        width = TILE_WIDTH ** (number + 1)
        what = f"{span(index * width, (index + 1) * width - 1)}: entries and hashes are not what was signed"
        place = Tile(number, index, TILE_WIDTH).path
        self._find(FindingKind.ENTRY_ALTERED, what, place=place, index=index * width)

    # The findings.

    def _judge_level(self, number: int, level: Level) -> None:
        """Hash tiles above the leaves."""
        for index in range(-(-len(level.stored) // TILE_WIDTH)):
            tile = tile_of(number, index, size=self._size)
            at = slice(index * TILE_WIDTH, index * TILE_WIDTH + tile.width)
            stored, right = level.stored[at], level.right[at]
            against = right if None not in right else level.computed[at]
            if None in stored:
                self._find(FindingKind.TILE_MISSING, self._why(tile), place=tile.path)
            elif differing := _differing(stored, against):
                what = f"of {tile.width} hashes these are wrong: {_places(differing)}"
                self._find(FindingKind.TILE_ALTERED, what, place=tile.path)

    def _judge_pair(self, pair: TilePair, levels: list[Level]) -> None:
        """Entries and leaf hashes of one tile."""
        hashes_right, entries_right = self._who_is_right(pair, levels)
        hashes, entries = (tile_of(level, pair.index, size=self._size) for level in (0, ENTRIES))
        if pair.by_hashes is None:
            self._find(FindingKind.TILE_MISSING, self._why(hashes), place=hashes.path)
        if pair.by_entries is None:
            self._find(FindingKind.ENTRIES_MISSING, self._missing(entries), place=entries.path)
        first = pair.index * TILE_WIDTH
        for start, end in _runs(pair.differing):
            where = span(first + start, first + end)
            if entries_right:
                self._find(
                    FindingKind.TILE_ALTERED, f"{where}: wrong hash", place=hashes.path, index=first + start
                )
            else:
                says = "not what was signed" if hashes_right else "entry and hash do not fit each other"
                self._find(
                    FindingKind.ENTRY_ALTERED, f"{where}: {says}", place=entries.path, index=first + start
                )

    def _who_is_right(self, pair: TilePair, levels: list[Level]) -> tuple[bool, bool]:
        if pair.index < len(self._roots):
            right = levels[1].right[pair.index]
        else:
            known = [node for node in levels[0].right if node is not None]
            right = root_of_tile(known) if known else None
        return right is not None and pair.by_hashes == right, right is not None and pair.by_entries == right

    def _why(self, tile: Tile) -> str:
        try:
            read_hashes(self._log.read, tile)
        except Rejected as rejected:
            return rejected.sentence
        return "missing"

    def _missing(self, tile: Tile) -> str:
        first = tile.index * TILE_WIDTH
        trouble = self._pairs[tile.index].trouble
        return f"{span(first, first + tile.width - 1)}: {trouble[0] if trouble else 'missing'}"

    def _find(self, kind: FindingKind, what: str, *, place: str, index: int | None = None) -> None:
        self._holds = False
        self._tell(Finding(kind, self._origin, what, f"{self._log.label}/{place}", index))


def _or_unknown(hashes: Sequence[Digest] | None, width: int) -> list[Known]:
    return [None] * width if hashes is None else list(hashes)


def _partial(level: Level, *, first: bool) -> tuple[list[Digest] | None, list[Digest] | None]:
    width = len(level.computed) if first else len(level.computed) % TILE_WIDTH
    start = len(level.computed) - width
    if first:
        level.right = [None] * width
    return _whole(level.computed[start:]), _whole(level.stored[start:])


def _whole(hashes: Sequence[Known]) -> list[Digest] | None:
    found = [each for each in hashes if each is not None]
    return found if len(found) == len(hashes) else None


def _peaks(hashes: Sequence[Digest]) -> tuple[Digest, ...]:
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.nodes


def _tile_root(hashes: Sequence[Known], index: int) -> Known:
    tile = _whole(hashes[index * TILE_WIDTH : (index + 1) * TILE_WIDTH])
    return None if tile is None else root_of_tile(tile)


def _differing(stored: Sequence[Known], right: Sequence[Known]) -> tuple[int, ...]:
    return tuple(at for at, (a, b) in enumerate(zip(stored, right, strict=True)) if b is not None and a != b)


def _runs(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Positions as runs, both ends included."""
    for _, run in groupby(enumerate(positions), key=lambda pair: pair[1] - pair[0]):
        members = [position for _, position in run]
        yield members[0], members[-1]


def _places(positions: Sequence[int]) -> str:
    return ", ".join(str(start) if start == end else f"{start} to {end}" for start, end in _runs(positions))
