"""Records as rows for an auditor: names for codes, text for ids. One row for each, of any type."""

from __future__ import annotations

from typing import Any, assert_never

from protocol.trail.acts import Act
from protocol.trail.decision_text import header_in_words
from protocol.trail.records import Delivered, Record, RecordType
from runtime.cli.render import moment

Row = dict[str, Any]
ADDRESSING = ("thread", "kind", "to", "roles")
TERMS = ("handling", "classification", "data_class", "purposes", "urgency", "ground", "basis")

DETAIL_NAMES: dict[RecordType, tuple[str, ...]] = {
    RecordType.DIRECTORY_STATEMENT: ("position", "statement_type", "about", "issuer", "root"),
    RecordType.POLICY_CHANGE: ("what", "why"),
    RecordType.DELETION: ("log", "leaves", "ground"),
    RecordType.BREAK_GLASS: ("who", "why"),
    RecordType.AUDITOR_ACCESS: ("who", "what"),
    RecordType.QUARANTINE_RELEASE: ("unit", "partition", "offset", "by", "seconded_by"),
    RecordType.SOFTWARE_START: ("program", "version"),
    RecordType.UNVERIFIED: ("offset", "code"),
    RecordType.AUDIT_GAP: ("log", "first", "end", "why", "by", "seconded_by"),
    RecordType.AUDIT_REWOUND: ("position", "beginning", "log", "first"),
    RecordType.KAFKA_PUT_BACK: ("log", "leaf", "copied", "restored", "why", "by", "seconded_by"),
}
TIMES = frozenset({"copied", "restored"})


def row_of_record(record: Record | Delivered | Act) -> Row:
    """The record, as it is printed."""
    match record:
        case Record():
            return _decision(record)
        case Delivered():
            return {
                "type": "delivered",
                "time": moment(record.t),
                "unit": record.unit,
                "subject": record.header_digest.hex(),
                "addressee": record.index,
            }
        case Act():
            names = DETAIL_NAMES[record.type]
            return {
                "type": record.type.name.lower(),
                "time": moment(record.t),
                "unit": record.actor,
                "subject": None if record.subject is None else record.subject.hex(),
                "detail": {
                    name: moment(value) if name in TIMES else _plain(value)
                    for name, value in zip(names, record.detail, strict=True)
                },
            }
        case _:
            assert_never(record)


def _decision(record: Record) -> Row:
    said = header_in_words(record)
    return {
        "type": record.type.name.lower(),
        "time": moment(record.t),
        "unit": record.source.unit,
        "message": said["id"],
        **{name: said[name] for name in ADDRESSING},
        "reasons": [_reason(reason.code.value, reason.unit) for reason in record.reasons],
        **{name: said[name] for name in TERMS},
        "partition": record.source.partition,
        "offset": record.source.offset,
        "submission": record.submission.hex(),
        "subject": None if record.header_digest is None else record.header_digest.hex(),
        "directory_size": record.directory_size,
    }


def _reason(code: str, unit: str | None) -> str:
    return code if unit is None else f"{code} {unit}"


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
