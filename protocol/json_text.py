"""JSON from outside: read in one place, strictly, with every fault at its field.

Owns the step from bytes to values of Python, for every door through which JSON comes. Which fields there are
is for the reader of the values. Beyond the grammar of RFC 8259 it asks what makes a text mean one thing
(I-JSON, RFC 7493): UTF-8; each field of an object once; whole characters, and no half of a surrogate pair;
numbers that there are. And it has bounds: bytes, depth, digits.

Rules: where the text can be read at all, the faults are all of its faults, and the values come with them,
with something harmless where a fault is, so that the caller can say what else is wrong. Whoever ignores the
faults has read nothing. No words of the library come through: they change between its versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from protocol.errors import DraftError, Fault
from protocol.fault_text import TOP, place_text, value_text

MAX_JSON_DEPTH: Final = 32
MAX_NOTED: Final = 1_000
MAX_DIGITS: Final = 40
"""Of a number: more than any field holds, and few enough to be read at once."""

_MARK: Final = b"\xef\xbb\xbf"
_SYNTAX: Final = {
    "Expecting value": "a value",
    "Expecting property name enclosed in double quotes": "a field's name in double quotes",
    "Illegal trailing comma before end of object": "no comma before the end of an object",
    "Illegal trailing comma before end of array": "no comma before the end of a list",
    "Expecting ':' delimiter": "a colon between a field's name and its value",
    "Expecting ',' delimiter": "a comma, or the end of the list or object",
    "Unterminated string starting at": "the double quote that ends the text which begins there",
    "Invalid control character at": "\\n for the end of a line within text, \\t for a tab",
    "Invalid \\escape": 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u behind the backslash',
    "Invalid \\uXXXX escape": "four hexadecimal digits behind \\u",
    "Extra data": "nothing behind the end of the value",
}
"""What is right where the library stops, by the beginning of what it says."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """What was read. The values count only where there are no faults."""

    value: Any = field(repr=False)
    faults: tuple[Fault, ...]
    is_json: bool = True
    """Whether it could be read at all; the value is None where it could not."""


def read_json(data: bytes, *, at_most: int) -> JsonText:
    """The values in these bytes, and all that is wrong with the text."""
    if len(data) > at_most:
        return _unread("size", f"at most {at_most} bytes", f"{len(data)} bytes")
    try:
        text = data.removeprefix(_MARK).decode()
    except UnicodeDecodeError as error:
        found = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"other bytes, at {error.start}"
        return _unread("utf8", "UTF-8", found)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_fraction, parse_constant=_Unusable
        )
    except json.JSONDecodeError as error:
        return _not_json(text, error)
    except RecursionError:
        return _too_deep(TOP)
    if _is_clean(value, MAX_JSON_DEPTH):
        return JsonText(value, ())
    faults: list[Fault] = []
    return JsonText(_clean(value, [], faults), tuple(faults))


def read_json_object(data: bytes, *, at_most: int, what: str, hint: str = "") -> dict[str, Any]:
    """The object in these bytes, or a `DraftError` with every fault. `what` names the text: `the draft`."""
    read = read_json(data, at_most=at_most)
    if read.faults:
        raise DraftError(f"{what} is not JSON as it has to be:", hint=hint, faults=read.faults)
    if not isinstance(read.value, dict):
        raise DraftError(f"{what} is not a JSON object", hint=hint)
    return read.value


def merged_faults(text: Sequence[Fault], values: Sequence[Fault]) -> tuple[Fault, ...]:
    """The faults of a text, and those of its values elsewhere: a field that is wrong is told of once."""
    wrong = {fault.field for fault in text}
    return (*text, *(fault for fault in values if fault.field not in wrong))


class _Unusable(str):
    """What stands where a number should: NaN, Infinity, or digits without an end."""

    __slots__ = ()


class _Twice(dict[str, Any]):
    """An object in which names stand more than once: the first value of each, and how often."""

    __slots__ = ("counts",)

    counts: dict[str, int]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    once = dict(pairs)
    if len(once) == len(pairs):
        return once
    counts: dict[str, int] = {}
    for name, _ in pairs:
        counts[name] = counts.get(name, 0) + 1
    twice = _Twice()
    for name, value in pairs:
        twice.setdefault(name, value)
    twice.counts = {name: count for name, count in counts.items() if count > 1}
    return twice


def _whole(digits: str) -> int | _Unusable:
    return int(digits) if len(digits) <= MAX_DIGITS else _Unusable(digits)


def _fraction(digits: str) -> float | _Unusable:
    number = float(digits) if len(digits) <= MAX_DIGITS else float("inf")
    return number if isfinite(number) else _Unusable(digits)


def _is_clean(value: Any, depth: int) -> bool:
    """Whether `_clean` would find nothing: so it is with nearly every text, and places are not wanted."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _is_whole(value)
    if kind is dict:
        return depth > 0 and all(
            (name.isascii() or _is_whole(name)) and _is_clean(entry, depth - 1)
            for name, entry in value.items()
        )
    if kind is list:
        return depth > 0 and all(_is_clean(entry, depth - 1) for entry in value)
    return kind is not _Unusable and kind is not _Twice


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean(value: Any, steps: list[int | str], faults: list[Fault]) -> Any:
    """The same without what is faulty. Never deeper than the bound."""
    match value:
        case _Unusable():
            _note(faults, _number(value, place_text(steps)))
            return None
        case str():
            return _whole_characters(value, steps, faults)
        case dict() | list() if len(steps) >= MAX_JSON_DEPTH:
            _note(faults, _depth(place_text(steps)))
            return None
        case dict():
            return dict(_fields(value, steps, faults))
        case list():
            return [_clean(entry, [*steps, number], faults) for number, entry in enumerate(value)]
        case _:
            return value


