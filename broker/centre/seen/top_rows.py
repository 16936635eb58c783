"""`centre top`: what each unit does now, by the audit trail and by how far everybody has read.

Owns the counting. Pure: verified decisions and the time come in. Rules:
- All of it is bounded: decisions of the last minute, open requests, and both by a number.
- The centre reads no content: a reply of any kind counts as the answer to a request, one in part as well. A
  request that stands before the part of the trail that was read is not known. A unit's daemon counts exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker.centre.progress import Reader
from protocol.codes import MessageKind
from protocol.conversation.deadlines import answer_due
from protocol.conversation.following import REPLIES
from protocol.identifiers import Millis
from protocol.limits import MINUTE
from protocol.parties import Unit
from protocol.trail.batches import RecordType
from protocol.trail.records import SUMMARY_FIELDS, Record
from runtime.kafka.ports import Place

Row = dict[str, Any]

MOST_DECISIONS: Final = 100_000
MOST_REQUESTS: Final = 20_000

SORTS: Final = ("unit", "lag", "rate", "refused", "deadline", "heard")


@dataclass(slots=True)
class TrailCount:
    """What the decisions say that were read."""

    recent: deque[tuple[Millis, str, bool]] = field(default_factory=lambda: deque(maxlen=MOST_DECISIONS))
    """When, of whose outbox, and whether it was refused."""

    open: dict[tuple[bytes, str], Millis] = field(default_factory=dict)
    """Requests that have no reply of this addressee, with their deadline; of too many the oldest go."""

    def take(self, record: Record) -> None:
        """Count one decision."""
        refused = record.type is RecordType.REJECTED
        self.recent.append((record.t, record.source.unit, refused))
        if record.type is not RecordType.ACCEPTED or not isinstance(record.header, list):
            return
        said = dict(zip(SUMMARY_FIELDS, record.header, strict=True))
        if said["kind"] == MessageKind.REQUEST and record.header_digest is not None:
            due = answer_due(record.t, urgent=said["urgency"] is not None)
            for unit, _ in said["to"]:
                self.open[record.header_digest, unit] = due
            while len(self.open) > MOST_REQUESTS:
                self.open.pop(next(iter(self.open)))
        elif said["kind"] in REPLIES:
            for _, digest in said["refs"]:
                self.open.pop((digest, said["sender"]), None)

    def forget(self, now: Millis) -> None:
        """Let go of what is older than a minute."""
        while self.recent and self.recent[0][0] < now - MINUTE:
            self.recent.popleft()


def top_rows(
    units: Iterable[Unit], readers: Mapping[Place, Reader], count: TrailCount, *, now: Millis
) -> list[Row]:
    """A row for each unit."""
    count.forget(now)
    rows: dict[str, Row] = {
        unit.unit: {
            "unit": unit.unit,
            "suspended": unit.suspended,
            "outbox_lag": 0,
            "inbox_lag": 0,
            "heard": None,
            "rate": 0,
            "refused": 0,
            "open": 0,
            "deadline": None,
        }
        for unit in units
    }
    for reader in readers.values():
        _add_reader(rows, reader)
    for _, unit, refused in count.recent:
        if (row := rows.get(unit)) is not None:
            row["rate"] += 1
            row["refused"] += refused
    for (_, unit), due in count.open.items():
        if (row := rows.get(unit)) is not None:
            row["open"] += 1
            row["deadline"] = min(due, row["deadline"] or due)
    return list(rows.values())


def sorted_rows(rows: Iterable[Row], by: str) -> list[Row]:
    """The worst first, and by name where nothing else tells."""

    def key(row: Row) -> tuple[float, str]:
        match by:
            case "lag":
                return -(row["outbox_lag"] + row["inbox_lag"]), row["unit"]
            case "rate" | "refused":
                return -row[by], row["unit"]
            case "deadline":
                return row["deadline"] or float("inf"), row["unit"]
            case "heard":
                return row["heard"] or 0, row["unit"]
            case _:
                return 0, row["unit"]

    return sorted(rows, key=key)


def _add_reader(rows: Mapping[str, Row], reader: Reader) -> None:
    kind, _, owner = reader.place[0].partition(".")
    row = rows.get(owner)
    if row is None or kind not in ("outbox", "inbox"):
        return
    row[f"{kind}_lag"] += reader.waiting
    if reader.mark is not None:
        row["heard"] = max(reader.mark.told, row["heard"] or 0)
