"""The one place of this package that writes to stdout: tables, details, JSON.

Rules: data on stdout, talk on stderr. One row per line, nothing cut off, no colours. What others wrote
passes `printable`: a record must not be able to move the cursor of who audits it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# C0 and C1 controls, soft hyphen, zero-width and bidirectional controls, separators, tags, lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)

Row = Mapping[str, Any]


def printable(text: str) -> str:
    """The text with everything that a terminal would obey written out."""
    return _UNPRINTABLE.sub(lambda match: _written_out(match[0]), text)


def moment(t: int) -> str:
    """Unix milliseconds as ISO 8601, in UTC."""
    try:
        return datetime.fromtimestamp(t / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(t)


def say(text: str) -> None:
    """Talk: to the person, not into the pipe."""
    sys.stderr.write(printable(text) + "\n")


def write(text: str) -> None:
    """A line of data."""
    sys.stdout.write(printable(text) + "\n")


def write_json(value: object) -> None:
    """One JSON document."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # JSON escapes C0 itself; the rest can stand only within strings, where \uXXXX means the same.
    sys.stdout.write(
        _UNPRINTABLE.sub(lambda match: match[0] if match[0] == "\n" else _written_out(match[0]), text) + "\n"
    )


def write_table(rows: Sequence[Row], columns: Sequence[tuple[str, str]], *, none: str) -> None:
    """A list, every row of it, in columns (key, title). `none` is said when there are none."""
    if not rows:
        say(none)
        return
    cells = [[title for _, title in columns], *([_cell(row.get(key)) for key, _ in columns] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    for row in cells:
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def write_details(row: Row, fields: Sequence[tuple[str, str]]) -> None:
    """One thing: a line for each field that it has."""
    lines = [(title, _cell(row.get(key))) for key, title in fields if row.get(key) not in (None, [], "")]
    width = max((len(title) for title, _ in lines), default=0)
    for title, text in lines:
        write(f"{title.ljust(width)}  {text}")


def write_found(row: Row, *, as_json: bool) -> None:
    """One thing whole, each field under its own name."""
    if as_json:
        write_json(row)
    else:
        write_details(row, [(key, key) for key in row])


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_cell, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return printable(str(value))


def _written_out(character: str) -> str:
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))
