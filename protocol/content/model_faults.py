"""What a model refuses, as faults in words of our own.

Owns the words for every complaint of pydantic that a model or a request can give rise to. Its own sentences
never come through: they speak of types of Python, and change between its versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic_core import ErrorDetails

from protocol.content.entities import Item
from protocol.errors import Fault
from protocol.fault_text import place_text, value_text

_TYPES: Final = ", ".join(model.model_fields["type"].default for model in get_args(get_args(Item)[0]))
_LIST: Final = "a list in [ ]"
_OBJECT: Final = "an object in { }"
_NUMBER: Final = "a whole number"
_SWITCH: Final = "true or false"

_RIGHT: Final[dict[str, str | Callable[[dict[str, Any]], str]]] = {
    "string_type": "text in double quotes",
    "string_unicode": "text of whole characters",
    "string_too_short": lambda known: f"at least {_count(known['min_length'], 'character')}",
    "string_too_long": lambda known: f"at most {_count(known['max_length'], 'character')}",
    "too_short": lambda known: f"at least {_count(known['min_length'], 'entry')}",
    "too_long": lambda known: f"at most {_count(known['max_length'], 'entry')}",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_parsing_size": _NUMBER,
    "int_from_float": _NUMBER,
    "greater_than_equal": lambda known: f"{known['ge']} or more",
    "less_than_equal": lambda known: f"{known['le']} or less",
    "literal_error": lambda known: str(known["expected"]),
    "enum": lambda known: str(known["expected"]),
    "none_required": "null, or no such field",
}

_FOUND: Final[dict[str, Callable[[ErrorDetails], str | None]]] = {
    "missing": lambda _: "nothing",
    "union_tag_not_found": lambda _: "nothing",
    "extra_forbidden": lambda _: "a field that does not exist here",
    "string_too_long": lambda fault: _count(len(fault["input"]), "character"),
    "too_long": lambda fault: _count(fault["ctx"]["actual_length"], "entry"),
    "too_short": lambda fault: _count(fault["ctx"]["actual_length"], "entry"),
}
"""Where it is not the value."""


def faults_of(errors: Iterable[ErrorDetails], owners: Mapping[str, str]) -> tuple[Fault, ...]:
    """Each complaint as a fault. `owners` are all fields that there are, and what each is a field of."""
    return tuple(_fault(error, owners) for error in errors)


def field_steps(location: tuple[int | str, ...]) -> list[int | str]:
    """A place of pydantic's without the item's type, which it adds: `items`, 3, `imo`."""
    tagged = location[:1] == ("items",)
    return [step for depth, step in enumerate(location) if not (tagged and depth == 2)]


def _fault(error: ErrorDetails, owners: Mapping[str, str]) -> Fault:
    rule = error["type"]
    steps = field_steps(error["loc"])
    if rule in ("union_tag_not_found", "union_tag_invalid"):
        steps.append("type")
    known = error.get("ctx", {})
    if rule in _FOUND:
        found = _FOUND[rule](error)
    else:
        found = known["found"] if "found" in known else value_text(error["input"])
    return Fault(place_text(steps), rule, _right(error, owners), found)


def _right(error: ErrorDetails, owners: Mapping[str, str]) -> str:
    rule = error["type"]
    match rule:
        case "missing":
            return "a value, because the field is required"
        case "extra_forbidden":
            return _other_field(str(error["loc"][-1]), owners)
        case "union_tag_not_found" | "union_tag_invalid":
            return f"one of {_TYPES}"
    words = _RIGHT.get(rule)
    if words is None:
        # A rule of ours says what was expected; of pydantic's, all that can come are in the table.
        return str(error["msg"])
    return words if isinstance(words, str) else words(error["ctx"])


def _other_field(name: str, owners: Mapping[str, str]) -> str:
    if name in owners:
        return f"it in {owners[name]}"
    near = get_close_matches(name, owners, n=1)
    return f"{near[0]!r} perhaps, which is a field of {owners[near[0]]}" if near else "another field"


def _count(number: int, what: str) -> str:
    if number == 1:
        return f"1 {what}"
    return f"{number} {what.removesuffix('y')}ies" if what.endswith("y") else f"{number} {what}s"
