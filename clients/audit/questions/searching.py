"""Searching records, each verified against the leaf that commits to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from clients.audit.checks.record_walk import opens
from clients.audit.copy.absence import continued_log
from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.copy.record_reader import RecordReader
from clients.audit.questions.rows import row_of_record
from clients.audit.questions.session import AuditSession
from protocol.errors import Rejected
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, read_entries, tile_of
from protocol.trail.acts import parse_any_record
from protocol.trail.ledger_leaves import Row
from protocol.trail.records import RecordType
from runtime.errors import NotVerified


@dataclass(frozen=True, slots=True)
class RecordSearch:
    """What to search for; a field that is None is not compared."""

    unit: str | None = None
    since: int | None = None
    until: int | None = None
    kind: str | None = None
    reason: str | None = None
    message: bytes | None = None

    def condition(self) -> tuple[str, list[object]]:
        """As SQL over the columns of the store, with its values."""
        parts: list[tuple[str, object]] = []
        if self.unit is not None:
            parts.append(("instr(' ' || units || ' ', ?) > 0", f" {self.unit} "))
        if self.since is not None:
            parts.append(("t >= ?", self.since))
        if self.until is not None:
            parts.append(("t < ?", self.until))
        if self.kind is not None:
            parts.append(("type = ?", int(RecordType[self.kind.upper()])))
        if self.reason is not None:
            parts.append(("instr(' ' || reasons || ' ', ?) > 0", f" {self.reason} "))
        if self.message is not None:
            parts.append(("mid = ?", self.message))
        return " AND ".join(part for part, _ in parts) or "1", [value for _, value in parts]


@dataclass(slots=True)
class SearchResult:
    """What was found, and which leaves' records are not those that were logged."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    cut: bool = False
    """Whether there are older ones that answer to it."""

    ahead: int = 0
    """How many were left out because no checkpoint covers them yet: the ledger is at work on this store."""


def find_records(session: AuditSession, query: RecordSearch, *, limit: int | None = None) -> SearchResult:
    """The records that answer to it, oldest first; or the newest so many."""
    found = SearchResult()
    for origin, row, is_true in checked(session, query, newest_first=limit is not None):
        place = f"leaf {row.index} of {origin}"
        if is_true is None:
            found.ahead += 1
            continue
        if not is_true:
            found.altered.append(place)
            continue
        if len(found.rows) == limit:
            found.cut = True
            break
        found.rows.append({"log": origin, "leaf": row.index, **_said(row)})
    if limit is not None:
        found.rows.reverse()
    return found


def checked(
    session: AuditSession, query: RecordSearch, *, newest_first: bool = False
) -> Iterator[tuple[str, Row, bool | None]]:
    """Rows with their logs, and whether each is what its leaf says; of a deleted one, type and time.

    None for a row behind the checkpoint's size, where nothing signed exists to check it against: the ledger
    commits before it publishes (docs/adr/0013), so that a store in use has such rows for a moment.
    """
    entries = {head.checkpoint.origin: _Entries(head) for head in session.audit_heads()}
    where, values = query.condition()
    with RecordReader(session.records()) as reader:
        for origin, row in reader.search(where, values, newest_first=newest_first):
            known = entries.get(origin)
            if known is not None and row.index >= known.size:
                yield origin, row, None
                continue
            entry = None if known is None else known.at(row.index)
            yield origin, row, entry is not None and _is_of(entry, row)


def refuse_gaps(session: AuditSession) -> None:
    """Raise if leaves have no row in the store: what was removed answers to no question.

    Leaves of the newest half-year behind the last row are no gap: the store was copied before its log.
    """
    heads = session.audit_heads()
    with RecordReader(session.records()) as reader:
        for head in heads:
            checkpoint = head.checkpoint
            covered, end = reader.coverage(checkpoint.origin, checkpoint.size)
            due = end if head is heads[-1] else checkpoint.size
            gone = due - covered - (1 if _is_continued(head) else 0)
            if gone > 0:
                raise NotVerified(
                    f"{gone} leaves of {checkpoint.origin} have no record in the store, and are not found",
                    hint="'contrada audit fsck' says which, and whether their deletion was ordered",
                )


def _is_continued(head: CopiedHead) -> bool:
    """Whether the first leaf is the last checkpoint of the half-year before, which has no record."""
    first = _Entries(head).at(0)
    return first is not None and continued_log(head.log, head.checkpoint, first) is not None


def refuse_altered(altered: Sequence[str]) -> None:
    """Raise if there was one."""
    if altered:
        more = f" and {len(altered) - 3} more" if len(altered) > 3 else ""
        raise NotVerified(
            f"records left out, because they are not what was logged: {', '.join(altered[:3])}{more}",
            hint="'contrada audit fsck' says what is wrong with them",
        )


def _is_of(entry: bytes, row: Row) -> bool:
    if row.record is None:
        return entry[2:3] == bytes([row.type]) and entry[4:12] == row.t.to_bytes(8, "big")
    return row.salt is not None and opens(entry, row.record, row.salt)


def _said(row: Row) -> dict[str, Any]:
    if row.record is None:
        return {"type": RecordType(row.type).name.lower(), "time": None, "deleted_by": row.erased_by}
    try:
        return row_of_record(parse_any_record(row.record))
    except Rejected as rejected:
        return {"type": RecordType(row.type).name.lower(), "unreadable": rejected.code}


class _Entries:
    """The entries of one log, by index. Rows come in order, so that one tile at a time is enough."""

    def __init__(self, head: CopiedHead) -> None:
        self._head = head
        self._tile = -1
        self._entries: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves the checkpoint covers."""
        return self._head.checkpoint.size

    def at(self, index: int) -> bytes | None:
        """The entry; None where the log has none."""
        size = self.size
        if not 0 <= index < size:
            return None
        tile, place = divmod(index, TILE_WIDTH)
        if tile != self._tile:
            try:
                self._entries = read_entries(self._head.log.read, tile_of(ENTRIES, tile, size=size))
            except Rejected:
                self._entries = []
            self._tile = tile
        return self._entries[place] if place < len(self._entries) else None
