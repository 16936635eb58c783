"""The header of a hypothetical message, never sealed: from header fields in JSON, or from a draft.

    { "kind": "information", "from": "fr", "to": ["it"], "handling": "H1", "data_class": "personal", ... }

A JSON object with `to` or `from` is a header; any other is a draft, whose codes are derived as the daemon
derives them. Options win over the file.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, TypeVar

from keys.directory import Directory
from protocol.codes import (
    Classification,
    CopyExemption,
    DataClass,
    LegalBasis,
    MessageKind,
    Purpose,
    RefKind,
    RefusalGround,
    Role,
    UrgencyGround,
)
from protocol.content.bodies import required_header_codes
from protocol.content.caveats import Caveat, caveats_on
from protocol.content.code_forms import read_code, read_handling, show_code, show_handling
from protocol.content.drafts import parse_draft
from protocol.envelope.core import Addressee, Core, Limits, Position, Reference
from protocol.epochs import epoch_of
from protocol.errors import Fault, Rejected
from protocol.fault_text import value_text
from protocol.identifiers import (
    Digest,
    KeyId,
    MessageId,
    Millis,
    StreamId,
    ThreadId,
    UnitId,
    parse_unit_id,
    show_id,
)
from protocol.json_text import read_json
from protocol.limits import DAY, MAX_RECORD, MAX_UINT
from protocol.signatures import Suite
from protocol.times import Bound, read_point
from runtime.cli.errors import BadInput

_HINT: Final = "see 'contrada route explain --help'"

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Enum)

_FIELDS = frozenset({
    "kind", "from", "to", "copy", "handling", "h3", "classification", "data_class", "purposes", "urgency",
    "ground", "basis", "copy_exemption", "suite", "reply_to", "onward_of", "created", "expires", "review",
})  # fmt: skip

# No key and no id at all: the rules that look at keys find them missing, and say so.
_NO_KEY = KeyId(bytes(16))


def hypothetical_core(
    data: bytes, *, directory: Directory, sender: UnitId | None, options: dict[str, Any], now: Millis
) -> Core:
    """The header that the file and the options describe."""
    fields = _fields(data, options)
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        near = get_close_matches(unknown[0], _FIELDS, n=1)
        raise BadInput(
            f"a header has no field {unknown[0]!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(_FIELDS))}",
        )
    me = _read("from", parse_unit_id, fields.get("from") or sender)
    identity = directory.current_identity(me, now)
    created = _time(fields, "created", now, now=now, bound=Bound.LOWER)
    return Core(
        suite=_read("suite", lambda value: Suite(int(value)), fields.get("suite") or 1, right="1 or 2"),
        kind=_code(MessageKind, fields, "kind") or MessageKind.INFORMATION,
        message_id=MessageId(bytes(16)),
        thread=ThreadId(bytes(16)),
        created=created,
        expires=_time(fields, "expires", created + 7 * DAY, now=now),
        sender=me,
        position=Position(StreamId(bytes(8)), 0),
        signing_key=_NO_KEY if identity is None else identity.public.kid,
        to=_addressees(fields, directory, now),
        handling=_read("handling", read_handling, fields.get("handling") or "H0"),
        h3=_limits(fields, now),
        classification=_code(Classification, fields, "classification") or Classification.BPL,
        data_class=_code(DataClass, fields, "data_class", default=DataClass.PERSONAL),
        purposes=frozenset(_one(Purpose, "purposes", name) for name in _list(fields, "purposes")),
        urgency=_code(UrgencyGround, fields, "urgency"),
        ground=_code(RefusalGround, fields, "ground"),
        basis=_code(LegalBasis, fields, "basis"),
        copy_exemption=_code(CopyExemption, fields, "copy_exemption"),
        refs=_references(fields),
        review=_time(fields, "review", created + 3 * 365 * DAY, now=now),
        directory_head=directory.head,
    )


def draft_caveats(data: bytes) -> tuple[Caveat, ...]:
    """What is to be known of a draft's fields; a header that stands alone has none."""
    written = read_json(data, at_most=MAX_RECORD).value
    return caveats_on(written) if written.keys().isdisjoint(("to", "from")) else ()


