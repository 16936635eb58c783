"""The form of each act's detail: one table, and the checks of its fields.

Owns what the fields of an act may hold. Which acts there are and who states them is protocol/trail/acts.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from protocol import limits
from protocol.canonical import Item
from protocol.errors import Code, Rejected
from protocol.identifiers import parse_unit_id
from protocol.trail.records import RecordType

MAX_DELETED = 10_000
MAX_LINE = 200


def check_detail(kind: RecordType, subject: Item, detail: list[Item]) -> None:
    """`Rejected` where subject and detail are not those of this act."""
    about, fields = DETAILS[kind]
    if len(detail) != len(fields) or not about(subject):
        raise Rejected(Code.E_SCHEMA, f"not the fields of {kind.name.lower()}")
    for is_good, value in zip(fields, detail, strict=True):
        if not is_good(value):
            raise Rejected(Code.E_SCHEMA, f"a field of {kind.name.lower()} has another form")
    if kind in _ASCENDING:
        lower, higher, otherwise = _ASCENDING[kind]
        if detail[lower] >= detail[higher]:
            raise Rejected(Code.E_SCHEMA, otherwise)


def _number(value: Item) -> bool:
    return type(value) is int and 0 <= value <= limits.MAX_UINT


def _line(value: Item) -> bool:
    # It is shown on a terminal, which would act on control characters.
    return type(value) is str and 0 < len(value) <= MAX_LINE and value.isprintable()


def _unit(value: Item) -> bool:
    try:
        parse_unit_id(value)
    except Rejected:
        return False
    return True


def _hash(value: Item) -> bool:
    return type(value) is bytes and len(value) == 32


def _kid(value: Item) -> bool:
    return type(value) is bytes and len(value) == 16


def _code(value: Item) -> bool:
    return type(value) is str and value in Code.__members__


def _indexes(value: Item) -> bool:
    # Ascending, each once: one deletion has one form.
    if type(value) is not list or not 0 < len(value) <= MAX_DELETED or not all(map(_number, value)):
        return False
    return all(a < b for a, b in pairwise(value))


def _none(value: Item) -> bool:
    return value is None


def _maybe_hash(value: Item) -> bool:
    return value is None or _hash(value)


_Check = Callable[[Item], bool]

DETAILS: dict[RecordType, tuple[_Check, tuple[_Check, ...]]] = {
    RecordType.DIRECTORY_STATEMENT: (_hash, (_number, _number, _unit, _kid, _hash)),
    RecordType.POLICY_CHANGE: (_hash, (_line, _line)),
    RecordType.DELETION: (_none, (_line, _indexes, _line)),
    RecordType.BREAK_GLASS: (_maybe_hash, (_line, _line)),
    RecordType.AUDITOR_ACCESS: (_none, (_line, _line)),
    RecordType.QUARANTINE_RELEASE: (_hash, (_unit, _number, _number, _line, _line)),
    RecordType.SOFTWARE_START: (_maybe_hash, (_line, _line)),
    RecordType.UNVERIFIED: (_hash, (_number, _code)),
    RecordType.AUDIT_GAP: (_none, (_line, _number, _number, _line, _line, _line)),
    RecordType.AUDIT_REWOUND: (_none, (_number, _number, _line, _number)),
    RecordType.KAFKA_PUT_BACK: (_none, (_line, _number, _number, _number, _line, _line, _line)),
}

_ASCENDING: Final = {
    RecordType.AUDIT_GAP: (1, 2, "a gap without an offset in it"),
    RecordType.AUDIT_REWOUND: (1, 0, "a way back that goes on where it began"),
    RecordType.KAFKA_PUT_BACK: (2, 3, "a copy that was made after it was put back"),
}
"""Two fields of which the first is smaller, and what is said where it is not."""
