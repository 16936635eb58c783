"""The fields that bodies and items are made of, and the base of their models.

Owns how one value looks in JSON and what it may hold. Does not own any structure (`entities`, `bodies`).

Rules: a field reads what it writes and nothing else, so that content has one encoding. Text holds no control
characters, which could act on a terminal, and no bidirectional overrides, which could show a name in another
order than it has (`texts`). There are no floats. A model's representation never shows content. A field that
breaks its rule says what is wrong with the value, and not only what ought to hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from protocol.codes import CrimeArea, Purpose
from protocol.content import texts
from protocol.content.code_forms import (
    Evaluation,
    HandlingCodes,
    handling,
    read_code,
    read_evaluation,
    read_handling,
    show_code,
    show_handling,
)
from protocol.content.cross_rules import breach_details, broken, rules_of
from protocol.errors import Rejected
from protocol.identifiers import Digest, MessageId, Millis, read_id, show_id
from protocol.limits import MAX_TEXT, MAX_UINT
from protocol.times import Bound, PointInTime, read_date_or_time, read_time

T = TypeVar("T")
CodeT = TypeVar("CodeT", bound=Enum)

DRAFT: Final = "draft"
"""The validation context of drafts: times may be text, and what would be a slip of the pen is refused.

What was delivered is read without it, and marked instead (`caveats`): a message that a router accepted stays
readable, also for a program that has learnt more about numbers and documents since (ADR 0024).
"""

_MILLISECONDS: Final = f"milliseconds since 1970, {MAX_UINT} at most"
_ABSENT: Final[tuple[Any, ...]] = (None, [], ())


@dataclass(frozen=True, slots=True)
class RuleSource:
    """The rule that a field comes from; beside the field, for readers and for the schema's test."""

    rule: str


class Model(BaseModel):
    """The base of all content: frozen, strict, closed, silent about its values."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Absent has one form: not there. Every field that may be empty defaults to being so.
        return {key: value for key, value in handler(self).items() if value not in _ABSENT}

    @model_validator(mode="after")
    def _keeps_its_cross_rules(self, info: ValidationInfo) -> Self:
        found = list(self.breaches(draft=info.context == DRAFT))
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self

    def breaches(self, *, draft: bool) -> Iterator[InitErrorDetails]:
        """The rules between fields that are broken, all of them.

        One that reads a field that the model lacks is passed over (`partial` makes such models).
        """
        for rule in rules_of(type(self)):
            if rule.draft and not draft:
                continue
            try:
                breach = rule.check(self)
            except AttributeError:
                continue
            if breach is not None:
                yield breach_details(rule, breach)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Nothing: a representation ends in logs and tracebacks."""
        return ()


def _or_broken(read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except Rejected as rejected:
        raise broken("form", rejected.hint) from None


def coded(codes: type[CodeT]) -> BeforeValidator:
    """Read the textual form of a code of this list."""

    def read(value: object) -> CodeT:
        if isinstance(value, codes):
            return value
        return _or_broken(lambda text: read_code(codes, text), value if isinstance(value, str) else "")

    return BeforeValidator(read)


SHOWN: Final = PlainSerializer(show_code, return_type=str)
PurposeField = Annotated[Purpose, coded(Purpose), SHOWN]
CrimeAreaField = Annotated[CrimeArea, coded(CrimeArea), SHOWN]


def _evaluation(value: object) -> Evaluation:
    if isinstance(value, Evaluation):
        return value
    return _or_broken(read_evaluation, value if isinstance(value, str) else "")


def _handling(value: object) -> HandlingCodes:
    if isinstance(value, frozenset):
        try:
            return handling(value)
        except Rejected as rejected:
            raise broken("handling", rejected.hint) from None
    return _or_broken(read_handling, value if isinstance(value, str) else "")


EvaluationField = Annotated[Evaluation, PlainValidator(_evaluation), PlainSerializer(str, return_type=str)]
HandlingField = Annotated[
    HandlingCodes, PlainValidator(_handling), PlainSerializer(show_handling, return_type=str)
]


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(_distinct(values)))


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        twice = next(place for place, value in enumerate(values) if value in values[:place])
        raise broken("distinct", "each entry once", f"entry [{twice}] a second time")
    return values


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise broken("not_empty", "at least one entry", "an empty list")
    return values


NOT_EMPTY: Final = AfterValidator(_not_empty)
"""After the entries: a list whose only entry is wrong is not also called empty."""