def _fields(value: dict[str, Any], steps: list[int | str], faults: list[Fault]) -> Iterator[tuple[str, Any]]:
    counts = value.counts if isinstance(value, _Twice) else {}
    for name, entry in value.items():
        inside = [*steps, name]
        if name in counts:
            often = "twice" if counts[name] == 2 else f"{counts[name]} times"
            _note(faults, Fault(place_text(inside), "once", "it once in one object", f"the field {often}"))
        yield _whole_characters(name, inside, faults), _clean(entry, inside, faults)


def _note(faults: list[Fault], fault: Fault) -> None:
    # A text of nothing but faults does not become a list of a million.
    if len(faults) < MAX_NOTED:
        faults.append(fault)


def _whole_characters(text: str, steps: list[int | str], faults: list[Fault]) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = value_text(text[error.start]) or ""
        found = f"{half[1:-1]}, as character {error.start + 1}, which is half of a pair"
        _note(faults, Fault(place_text(steps), "surrogate", "whole characters", found))
        return text.encode(errors="replace").decode()
    return text


def _number(found: str, place: str) -> Fault:
    if found.lstrip("-").isalpha():
        return Fault(place, "number", "a number of JSON", found)
    if len(found) > MAX_DIGITS:
        return Fault(place, "number", f"at most {MAX_DIGITS} digits", f"{len(found)} digits")
    return Fault(place, "number", "a number that is not endless", found)


def _depth(place: str) -> Fault:
    return Fault(place, "depth", f"at most {MAX_JSON_DEPTH} lists and objects within each other", "more")


def _too_deep(place: str) -> JsonText:
    return JsonText(None, (_depth(place),), is_json=False)


def _unread(rule: str, right: str, found: str) -> JsonText:
    return JsonText(None, (Fault(TOP, rule, right, found),), is_json=False)


def _not_json(text: str, error: json.JSONDecodeError) -> JsonText:
    right = next((words for said, words in _SYNTAX.items() if error.msg.startswith(said)), "")
    character = value_text(text[error.pos : error.pos + 1])
    found = f"the character {character}" if error.pos < len(text) else "the end"
    if not text.strip():
        found = "nothing"
    return _unread(
        "json", f"JSON: {right}" if right else "JSON", f"{found} at line {error.lineno}, column {error.colno}"
    )
