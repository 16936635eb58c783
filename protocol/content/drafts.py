"""Drafts: reading bodies as people write them, and errors that help those people.

Owns the reading of a draft. A draft has the shape of its body (frame fields and `items`), and is laxer in
three ways only: any layout of the JSON, handling and evaluation may be left out (H0, X4), and times may be
written as RFC 3339 text. Its errors name values, because they go back to the person who wrote them; so
a `DraftError` is shown and never logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from protocol.codes import MessageKind, UrgencyGround
from protocol.content.bodies import MODELS, Body, GroundWithReasons, Urgency
from protocol.content.code_forms import show_code
from protocol.content.fields import DRAFT
from protocol.content.model_faults import faults_of
from protocol.content.partial import ITEM_MODELS, partial_breaches
from protocol.errors import DraftError, Fault
from protocol.fault_text import TOP, value_text
from protocol.json_text import JsonText, merged_faults, read_json
from protocol.limits import MAX_RECORD

_KINDS: Final = {
    MessageKind.INFORMATION: "information",
    MessageKind.REQUEST: "a request",
    MessageKind.ANSWER: "an answer",
    MessageKind.REFUSAL: "a refusal",
}
"""What people draft."""

_COMMANDS: Final = {
    MessageKind.INFORMATION: "'contrada send'",
    MessageKind.REQUEST: "'contrada request'",
    MessageKind.ANSWER: "'contrada inbox answer'",
    MessageKind.REFUSAL: "'contrada inbox refuse'",
}

_NOTHING_KNOWN: Final[Mapping[str, str]] = {}


def parse_draft(kind: MessageKind, data: bytes, *, known: Mapping[str, str] = _NOTHING_KNOWN) -> Body:
    """Read a draft of this kind. `known` are frame fields that win over the draft, such as `in_reply_to`."""
    read = read_json(data, at_most=MAX_RECORD)
    if not read.faults and isinstance(read.value, dict):
        return body_of_draft(kind, read.value, known=known)
    written = read.value if isinstance(read.value, dict) else {}
    raise _not_valid(kind, merged_faults(read.faults, _faults_of_value(kind, read, known)), written)


def body_of_draft(
    kind: MessageKind, written: Mapping[str, Any], *, known: Mapping[str, str] = _NOTHING_KNOWN
) -> Body:
    """The same, of a draft that the caller has read from JSON."""
    whole = {**written, **known}
    try:
        return MODELS[kind].model_validate_json(json.dumps(whole), context=DRAFT)
    except ValidationError as error:
        found = error.errors(include_url=False)
    # Raised outside the handler: pydantic's error has the values and must not be the context of this one.
    told = {(one["loc"], one["type"]) for one in found}
    found += [one for one in partial_breaches(MODELS[kind], whole) if (one["loc"], one["type"]) not in told]
    raise _not_valid(kind, faults_of(found, _OWNERS), written)


def check_urgency(kind: MessageKind, *, asked: UrgencyGround | None, written: UrgencyGround | None) -> None:
    """Refuse an urgency beside the draft that is not in it, with its reasons (DIR Art. 4(5)(e))."""
    if asked is None or asked is written:
        return
    ground = show_code(asked)
    if written is None:
        right = f'{{"ground": "{ground}", "reasons": "..."}}, as an urgent request gives its reasons'
        raise _not_valid(kind, (Fault("urgency", "urgency", right, "none in the draft"),), {})
    fault = Fault(
        "urgency.ground", "urgency", f'"{ground}", which was asked for', value_text(show_code(written))
    )
    raise _not_valid(kind, (fault,), {})


def _faults_of_value(kind: MessageKind, read: JsonText, known: Mapping[str, str]) -> tuple[Fault, ...]:
    if not read.is_json:
        return ()
    if not isinstance(read.value, dict):
        return (Fault(TOP, "object", 'an object in { }, which has a "subject"', value_text(read.value)),)
    try:
        body_of_draft(kind, read.value, known=known)
    except DraftError as error:
        return error.faults
    return ()


def _not_valid(kind: MessageKind, faults: tuple[Fault, ...], written: Mapping[str, Any]) -> DraftError:
    other = _looks_like(kind, written)
    hint = f"the fields of this kind: {', '.join(MODELS[kind].model_fields)}"
    if other is not None:
        hint = f"it looks like {_KINDS[other]}; {_COMMANDS[other]} sends it"
    return DraftError(f"this is not a valid {kind.name.lower()} yet:", hint=hint, faults=faults)


def _looks_like(kind: MessageKind, written: Mapping[str, Any]) -> MessageKind | None:
    """The one kind that has every field of this draft, if it is another. What is no field is passed over."""
    known = written.keys() & _OWNERS.keys()
    fitting = [other for other in _KINDS if known <= MODELS[other].model_fields.keys()]
    return fitting[0] if len(fitting) == 1 and fitting[0] is not kind else None


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
