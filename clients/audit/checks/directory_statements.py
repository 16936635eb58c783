"""Checks of the key directory's log: its statements, and their announcements in the audit log.

Every statement that entered the directory is announced in the audit log by exactly one leaf, with its
place and the directory's root after it. So no key enters or leaves the directory without a leaf in the audit
log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.copy.ledger_copy import LogFiles
from clients.audit.copy.level_zero import tiles_in
from clients.audit.findings import Finding, FindingKind, Tell
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.statements import parse_statement
from protocol.errors import Rejected
from protocol.identifiers import Digest, digest
from protocol.merkle import Frontier, leaf_hash
from protocol.tlog.tiles import ENTRIES, read_entries, tile_of


@dataclass(frozen=True, slots=True)
class Announcement:
    """A leaf of the audit log that names the directory's statement at this place."""

    origin: str
    index: int
    """The leaf, counted from 0."""

    position: int
    statement: Digest
    root: Digest


def check_statements(
    head: CopiedHead, statements: Sequence[bytes], root: RootOfTrust | None, tell: Tell
) -> Directory | None:
    """Each statement's form and, from a pinned root, its right to be there. The directory, if it holds."""
    place = head.log.label
    directory = None if root is None else Directory(root)
    for position, data in enumerate(statements):
        try:
            if directory is None:
                parse_statement(data)
            elif not directory.apply(data).new:
                tell(
                    Finding(
                        FindingKind.STATEMENT_TWICE,
                        head.checkpoint.origin,
                        "it is in the directory twice",
                        place,
                        position,
                    )
                )
        except Rejected as rejected:
            tell(
                Finding(FindingKind.STATEMENT_INVALID, head.checkpoint.origin, str(rejected), place, position)
            )
    if root is None:
        what = "signatures of the directory's statements; give the pinned root with --root"
        tell(Finding(FindingKind.NOT_CHECKED, head.checkpoint.origin, what))
    return directory


def check_announcements(
    head: CopiedHead, statements: Sequence[bytes], announced: Iterable[Announcement], tell: Tell
) -> None:
    """Exactly one announcement for each statement, and each names that statement."""
    roots = _roots(statements)
    by_position: dict[int, Announcement] = {}
    for each in announced:
        first = by_position.setdefault(each.position, each)
        if first is not each:
            what = f"statement {each.position} was announced before, at leaf {first.index}"
            tell(Finding(FindingKind.STATEMENT_TWICE, each.origin, what, "", each.index))
        elif each.position >= len(statements):
            what = f"statement {each.position} is announced, and the directory ends at {len(statements)}"
            tell(
                Finding(
                    FindingKind.STATEMENT_OTHER, each.origin, what, f"{head.log.label}/checkpoint", each.index
                )
            )
        elif each.statement != digest(statements[each.position]):
            what = f"it announces another statement {each.position} than the directory has"
            tell(Finding(FindingKind.STATEMENT_OTHER, each.origin, what, "", each.index))
        elif each.root != roots[each.position]:
            what = f"it announces another root of the directory after statement {each.position}"
            tell(Finding(FindingKind.STATEMENT_OTHER, each.origin, what, "", each.index))
    for position in range(len(statements)):
        if position not in by_position:
            what = f"statement {position} has no leaf in the audit log"
            tell(
                Finding(
                    FindingKind.STATEMENT_UNANNOUNCED, head.checkpoint.origin, what, head.log.label, position
                )
            )


def entries_of(log: LogFiles, size: int, tell: Tell, *, origin: str) -> list[bytes] | None:
    """All entries of a small log; None where some are missing, which is reported."""
    entries: list[bytes] = []
    for index in range(tiles_in(size)):
        try:
            entries += read_entries(log.read, tile_of(ENTRIES, index, size=size))
        except Rejected as rejected:
            tell(Finding(FindingKind.NOT_CHECKED, origin, f"the statements: {rejected.sentence}"))
            return None
    return entries


def _roots(statements: Sequence[bytes]) -> list[Digest]:
    frontier, roots = Frontier(), []
    for data in statements:
        frontier.append(leaf_hash(data))
        roots.append(frontier.root())
    return roots
