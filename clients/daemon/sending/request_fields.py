"""The fields of the local API's requests that content does not have: units, ids, terms.

Owns how each is written. A refusal says what was expected, and never what was found.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from protocol.content.cross_rules import broken
from protocol.errors import Rejected
from protocol.identifiers import (
    IdPrefix,
    MessageId,
    Millis,
    ThreadId,
    UnitId,
    parse_unit_id,
    read_id_or_prefix,
)
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
        raise broken("term", rejected.hint, Exception.__str__(rejected)) from None


Unit = Annotated[UnitId, BeforeValidator(_unit)]

Mid = Annotated[MessageId | IdPrefix, BeforeValidator(_id)]
"""An id of a message, or its first digits, of which the intake makes the whole."""

Thread = Annotated[ThreadId | IdPrefix, BeforeValidator(_id)]

Term = Annotated[Millis, Field(ge=0), BeforeValidator(_term)]
"""Unix milliseconds, or a date or time (protocol/times.py); a date means its end."""