ASCENDING: Final = AfterValidator(_ascending)
DISTINCT: Final = AfterValidator(_distinct)


def _instant(value: object, info: ValidationInfo) -> Millis:
    return _time(value, info, read_time, f"{_MILLISECONDS}, or in a draft a time with its zone")


def _term(value: object, info: ValidationInfo) -> Millis:
    return _time(value, info, read_date_or_time, f"{_MILLISECONDS}, or in a draft a date or a time")


def _time(value: object, info: ValidationInfo, read: Callable[[str], PointInTime], expected: str) -> Millis:
    if type(value) is int and 0 <= value <= MAX_UINT:
        return Millis(value)
    if type(value) is str and info.context == DRAFT:
        try:
            return read(value).as_bound(Bound.TERM)
        except Rejected as rejected:
            raise broken("instant", rejected.hint, rejected.sentence) from None
    raise broken("instant", expected)


Instant = Annotated[Millis, PlainValidator(_instant)]
"""When something was; in a draft `2026-03-01T04:20:00Z` (protocol/times.py)."""

Term = Annotated[Millis, PlainValidator(_term)]
"""By when something is to be done; in a draft a date, too, which means its end."""


def _free_of(rule: str, fault_of: Callable[[str], str | None], right: str) -> AfterValidator:
    """Hold text to what it may hold; a draft's also to something that is seen."""

    def check(text: str, info: ValidationInfo) -> str:
        fault = fault_of(text)
        if fault is not None:
            raise broken(rule, right, fault)
        if info.context == DRAFT and not texts.is_seen(text):
            unseen = f"only characters of which nothing is seen ({texts.code_points(text)})"
            raise broken("unseen", "at least one character that is seen", unseen)
        return text

    return AfterValidator(check)


_LINE: Final = _free_of(
    "line", texts.fault_of_line, "one line without control characters, tabs or outer spaces"
)
_TEXT: Final = _free_of(
    "text", texts.fault_of_text, "text without control characters (lines end in \\n) or outer spaces"
)


def shaped(pattern: str, expected: str) -> AfterValidator:
    """Hold text to a pattern, and say in words what was expected."""
    shape = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if shape.fullmatch(text) is None:
            raise broken("shape", expected)
        return text

    return AfterValidator(check)


def _without(fault_of: Callable[[str], tuple[str, str, str | None] | None]) -> AfterValidator:
    """Hold text to a check that names the rule, what is right and what was found."""

    def check(text: str) -> str:
        fault = fault_of(text)
        if fault is not None:
            raise broken(*fault)
        return text

    return AfterValidator(check)


Line = Annotated[str, StringConstraints(min_length=1, max_length=300), _LINE]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT), _TEXT]
Lines = Annotated[tuple[Line, ...], DISTINCT]
Language = Annotated[str, shaped("[a-z]{2,3}(-[A-Z]{2})?", "a language code such as en or pt-BR")]
Country = Annotated[str, shaped("[A-Z]{3}", "a country code of three letters, such as FRA")]
"""A three-letter code of ICAO Doc 9303-3 (ISO 3166-1, and codes such as XXA for stateless persons)."""

CalendarDate = Annotated[str, _without(texts.fault_of_date)]
"""A date as far as it is known: `1989`, `1989-04` or `1989-04-17`."""

Latitude = Annotated[str, _without(lambda text: texts.fault_of_degrees(text, 90))]
Longitude = Annotated[str, _without(lambda text: texts.fault_of_degrees(text, 180))]
"""Degrees (WGS 84) as decimal text: exact, and the same in every language."""


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_UINT:
        raise broken("count", f"a whole number from 0 to {MAX_UINT}")
    return value


Count = Annotated[int, PlainValidator(_count)]


def _message_id(value: object) -> MessageId:
    if isinstance(value, bytes) and len(value) == 16:
        return MessageId(value)
    raw = _or_broken(read_id, value if isinstance(value, str) else "")
    return MessageId(raw)


def _digest(value: object) -> Digest:
    if isinstance(value, bytes) and len(value) == 32:
        return Digest(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return Digest(bytes.fromhex(value))
    raise broken("digest", "a SHA-256 as 64 lower-case hex digits")


MessageIdField = Annotated[MessageId, PlainValidator(_message_id), PlainSerializer(show_id, return_type=str)]
DigestField = Annotated[Digest, PlainValidator(_digest), PlainSerializer(bytes.hex, return_type=str)]
