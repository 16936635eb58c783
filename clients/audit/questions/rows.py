"""Records as rows for an auditor: names for codes, text for ids. One row for each, of any type."""

from __future__ import annotations

from typing import Any, TypeVar, assert_never

from protocol.codes import (
    Classification,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    RefusalGround,
    Role,
    UrgencyGround,
)
from protocol.content.code_forms import show_code, show_handling
from protocol.identifiers import show_id
from protocol.trail.acts import Act
from protocol.trail.records import SUMMARY_FIELDS, Delivered, Record, RecordType
from runtime.cli.render import moment

Row = dict[str, Any]
CodeT = TypeVar("CodeT", MessageKind, Classification, DataClass, UrgencyGround, RefusalGround, LegalBasis)

DETAIL_NAMES: dict[RecordType, tuple[str, ...]] = {
    RecordType.DIRECTORY_STATEMENT: ("position", "statement_type", "about", "issuer", "root"),
    RecordType.POLICY_CHANGE: ("what", "why"),
    RecordType.DELETION: ("log", "leaves", "ground"),
    RecordType.BREAK_GLASS: ("who", "why"),
    RecordType.AUDITOR_ACCESS: ("who", "what"),
    RecordType.QUARANTINE_RELEASE: ("unit", "partition", "offset", "by", "seconded_by"),
    RecordType.SOFTWARE_START: ("program", "version"),
    RecordType.UNVERIFIED: ("offset", "code"),
}


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
                "detail": {name: _plain(value) for name, value in zip(names, record.detail, strict=True)},
            }
        case _:
            assert_never(record)


def _decision(record: Record) -> Row:
    header = record.header if isinstance(record.header, list) else [None] * len(SUMMARY_FIELDS)
    said = dict(zip(SUMMARY_FIELDS, header, strict=True))
    handling = said["handling"]
    return {
        "type": record.type.name.lower(),
        "time": moment(record.t),
        "unit": record.source.unit,
        "message": None if said["mid"] is None else show_id(said["mid"]),
        "thread": None if said["thread"] is None else show_id(said["thread"]),
        "kind": _code(MessageKind, said["kind"]),
        "to": [unit for unit, _ in said["to"] or ()],
        "roles": [show_code(Role(role)) for _, role in said["to"] or ()],
        "reasons": [_reason(reason.code.value, reason.unit) for reason in record.reasons],
        "handling": None if handling is None else show_handling(frozenset(map(Handling, handling))),
        "classification": _code(Classification, said["classification"]),
        "data_class": _code(DataClass, said["data_class"]),
        "purposes": [show_code(Purpose(number)) for number in said["purposes"] or ()],
        "urgency": _code(UrgencyGround, said["urgency"]),
        "ground": _code(RefusalGround, said["ground"]),
        "basis": _code(LegalBasis, said["basis"]),
        "partition": record.source.partition,
        "offset": record.source.offset,
        "submission": record.submission.hex(),
        "subject": None if record.header_digest is None else record.header_digest.hex(),
        "directory_size": record.directory_size,
    }


def _reason(code: str, unit: str | None) -> str:
    return code if unit is None else f"{code} {unit}"


def _code(codes: type[CodeT], number: int | None) -> str | None:
    return None if number is None else show_code(codes(number))


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
