"""Drafts: reading bodies as people write them, and errors that help those people.

Owns the reading of a draft. A draft has the shape of its body (frame fields and `items`), and is laxer in
three ways only: any layout of the JSON, handling and evaluation may be left out (H0, X4), and times may be
written as RFC 3339 text. Its errors name values, because they go back to the person who wrote them; so
a `DraftError` is shown and never logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, NoReturn, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from protocol.codes import MessageKind
from protocol.content.bodies import MODELS, Body, GroundWithReasons, Urgency
from protocol.content.body_parts import show_path
from protocol.content.entities import Item
from protocol.content.fields import DRAFT
from protocol.errors import DraftError, Fault
from protocol.limits import MAX_RECORD

_ITEM_MODELS: Final[tuple[Any, ...]] = get_args(get_args(Item)[0])
_FIELDS: Final = sorted(
    {
        name
        for model in (*MODELS.values(), Urgency, GroundWithReasons, *_ITEM_MODELS)
        for name in model.model_fields
    }
)
_NOTHING_KNOWN: Final[Mapping[str, str]] = {}


def parse_draft(kind: MessageKind, data: bytes, *, known: Mapping[str, str] = _NOTHING_KNOWN) -> Body:
    """Read a draft of this kind. `known` are frame fields that win over the draft, such as `in_reply_to`."""
    return body_of_draft(kind, _read_json(data), known=known)


def body_of_draft(
    kind: MessageKind, written: Mapping[str, Any], *, known: Mapping[str, str] = _NOTHING_KNOWN
) -> Body:
    """The same, of a draft that the caller has read from JSON."""
    try:
        return MODELS[kind].model_validate_json(json.dumps({**written, **known}), context=DRAFT)
    except ValidationError as error:
        faults = tuple(_fault(found) for found in error.errors(include_url=False))
    # Raised outside the handler: pydantic's error has the values and must not be the context of this one.
    raise DraftError(
        f"this is not a valid {kind.name.lower()} yet:",
        hint=f"the fields of this kind: {', '.join(MODELS[kind].model_fields)}",
        faults=faults,
    )


def _read_json(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_RECORD:
        raise DraftError(f"the draft has {len(data)} bytes, at most {MAX_RECORD} are read")
    try:
        written = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_each_once, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise DraftError(f"the draft is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DraftError(f"the draft is not JSON: {error.msg} at {where}") from None
    except (RecursionError, ValueError):
        raise DraftError(
            "the draft is nested too deeply, or holds a number with thousands of digits"
        ) from None
    if not isinstance(written, dict):
        raise DraftError("the draft is not a JSON object", hint='it begins with { and has a "subject"')
    return written


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    together = dict(pairs)
    if len(together) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DraftError(f"the field {twice!r} stands twice in one object", hint="keep one of the two")
    return together


def _no_constant(name: str) -> NoReturn:
    raise DraftError(f"{name} is not a value of JSON")


def _fault(fault: ErrorDetails) -> Fault:
    path = _escaped(show_path(fault["loc"]))
    rule = fault["type"]
    match rule:
        case "missing":
            return Fault(path, rule, "a value, because the field is required", "nothing")
        case "extra_forbidden":
            near = get_close_matches(str(fault["loc"][-1]), _FIELDS, n=1)
            right = f"{near[0]!r} perhaps" if near else "one of the fields that docs/drafts.md names"
            return Fault(path, rule, right, "a field that does not exist here")
        case "union_tag_not_found":
            return Fault(f"{path}.type", rule, f"one of {_types()}", "nothing")
        case "union_tag_invalid":
            return Fault(f"{path}.type", rule, f"one of {_types()}", _found(fault["input"]))
        case _:
            return Fault(path, rule, _expected(fault), _found(fault["input"]))


def _expected(fault: ErrorDetails) -> str:
    # The rules of this package say what was expected; pydantic's sentences begin with the subject.
    message = fault["msg"]
    for opening in ("Input should be ", "String should have ", "Tuple should have "):
        message = message.removeprefix(opening)
    return message


def _found(value: object) -> str | None:
    if not isinstance(value, str | int | float | bool):
        return None
    shown = json.dumps(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _escaped(text: str) -> str:
    # A draft written by another person cannot act on the terminal of the sender.
    return json.dumps(text, ensure_ascii=True)[1:-1]


def _types() -> str:
    return ", ".join(model.model_fields["type"].default for model in _ITEM_MODELS)