def _fields(data: bytes, options: dict[str, Any]) -> dict[str, Any]:
    read = read_json(data, at_most=MAX_RECORD)
    if not read.is_json:
        raise BadInput("the file is neither a sealed message nor JSON:", hint=_HINT, faults=read.faults)
    written = read.value
    if not isinstance(written, dict):
        raise BadInput("the file is not a JSON object", hint=_HINT)
    given: dict[str, Any] = {name: value for name, value in options.items() if value not in (None, [], ())}
    if not written.keys().isdisjoint(("to", "from")):
        if read.faults:
            raise BadInput("this is not a header yet:", hint=_HINT, faults=read.faults)
        return written | given
    kind = _one(MessageKind, "kind", given.get("kind", "information"))
    replies = kind in (MessageKind.ANSWER, MessageKind.REFUSAL)
    known = {"in_reply_to": show_id(bytes(16))} if replies else {}
    required = required_header_codes(parse_draft(kind, data, known=known))
    derived: dict[str, Any] = {
        "handling": show_handling(required.handling),
        "data_class": show_code(required.data_class),
        "purposes": [show_code(purpose) for purpose in sorted(required.purposes)] or ["operational"],
        "urgency": None if required.urgency is None else show_code(required.urgency),
        "ground": show_code(required.grounds[0]) if required.grounds else None,
        "reply_to": replies or None,
    }
    return derived | given


def _addressees(fields: dict[str, Any], directory: Directory, now: Millis) -> tuple[Addressee, ...]:
    roles = [(name, Role.TO) for name in _list(fields, "to")] + [
        (name, Role.COPY) for name in _list(fields, "copy")
    ]
    found = []
    for name, role in roles:
        unit = _read("to", parse_unit_id, name)
        key = directory.epoch_key_for(unit, epoch_of(now))
        found.append(Addressee(unit, _NO_KEY if key is None else key.public.kid, role))
    units = [addressee.unit for addressee in found]
    if twice := {unit for unit in units if units.count(unit) > 1}:
        raise BadInput(
            f"addressed twice: {', '.join(sorted(twice))}", hint="name each unit once, in 'to' or in 'copy'"
        )
    if not found:
        raise BadInput("the message has no addressee", hint="say --to UNIT, or give the file a field 'to'")
    return tuple(found)


def _limits(fields: dict[str, Any], now: Millis) -> Limits | None:
    given = fields.get("h3")
    if given is None:
        # As the daemon does: H3 without limits of its own has its restriction in words.
        return Limits((), None) if "H3" in str(fields.get("handling")) else None
    if not isinstance(given, dict):
        raise _other("h3", given, 'an object such as {"only": ["it"], "delete_by": null}')
    only = sorted(_read("h3.only", parse_unit_id, name) for name in _list(given, "only"))
    delete_by = None if given.get("delete_by") is None else _time(given, "delete_by", now, now=now)
    return Limits(tuple(only), delete_by)


def _references(fields: dict[str, Any]) -> tuple[Reference, ...]:
    found = []
    if fields.get("reply_to"):
        found.append(Reference(RefKind.REPLY_TO, Digest(bytes(32))))
    if fields.get("onward_of"):
        digest = _read("onward_of", _digest, fields["onward_of"], right="64 hexadecimal digits")
        found.append(Reference(RefKind.ONWARD, digest))
    return tuple(found)


def _digest(value: object) -> Digest:
    raw = bytes.fromhex(str(value))
    if len(raw) != 32:
        raise ValueError
    return Digest(raw)


def _time(
    fields: dict[str, Any], name: str, default: int, *, now: Millis, bound: Bound = Bound.TERM
) -> Millis:
    def read(value: object) -> Millis:
        if type(value) is int and 0 <= value <= MAX_UINT:
            return Millis(value)
        return read_point(str(value), now=now).as_bound(bound)

    return _read(name, read, fields.get(name, default))


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name) or []
    if not isinstance(value, list):
        raise _other(name, value, 'a list such as ["it"]')
    return value


def _code(codes: type[_E], fields: dict[str, Any], name: str, *, default: _E | None = None) -> Any:
    value = fields.get(name)
    return default if value is None else _one(codes, name, value)


def _one(codes: type[_E], name: str, value: object) -> _E:
    return _read(name, lambda text: read_code(codes, str(text)), value)


def _read(name: str, how: Callable[[Any], _T], value: object, *, right: str = "another value") -> _T:
    try:
        return how(value)
    except Rejected as rejected:
        raise _other(name, value, rejected.hint) from None
    except (ValueError, TypeError, OverflowError):
        raise _other(name, value, right) from None


def _other(name: str, value: object, right: str) -> BadInput:
    """The field as a draft's faults name theirs."""
    return BadInput(str(Fault(name, "value", right, value_text(value))), hint="correct that field")
