"""Statistics of decisions, by half-year, unit, kind and reason.

Directive (EU) 2023/977, Article 18, asks each Member State every year for the number of requests, urgent
and not, received and refused, with the grounds of refusal. These are the numbers that such a report starts
from: the exchange sees requests, answers and refusals as kinds of messages, not their content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clients.audit.questions.rows import row_of_record
from clients.audit.questions.searching import RecordSearch, checked
from clients.audit.questions.session import AuditSession
from protocol.trail.acts import parse_any_record
from protocol.trail.ledger_leaves import Row
from protocol.trail.records import Record, RecordType
from runtime.cli.render import Column

COLUMNS = (Column("log", "half-year"), Column("what", "what"), Column("of", "of"), Column("count", "count"))


@dataclass(slots=True)
class UnitNumbers:
    """What one unit sent and received."""

    sent: Counter[str] = field(default_factory=Counter)
    refused_by_rules: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    requests_urgent: int = 0


@dataclass(slots=True)
class HalfYearNumbers:
    """One half-year."""

    types: Counter[str] = field(default_factory=Counter)
    deleted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    urgency: Counter[str] = field(default_factory=Counter)
    refusal_grounds: Counter[str] = field(default_factory=Counter)
    data_classes: Counter[str] = field(default_factory=Counter)
    units: dict[str, UnitNumbers] = field(default_factory=dict)

    def take(self, row: Row) -> None:
        """One record more."""
        self.types[RecordType(row.type).name.lower()] += 1
        if row.record is None:
            self.deleted += 1
            return
        record = parse_any_record(row.record)
        if isinstance(record, Record):
            self._decision(record, row_of_record(record))

    def _decision(self, record: Record, said: Mapping[str, Any]) -> None:
        sender = self.units.setdefault(said["unit"], UnitNumbers())
        kind = said["kind"] or "unreadable"
        if record.type is RecordType.REJECTED:
            self.reasons.update(sorted({reason.code.value for reason in record.reasons}))
            sender.refused_by_rules[kind] += 1
        elif record.type is RecordType.ACCEPTED:
            self._accepted(sender, kind, said)

    def _accepted(self, sender: UnitNumbers, kind: str, said: Mapping[str, Any]) -> None:
        self.kinds[kind] += 1
        self.data_classes[said["data_class"]] += 1
        sender.sent[kind] += 1
        if said["urgency"] is not None:
            self.urgency[said["urgency"]] += 1
            sender.requests_urgent += 1
        if said["ground"] is not None:
            self.refusal_grounds[said["ground"]] += 1
        for unit in said["to"]:
            self.units.setdefault(unit, UnitNumbers()).received[kind] += 1

    def as_row(self, log: str) -> dict[str, Any]:
        """As it is printed."""
        return {
            "log": log,
            "records": dict(sorted(self.types.items())),
            "deleted": self.deleted,
            "messages_by_kind": dict(sorted(self.kinds.items())),
            "refused_by_reason": dict(sorted(self.reasons.items())),
            "urgent_requests_by_ground": dict(sorted(self.urgency.items())),
            "refusals_by_ground": dict(sorted(self.refusal_grounds.items())),
            "messages_by_data_class": dict(sorted(self.data_classes.items())),
            "units": {
                name: {
                    "sent": dict(sorted(unit.sent.items())),
                    "refused_by_rules": dict(sorted(unit.refused_by_rules.items())),
                    "received": dict(sorted(unit.received.items())),
                    "requests_urgent": unit.requests_urgent,
                }
                for name, unit in sorted(self.units.items())
            },
        }


def count_decisions(
    session: AuditSession, *, since: int | None, until: int | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The numbers of each half-year, and the leaves whose altered records are not counted."""
    halves: dict[str, HalfYearNumbers] = {}
    altered: list[str] = []
    for origin, row, is_true in checked(session, RecordSearch(since=since, until=until)):
        if is_true:
            halves.setdefault(origin, HalfYearNumbers()).take(row)
        elif is_true is not None:
            altered.append(f"leaf {row.index} of {origin}")
    return [half.as_row(log) for log, half in halves.items()], altered


def flat(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same as rows of a table."""
    rows = []
    for half in made:
        log = half["log"].rpartition("/")[2]
        for what, numbers in half.items():
            if what == "units":
                for unit, parts in numbers.items():
                    rows += [
                        _flat(log, f"{unit} {part}", kind, n)
                        for part, kinds in parts.items()
                        for kind, n in _pairs(kinds)
                    ]
            elif what != "log":
                rows += [_flat(log, what, of, n) for of, n in _pairs(numbers)]
    return rows


def _pairs(numbers: object) -> list[tuple[str, object]]:
    if isinstance(numbers, dict):
        return list(numbers.items())
    return [("", numbers)] if numbers else []


def _flat(log: str, what: str, of: str, number: object) -> dict[str, Any]:
    return {"log": log, "what": what.replace("_", " "), "of": of, "count": number}
