"""Drafts: reading bodies as people write them, and errors that help those people.

Owns the reading of a draft. A draft has the shape of its body (frame fields and `items`), and is laxer in
three ways only: any layout of the JSON, handling and evaluation may be left out (H0, X4), and times may be
written as RFC 3339 text. Its errors name values, because they go back to the person who wrote them; so
a `DraftError` is shown and never logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ValidationError

from protocol.codes import MessageKind
from protocol.content.bodies import MODELS, Body, GroundWithReasons, Urgency
from protocol.content.fields import DRAFT
from protocol.content.model_faults import faults_of
from protocol.content.partial import ITEM_MODELS, partial_breaches
from protocol.errors import DraftError
from protocol.limits import MAX_RECORD

_NOTHING_KNOWN: Final[Mapping[str, str]] = {}


def parse_draft(kind: MessageKind, data: bytes, *, known: Mapping[str, str] = _NOTHING_KNOWN) -> Body:
    """Read a draft of this kind. `known` are frame fields that win over the draft, such as `in_reply_to`."""
    return body_of_draft(kind, _read_json(data), known=known)


def body_of_draft(
    kind: MessageKind, written: Mapping[str, Any], *, known: Mapping[str, str] = _NOTHING_KNOWN
) -> Body:
    """The same, of a draft that the caller has read from JSON."""
    try:
        written = {**written, **known}
        return MODELS[kind].model_validate_json(json.dumps(written), context=DRAFT)
    except ValidationError as error:
        found = error.errors(include_url=False)
    # Raised outside the handler: pydantic's error has the values and must not be the context of this one.
    told = {(one["loc"], one["type"]) for one in found}
    found += [one for one in partial_breaches(MODELS[kind], written) if (one["loc"], one["type"]) not in told]
    raise DraftError(
        f"this is not a valid {kind.name.lower()} yet:",
        hint=f"the fields of this kind: {', '.join(MODELS[kind].model_fields)}",
        faults=faults_of(found, _OWNERS),
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


def _owners() -> dict[str, str]:
    """All fields of drafts, and what each is a field of."""
    found: dict[str, list[str]] = {}
    named: list[tuple[str, type[BaseModel]]] = [
        *((model.model_fields["type"].default, model) for model in ITEM_MODELS),
        *((kind.name.lower(), model) for kind, model in MODELS.items()),
        *(("urgency", Urgency), ("grounds", GroundWithReasons)),
    ]
    for what, model in named:
        for name in model.model_fields:
            found.setdefault(name, []).append(what)
    return {name: " or ".join(models) if len(models) < 4 else "others" for name, models in found.items()}


_OWNERS: Final = _owners()
