"""Checks of form for decoded items: what a field may hold, whatever its meaning.

Owns the checks of single values, each of which raises `Rejected`. Which fields a structure has is said where
the structure is (docs/spec/contrada.cddl is the normative text); decoding is protocol/canonical.py's.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from typing import TypeVar

from protocol import limits
from protocol.canonical import Item
from protocol.errors import Code, Rejected

E = TypeVar("E", bound=IntEnum)


def number_of(code: IntEnum | None) -> int | None:
    """A code's number, for a field that may be empty."""
    return None if code is None else int(code)


def uint(value: Item) -> int:
    """An unsigned number, or `Rejected`. `True` is an int to Python, but another item to CBOR."""
    if type(value) is not int or not 0 <= value <= limits.MAX_UINT:
        raise Rejected(Code.E_SCHEMA, "a number is missing, negative or too large")
    return value


def octets(value: Item, size: int) -> bytes:
    """A byte string of exactly `size` bytes, or `Rejected`."""
    if type(value) is not bytes or len(value) != size:
        raise Rejected(Code.E_SCHEMA, f"a byte string does not have {size} bytes")
    return value


def member(kind: type[E], value: Item, code: Code = Code.E_SCHEMA) -> E:
    """The code with this number in a closed list, or `Rejected` with `code`."""
    # `True == 1` and `1.0 == 1`: only a plain int may name a code.
    if type(value) is int:
        member = kind._value2member_map_.get(value)
        if member is not None:
            return member  # type: ignore[return-value]
    raise Rejected(code, f"{kind.__name__} does not know this number")


def optional_member(kind: type[E], value: Item) -> E | None:
    """As `member`, for a field that may be null."""
    return None if value is None else member(kind, value)


def rows(value: Item, most: int) -> list[Item]:
    """A list of at most `most` items, or `Rejected`."""
    if type(value) is not list or len(value) > most:
        raise Rejected(Code.E_SCHEMA, f"not a list of at most {most}")
    return value


def set_of(kind: type[E], value: Item, *, at_least: int) -> frozenset[E]:
    """A set of codes of a closed list, in its one encoding, or `Rejected`."""
    members = [member(kind, entry) for entry in rows(value, limits.MAX_PURPOSES)]
    # One set has one encoding: ascending, each code once.
    if len(members) < at_least or any(a >= b for a, b in pairwise(members)):
        raise Rejected(Code.E_SCHEMA, f"the {kind.__name__} codes are not an ascending list")
    return frozenset(members)
