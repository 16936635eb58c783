"""How a fault shows places and values: printable ASCII, short, and as people write them in JSON.

Owns the words in which a `Fault` (protocol/errors.py) names a place and a value. Rule: what is shown was
written by somebody else, perhaps, so it is escaped and cut, and it cannot act on a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

TOP: Final = "(top)"
"""The place of what is wrong with the whole."""

_LONGEST_VALUE: Final = 80
_LONGEST_NAME: Final = 60


def place_text(steps: Iterable[int | str]) -> str:
    """A place in JSON as people write it: `items[2].imo`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{_name(step)}" if path else _name(step)
    return path or TOP


def value_text(value: object) -> str | None:
    """A value as it is written in JSON; None for a list or an object, which is too much to show."""
    if value is None:
        return "null"
    if not isinstance(value, str | int | float | bool):
        return None
    try:
        return _cut(json.dumps(value), _LONGEST_VALUE)
    except ValueError:  # more digits than Python writes
        return f"a number of {value.bit_length() if isinstance(value, int) else 0} bits"


def _name(text: str) -> str:
    return _cut(json.dumps(text, ensure_ascii=True)[1:-1], _LONGEST_NAME)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."
