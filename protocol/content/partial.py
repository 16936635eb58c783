"""What is wrong between the fields of a draft some of whose fields are wrong by themselves.

Owns that second look. A model does not come to its cross rules where a field fails, so that their breaches
would be told only after the fields are mended. Here each object of the draft is made of the fields that are
right, and keeps the rules that read no other. Runs after a draft has failed, and never for what came over the
wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from protocol.content.entities import Item
from protocol.content.fields import DRAFT, Model

ITEM_MODELS: Final[tuple[type[Model], ...]] = get_args(get_args(Item)[0])
"""The model of each type of item."""

_BY_TYPE: Final = {model.model_fields["type"].default: model for model in ITEM_MODELS}
_WRONG: Final = object()

Place = tuple[int | str, ...]


def partial_breaches(model: type[Model], written: Mapping[str, Any]) -> list[ErrorDetails]:
    """The breaches of the body and of its items, as far as they can be judged, as pydantic states them."""
    found: list[ErrorDetails] = []
    items: list[Model] = []
    for number, item in enumerate(_list(written.get("items"))):
        name = item.get("type") if isinstance(item, dict) else None
        if not isinstance(name, str) or (kind := _BY_TYPE.get(name)) is None:
            continue
        items.append(_made_of_right_fields(kind, item))
        found += _breaches_at(("items", number, name), items[-1])
    body = _made_of_right_fields(model, written)
    if "items" in model.model_fields and "items" in written:
        body.__dict__["items"] = tuple(items)
    return [*found, *_breaches_at((), body)]


def _breaches_at(place: Place, model: Model) -> Iterator[ErrorDetails]:
    details = list(model.breaches(draft=True))
    if details:
        error = ValidationError.from_exception_data(type(model).__name__, details)
        for one in error.errors(include_url=False):
            yield ErrorDetails(**{**one, "loc": place + one["loc"]})


def _made_of_right_fields(model: type[Model], written: Mapping[str, Any]) -> Model:
    """An instance that lacks the fields that are wrong: reading one of them is an `AttributeError`."""
    right = {}
    for name, field in model.model_fields.items():
        if name in written:
            value = _read(model, name, written[name])
        else:
            value = _WRONG if field.is_required() else field.get_default(call_default_factory=True)
        if value is not _WRONG:
            right[name] = value
    made = model.model_construct()
    made.__dict__.clear()
    made.__dict__.update(right)
    return made


def _read(model: type[Model], name: str, value: Any) -> Any:
    try:
        return _adapter(model, name).validate_json(json.dumps(value), context=DRAFT)
    except ValidationError:
        return _WRONG


@cache
def _adapter(model: type[Model], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(model.model_fields[name].rebuild_annotation())


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
