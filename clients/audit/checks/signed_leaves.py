"""Checking signatures of routers and operators against the log: the ledger invented no leaf.

A router signs one root over the decisions of each of its transactions, and an operator of the centre one over
the acts that they state together. The ledger keeps these signatures beside the records; they name no record
and no salt, so they stay when records are deleted. Here each is verified with the key from the directory's
log, over the entries that the tiles have. Every decision must be covered by a router's, every act by that of
an operator who may state it, and of two where that takes two registrars; and where its record is there, it
names the first one. Exempt is what the ledger
writes itself in the place of a record that does not verify. What is reported: the first leaf of what does not
hold, and each leaf that nothing covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Final

from clients.audit.checks.record_walk import ENTRY_SIZE, MOST_FINDINGS
from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.copy.ledger_copy import LogFiles
from clients.audit.copy.record_reader import RecordReader, unreadable
from clients.audit.findings import Finding, FindingKind, Tell
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from protocol.errors import Code, Rejected
from protocol.limits import MAX_RECIPIENTS
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, read_entries, tile_of
from protocol.trail.batches import check_batch
from protocol.trail.records import DECISIONS, RecordType
from protocol.trail.records_file import SignedLeaves
from protocol.trail.stated_acts import MAX_ACTS, MAY_STATE, Stated, check_stated
from protocol.trail.two_signatures import TAKES_TWO
from runtime.errors import Unavailable

_NEEDED: Final = {
    **{int(kind): FindingKind.DECISION_UNSIGNED for kind in DECISIONS},
    **{int(kind): FindingKind.ACT_UNSIGNED for kind, roles in MAY_STATE.items() if roles},
}
_NOT_COVERED: Final = {
    FindingKind.DECISION_UNSIGNED: "a decision that no router's batch covers",
    FindingKind.ACT_UNSIGNED: "an act that no operator's signature covers",
}
PLACE: Final = "records.sqlite"

_MOST: Final = MAX_ACTS * (1 + MAX_RECIPIENTS)
"""The most leaves that one record of the audit topic makes."""

_AT_ONCE = 10_000
"""Signatures of one task; each task verifies the directory once."""

_KEPT = 4
"""Tiles that are cached: signed ranges follow each other, and seldom span more than a few."""


@dataclass(slots=True)
class Entries:
    """The entries of a log by their place, from its tiles."""

    log: LogFiles
    size: int
    _tiles: dict[int, list[bytes]] = field(default_factory=dict)

    def between(self, first: int, end: int) -> Iterator[bytes]:
        """Those from `first` on, before `end`; `Rejected` where a tile is missing."""
        for number in range(first // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
            start = number * TILE_WIDTH
            yield from self._tile(number)[max(0, first - start) : end - start]

    def _tile(self, number: int) -> list[bytes]:
        if number not in self._tiles:
            if len(self._tiles) >= _KEPT:
                self._tiles.clear()
            self._tiles[number] = read_entries(self.log.read, tile_of(ENTRIES, number, size=self.size))
        return self._tiles[number]


@dataclass(frozen=True, slots=True)
class Vouched:
    """Leaves whose signature holds."""

    first: int
    leaves: int
    by: Stated | None
    """The operators who stated them; None: a router decided them."""


Verdict = tuple[list[Vouched], list[tuple[int, str]]]
"""What holds, and the first leaves of what does not, with the code."""


@dataclass(frozen=True, slots=True)
class SignatureTask:
    """What was signed of some leaves of one log, and how to verify it."""

    log: LogFiles
    size: int
    statements: Sequence[bytes]
    root: RootOfTrust


def check_signed(
    head: CopiedHead,
    records: Path,
    directory: tuple[Sequence[bytes], RootOfTrust],
    *,
    pool: ProcessPoolExecutor | None,
    tell: Tell,
) -> None:
    """Every decision of this log is one that a router signed, and every act one that its operator stated."""
    origin, entries = head.checkpoint.origin, Entries(head.log, head.checkpoint.size)
    try:
        with RecordReader(records) as reader:
            signed = reader.signed(origin, entries.size)
            good, wrong = _all_verified(signed, SignatureTask(head.log, entries.size, *directory), pool)
            strange = list(_strange(reader, origin, entries, good))
    except Unavailable as error:
        tell(unreadable(records, error))
        return
    alone = {index for index, why in wrong if why == Code.E_AGREEMENT.value}
    for index, why in wrong:
        what = f"what was signed of leaf {index} does not hold: {why}"
        kind = FindingKind.ACT_ALONE if index in alone else _kind_at(entries, index)
        tell(Finding(kind, origin, what, PLACE, index))
    for index, what in _by_whom(entries, good):
        tell(Finding(FindingKind.SIGNED_BY, origin, what, "", index))
    for kind, index, what in strange:
        tell(Finding(kind, origin, what, "" if kind is FindingKind.ACT_TWICE else PLACE, index))
    covered = sorted([*good, *(Vouched(index, 1, None) for index in alone)], key=lambda each: each.first)
    for index, kind in islice(_uncovered(entries, covered), MOST_FINDINGS):
        tell(Finding(kind, origin, f"leaf {index}: {_NOT_COVERED[kind]}", "", index))


def _all_verified(
    signed: Sequence[SignedLeaves], task: SignatureTask, pool: ProcessPoolExecutor | None
) -> Verdict:
    parts = [signed[start : start + _AT_ONCE] for start in range(0, len(signed), _AT_ONCE)]
    found = map(verified, repeat(task), parts) if pool is None else pool.map(verified, repeat(task), parts)
    good, wrong = zip(*found, strict=True) if parts else ((), ())
    return list(chain(*good)), list(chain(*wrong))


def verified(task: SignatureTask, signed: Sequence[SignedLeaves]) -> Verdict:
    """Verify some of it. Runs in any process."""
    directory = _directory(task)
    entries = Entries(task.log, task.size)
    good, wrong = [], []
    for first, leaves, data in signed:
        if type(leaves) is not int or leaves > _MOST or type(data) is not bytes:
            wrong.append((first, Code.E_SCHEMA.value))
            continue
        try:
            by = _check(list(entries.between(first, min(first + leaves, task.size))), data, directory)
        except Rejected as rejected:
            wrong.append((first, rejected.code))
        else:
            good.append(Vouched(first, leaves, by))
    return good, wrong


def _check(entries: Sequence[bytes], signed: bytes, directory: Directory) -> Stated | None:
    """Verify it over these entries; the operators, if they are acts."""
    # A router states no act: with one act among the entries, all of them must be acts of an operator.
    if any(_kind(entry) is FindingKind.ACT_UNSIGNED for entry in entries):
        return check_stated(signed, entries, parties=directory)
    decisions = [entry for entry in entries if _kind(entry) is FindingKind.DECISION_UNSIGNED]
    check_batch(signed, decisions, parties=directory)
    return None


def _strange(
    reader: RecordReader, origin: str, entries: Entries, good: Iterable[Vouched]
) -> Iterator[tuple[FindingKind, int, str]]:
    """Acts whose signature holds, but whose record names another operator, or that are in the log twice."""
    seen: dict[bytes, int] = {}
    for each in good:
        if each.by is None:
            continue
        end = each.first + each.leaves
        for row in reader.rows(origin, each.first, end):
            if row.record is not None and row.sender != each.by.actor:
                what = f"leaf {row.index} is an act of {row.sender}, and {each.by.actor} stated it"
                yield FindingKind.ACT_UNSIGNED, row.index, what
        for index, entry in enumerate(entries.between(each.first, end), start=each.first):
            if (before := seen.setdefault(entry, index)) != index:
                yield FindingKind.ACT_TWICE, index, f"leaf {index} is the act of leaf {before} again"


def _by_whom(entries: Entries, good: Iterable[Vouched]) -> Iterator[tuple[int, str]]:
    """Of each act that two people state, which registrars have signed it."""
    for each in good:
        if each.by is None:
            continue
        for index, entry in enumerate(entries.between(each.first, each.first + each.leaves), each.first):
            if entry[2] in TAKES_TWO:
                yield index, f"leaf {index}: {RecordType(entry[2]).name.lower()}, signed by {each.by.names}"


def _directory(task: SignatureTask) -> Directory:
    directory = Directory(task.root)
    for statement in task.statements:
        try:
            directory.apply(statement)
        except Rejected:
            continue  # reported where the directory is checked
    return directory


def _uncovered(entries: Entries, good: Sequence[Vouched]) -> Iterator[tuple[int, FindingKind]]:
    at = 0
    for each in [*good, Vouched(entries.size, 0, None)]:
        if each.first > at:
            yield from _needing(entries, at, each.first)
        at = max(at, each.first + each.leaves)


def _needing(entries: Entries, first: int, end: int) -> Iterator[tuple[int, FindingKind]]:
    try:
        for index, entry in enumerate(entries.between(first, end), start=first):
            if (kind := _kind(entry)) is not None:
                yield index, kind
    except Rejected:
        return  # missing entries are reported where the tree is checked


def _kind(entry: bytes) -> FindingKind | None:
    """The finding if no signature covers this entry; None for an entry that needs none of its own."""
    return _NEEDED.get(entry[2]) if len(entry) == ENTRY_SIZE else None


def _kind_at(entries: Entries, index: int) -> FindingKind:
    try:
        return next(map(_kind, entries.between(index, index + 1)), None) or FindingKind.DECISION_UNSIGNED
    except Rejected:
        return FindingKind.DECISION_UNSIGNED  # its entry is missing, and reported where the tree is checked
