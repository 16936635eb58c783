"""Checking records against leaves, in the order of the log: each leaf has its record, or follows from one.

    leaf of a decision     its record and salt give just this entry
    leaves of deliveries   follow an accepted decision, one for each addressee, as it alone determines them;
                           they have no row of their own
    leaf of an act         its record and salt give just this entry; what it orders or announces is collected

What is reported: a record that was altered or is in another's place, one that is missing (the caller
holds those against the deletions that the log orders), deliveries that are missing or belong to no decision,
a submission that was decided twice. Small state: the deliveries still to come, and the last place of each
outbox. Where a Kafka that was put back may explain that places come again, a new stretch of them begins.
"""

from __future__ import annotations

import hmac
from collections import Counter, deque
from dataclasses import dataclass, field

from clients.audit.checks.directory_statements import Announcement
from clients.audit.checks.outbox_places import Outbox, Stretch, twice
from clients.audit.findings import Finding, FindingKind
from protocol.errors import Rejected
from protocol.identifiers import Digest
from protocol.trail.acts import (
    Act,
    AuditGap,
    PutBack,
    Rewinding,
    act_leaf,
    gap_of,
    parse_act,
    put_back_of,
    rewinding_of,
)
from protocol.trail.ledger_leaves import Row, open_decision, row_of_act
from protocol.trail.records import DECISIONS, RECORD_SALT, RecordType
from protocol.trail.records_file import ROW_COLUMNS

# entry  = 84 01 <type> 1b <t: 8 bytes> 58 20 <c: 32 bytes>      and a record begins like an entry:
# record = 8n 01 <type> 1b <t: 8 bytes> ...
ENTRY_SIZE = 46
_HEAD = slice(1, 12)
_COMMITMENT = slice(14, 46)

_COLUMNS = ("index", *ROW_COLUMNS)
_TYPES = frozenset(map(int, RecordType))
_DECISIONS = frozenset(map(int, DECISIONS))
_OF_THE_LOG = frozenset(
    {
        FindingKind.ENTRY_FORM,
        FindingKind.DELIVERY_MISSING,
        FindingKind.DELIVERY_STRAY,
        FindingKind.DECISION_TWICE,
    }
)
MOST_FINDINGS = 1_000
"""Of one range. More would add nothing, and must fit into memory."""


@dataclass(slots=True)
class Walked:
    """The result of a walk over a range of leaves. Small: it is passed between processes."""

    origin: str
    findings: list[Finding] = field(default_factory=list)
    types: Counter[int] = field(default_factory=Counter)
    missing: list[tuple[int, int]] = field(default_factory=list)
    """Leaves without a record, and how many leaves that record opened."""

    deletions: list[tuple[str, list[int]]] = field(default_factory=list)
    announced: list[Announcement] = field(default_factory=list)
    unverified: list[tuple[int, int, str]] = field(default_factory=list)
    """Leaf, offset in the audit topic, and code."""

    gaps: list[tuple[int, AuditGap]] = field(default_factory=list)
    """Leaves that state a gap of the audit topic."""

    ways_back: list[tuple[int, Rewinding]] = field(default_factory=list)
    """Leaves at which the ledger went back."""

    put_backs: list[tuple[int, PutBack]] = field(default_factory=list)
    """Leaves that state that Kafka was put back."""

    stretches: list[Stretch] = field(default_factory=list)


