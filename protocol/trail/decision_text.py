"""A decision record as text for people: names for codes, text for ids.

Owns the words that every list of decisions has in common; each list chooses its columns.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

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
from protocol.trail.records import SUMMARY_FIELDS, Record


def header_in_words(record: Record) -> dict[str, Any]:
    """The header's summary by name; None for each field that the record does not have."""
    header = record.header if isinstance(record.header, list) else [None] * len(SUMMARY_FIELDS)
    said = dict(zip(SUMMARY_FIELDS, header, strict=True))
    handling = said["handling"]
    return {
        "id": None if said["mid"] is None else show_id(said["mid"]),
        "thread": None if said["thread"] is None else show_id(said["thread"]),
        "kind": _code(MessageKind, said["kind"]),
        "to": [unit for unit, _ in said["to"] or ()],
        "roles": [show_code(Role(role)) for _, role in said["to"] or ()],
        "handling": None if handling is None else show_handling(frozenset(map(Handling, handling))),
        "classification": _code(Classification, said["classification"]),
        "data_class": _code(DataClass, said["data_class"]),
        "purposes": [show_code(Purpose(number)) for number in said["purposes"] or ()],
        "urgency": _code(UrgencyGround, said["urgency"]),
        "ground": _code(RefusalGround, said["ground"]),
        "basis": _code(LegalBasis, said["basis"]),
        "created": said["created"],
        "expires": said["expires"],
    }


def _code(codes: type[IntEnum], number: int | None) -> str | None:
    return None if number is None else show_code(codes(number))
