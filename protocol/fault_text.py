"""How a fault shows places and values: printable ASCII, short, and as people write them in JSON.

Owns the words in which a `Fault` (protocol/errors.py) names a place and a value. Rule: what is shown was
written by somebody else, perhaps, so it is escaped and cut, and it cannot act on a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from protocol.errors import MAX_FAULTS, Fault

TOP: Final = "(top)"
"""The place of what is wrong with the whole."""

_LONGEST_VALUE: Final = 80
_LONGEST_NAME: Final = 60


def place_text(steps: Iterable[int | str]) -> str:
    """A place in JSON as people write it: `items[2].imo`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{_name(step)}" if path else _name(step)
    return path or TOP


def value_text(value: object) -> str | None:
    """A value as it is written in JSON; None for a list or an object, which is too much to show."""
    if value is None:
        return "null"
    if not isinstance(value, str | int | float | bool):
        return None
    try:
        return _cut(json.dumps(value), _LONGEST_VALUE)
    except ValueError:  # more digits than Python writes
        return f"a number of {value.bit_length() if isinstance(value, int) else 0} bits"


def fault_rows(faults: Iterable[Fault]) -> list[dict[str, str | None]]:
    """The faults in JSON, for programs."""
    return [
        {"field": one.field, "rule": one.rule, "found": one.found, "expected": one.right} for one in faults
    ]


def faults_of_rows(rows: object) -> tuple[Fault, ...]:
    """What `fault_rows` wrote; what is none is left out."""
    if not isinstance(rows, list):
        return ()
    texts = [
        (row.get("field"), row.get("rule"), row.get("expected"), row.get("found"))
        for row in rows[:MAX_FAULTS]
        if isinstance(row, dict)
    ]
    return tuple(
        Fault(field, rule, right, found if isinstance(found, str) else None)
        for field, rule, right, found in texts
        if isinstance(field, str) and isinstance(rule, str) and isinstance(right, str)
    )


def faults_below(place: str, faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The same faults, whose places lie below this one."""
    return tuple(replace(fault, field=_joined(place, fault.field)) for fault in faults)


def _joined(place: str, inner: str) -> str:
    if inner == TOP:
        return place
    return place + inner if inner.startswith("[") else f"{place}.{inner}"


def _name(text: str) -> str:
    return _cut(json.dumps(text, ensure_ascii=True)[1:-1], _LONGEST_NAME)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."
