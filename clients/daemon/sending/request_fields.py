"""The fields of the local API's requests that content does not have: units, ids, terms, files in base64.

Owns how each is written. A refusal says what was expected; of a file's content it shows nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator

from protocol.base64_text import RIGHT, base64_fault, from_base64
from protocol.content.cross_rules import broken
from protocol.errors import Rejected
from protocol.fault_text import value_text
from protocol.identifiers import (
    IdPrefix,
    MessageId,
    Millis,
    ThreadId,
    UnitId,
    parse_unit_id,
    read_id_or_prefix,
)
from protocol.limits import MAX_ATTACHMENT, MAX_UINT
from protocol.signatures import Suite
from protocol.times import Bound, read_date_or_time


def _unit(value: object) -> UnitId:
    try:
        return parse_unit_id(value)
    except Rejected as rejected:
        raise broken("unit", rejected.hint) from None


def _id(value: object) -> bytes | IdPrefix:
    try:
        return read_id_or_prefix(value if isinstance(value, str) else "")
    except Rejected as rejected:
        raise broken("id", rejected.hint) from None


def _term(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return read_date_or_time(value).as_bound(Bound.TERM)
    except Rejected as rejected:
        raise broken("term", rejected.hint, f"{value_text(value)}, {rejected.sentence}") from None


def _content(value: object) -> bytes:
    if not isinstance(value, str):
        raise broken("base64", RIGHT)
    try:
        content = from_base64(value)
    except ValueError:
        # The text is content: what is wrong with it is shown, and not what it is.
        raise broken("base64", RIGHT, base64_fault(value)) from None
    if len(content) > MAX_ATTACHMENT:
        raise broken("size", f"at most {MAX_ATTACHMENT} bytes", f"{len(content)} bytes")
    return content


def _suite(value: object) -> Suite:
    if type(value) is not int or value not in set(Suite):
        raise broken("suite", " or ".join(str(int(suite)) for suite in Suite))
    return Suite(value)


Unit = Annotated[UnitId, BeforeValidator(_unit)]

Mid = Annotated[MessageId | IdPrefix, BeforeValidator(_id)]
"""An id of a message, or its first digits, of which the intake makes the whole."""

Thread = Annotated[ThreadId | IdPrefix, BeforeValidator(_id)]

Term = Annotated[Millis, Field(ge=0, le=MAX_UINT), BeforeValidator(_term)]
"""Unix milliseconds, or a date or time (protocol/times.py); a date means its end."""

# Not a PlainValidator: writing such a field as JSON ends in a warning of the library that quotes the content.
Content = Annotated[bytes, BeforeValidator(_content)]
"""A file's content in base64."""

SuiteNumber = Annotated[Suite, PlainValidator(_suite)]