class RecordWalk:
    """One walk. `see` takes the leaves in order; those before `begin` only give the context."""

    def __init__(self, origin: str, *, chained: bool) -> None:
        self.walked = Walked(origin)
        self._origin = origin
        self._chained = chained
        self._to_come: deque[bytes] = deque()
        self._unknown = True
        """Whether the last decision's record is not at hand, so that its deliveries cannot be derived."""

        self._muted = True

    def begin(self, index: int) -> None:
        """From here on leaves are checked."""
        self._muted = False
        self.walked.stretches.append(Stretch(index))

    def cut(self, index: int) -> None:
        """From here on places of outboxes may come again."""
        if self.walked.stretches[-1].begin != index:
            self.walked.stretches.append(Stretch(index))

    def see(self, index: int, entry: bytes, row: Row | None) -> None:
        """The next leaf, with the row that stands at it, if there is one."""
        if index == 0 and self._chained:
            return
        kind = entry[2] if len(entry) == ENTRY_SIZE else 0
        if kind not in _TYPES or entry[:2] != b"\x84\x01" or entry[3] != 0x1B or entry[12:14] != b"\x58\x20":
            self._find(FindingKind.ENTRY_FORM, index, f"leaf {index} is no entry of an audit log")
            return
        if not self._muted:
            self.walked.types[kind] += 1
        if kind == RecordType.DELIVERED:
            self._delivery(index, entry, row)
            return
        self.end(index)
        self._unknown = True
        if row is None or row.record is None:
            self._lacks(index, 1 if row is None else row.leaves)
        elif type(row.record) is not bytes or type(row.salt) is not bytes or len(row.salt) != RECORD_SALT:
            # SQLite gives back any type that was put into a column; and HMAC fills a short key with zeros.
            self._altered(index)
        else:
            self._opened(entry, row, row.record, row.salt)

    def end(self, index: int) -> None:
        """No more deliveries of the last decision come."""
        if self._to_come:
            what = f"{len(self._to_come)} deliveries of an accepted message are missing before leaf {index}"
            self._find(FindingKind.DELIVERY_MISSING, index, what)
            self._to_come.clear()

    def gap(self) -> None:
        """Entries are missing here: what follows is not compared with what came before."""
        self._to_come.clear()
        self._unknown = True

    def end_of_range(self, last: int, *, size: int, follows: bytes | None) -> None:
        """The range ends before this leaf; the deliveries still to come may stand in the next one."""
        if last >= size or (follows is not None and follows[2:3] != bytes([RecordType.DELIVERED])):
            self.end(last)

    def _delivery(self, index: int, entry: bytes, row: Row | None) -> None:
        if self._to_come and self._to_come[0] == entry:
            self._to_come.popleft()
        elif not self._unknown:
            what = f"leaf {index} is a delivery that does not follow from the decision before it"
            self._find(FindingKind.DELIVERY_STRAY, index, what)
        if row is not None:
            what = f"a row stands at leaf {index}, which follows from another record"
            self._find(FindingKind.RECORD_ORPHAN, index, what)

    def _opened(self, entry: bytes, row: Row, record: bytes, salt: bytes) -> None:
        """Whether the record opens this leaf, and what it says: of its row, and of the leaves that follow."""
        try:
            decides = entry[2] in _DECISIONS
            said, entries = (
                open_decision(record, salt, index=row.index)
                if decides
                else _open_act(record, salt, row.index)
            )
        except (Rejected, ValueError, TypeError, LookupError):
            if opens(entry, record, salt):
                self._find(
                    FindingKind.RECORD_FORM, row.index, f"the record of leaf {row.index} is none of ours"
                )
            else:
                self._altered(row.index)
            return
        if entries[0] != entry:
            self._altered(row.index)
            return
        self._unknown = False
        self._to_come.extend(entries[1:])
        if said != row:
            columns = [name for name, a, b in zip(_COLUMNS, said, row, strict=True) if a != b]
            what = f"the row of leaf {row.index} says something else than its record: {', '.join(columns)}"
            self._find(FindingKind.RECORD_INDEX, row.index, what)
        if not self._muted:
            self._position(row.index, record) if decides else self._collect(row.index, parse_act(record))

    def _altered(self, index: int) -> None:
        self._find(
            FindingKind.RECORD_ALTERED, index, f"the record of leaf {index} is not the one that was logged"
        )

    def _position(self, index: int, record: bytes) -> None:
        outbox, offset = _place(record)
        if not self.walked.stretches[-1].takes(outbox, offset, index):
            self._find(FindingKind.DECISION_TWICE, index, twice(outbox, offset, index))

    def _collect(self, index: int, act: Act) -> None:
        match act:
            case Act(type=RecordType.DELETION, detail=(origin, indexes, _)):
                self.walked.deletions.append((origin, indexes))
            case Act(type=RecordType.AUDIT_GAP) if (gap := gap_of(act)) is not None:
                self.walked.gaps.append((index, gap))
            case Act(type=RecordType.AUDIT_REWOUND) if (way := rewinding_of(act)) is not None:
                self.walked.ways_back.append((index, way))
            case Act(type=RecordType.KAFKA_PUT_BACK) if (back := put_back_of(act)) is not None:
                self.walked.put_backs.append((index, back))
            case Act(type=RecordType.UNVERIFIED, detail=(offset, code)):
                self.walked.unverified.append((index, offset, code))
            case Act(
                type=RecordType.DIRECTORY_STATEMENT, subject=statement, detail=(position, _, _, _, root)
            ) if statement is not None:
                self.walked.announced.append(
                    Announcement(self._origin, index, position, statement, Digest(root))
                )
            case _:
                return

    def _lacks(self, index: int, leaves: int) -> None:
        if not self._muted:
            self.walked.missing.append((index, leaves))

    def _find(self, kind: FindingKind, index: int, what: str) -> None:
        if not self._muted and len(self.walked.findings) < MOST_FINDINGS:
            place = "" if kind in _OF_THE_LOG else "records.sqlite"
            self.walked.findings.append(Finding(kind, self._origin, what, place, index))


def opens(entry: bytes, record: bytes, salt: bytes) -> bool:
    """Whether record and salt are what this entry commits to: type and time in clear, the rest by HMAC."""
    if type(record) is not bytes or type(salt) is not bytes or len(salt) != RECORD_SALT:
        return False
    return record[_HEAD] == entry[_HEAD] and hmac.digest(salt, record, "sha256") == entry[_COMMITMENT]


def _open_act(record: bytes, salt: bytes, index: int) -> tuple[Row, list[bytes]]:
    act = parse_act(record)
    leaf = act_leaf(act, salt)
    return row_of_act(act, leaf, index=index), [leaf.entry]


def _place(record: bytes) -> tuple[Outbox, int]:
    """Outbox and offset of a well-formed decision: 89 01 type 1b t 83 unit partition offset ..."""
    start = _HEAD.stop + 1
    at = start + (record[start] - 0x5F if record[start] < 0x78 else record[start + 1] + 2)
    _, end = _uint(record, at)
    offset, _ = _uint(record, end)
    return record[start:end], offset


def _uint(data: bytes, at: int) -> tuple[int, int]:
    head = data[at]
    if head < 24:
        return head, at + 1
    end = at + 1 + (1 << head - 24)
    return int.from_bytes(data[at + 1 : end], "big"), end
