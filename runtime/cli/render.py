"""The one place that writes to stdout: tables, details, JSON, JSON lines.

Rules:
- Data on stdout, messages to the person (`say`) on stderr. A list is always shown whole; an empty one is `[]`
  in JSON.
- On a terminal a table is drawn (Rich, imported then and only then); elsewhere it is plain text, one row
  per line, nothing cut off. NO_COLOR is honoured.
- Every line passes `printable` before it is written, so that no caller can forget it: a message or a record
  must not be able to move the cursor, change colours or turn the direction of the line that it stands in.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from protocol.times import show_time
from runtime.cli.errors import OutputLost
from runtime.process.streams import escape, tell

# C0 and C1 controls, soft hyphen, zero-width and bidirectional controls, line and paragraph separators,
# tags and unpaired surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one line of details: where its value is, its title, and how it is written."""

    key: str
    title: str
    show: Callable[[Any], str] | None = None

    def text(self, row: Row) -> str:
        """The cell, safe to print."""
        value = row.get(self.key)
        if value is None:
            return ""
        return printable(plain(value) if self.show is None else self.show(value))


def printable(text: str) -> str:
    """The text with everything that a terminal would act on escaped."""
    return _UNPRINTABLE.sub(lambda match: escape(match[0]), text)


def plain(value: object) -> str:
    """A value in a cell."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(plain(entry) for entry in value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def reasons_text(found: Iterable[Mapping[str, Any]]) -> str:
    """Reasons of a refusal in one line: what was found, or else the code and the unit that it is about."""
    return "; ".join(
        f"{row['found']} ({row['code']})"
        if row.get("found")
        else f"{row['code']} {row['unit'] or ''}".strip()
        for row in found
    )


def moment(value: object) -> str:
    """Unix milliseconds as ISO 8601, in UTC."""
    return show_time(value) if isinstance(value, int) else plain(value)


def say(text: str) -> None:
    """Write a message for the person to stderr, not into the pipe."""
    tell(printable(text))


def write(text: str) -> None:
    """One line of data."""
    _put(printable(text) + "\n")


def write_json(value: object) -> None:
    """One JSON document."""
    _put(json_text(value, indent=2) + "\n")


def write_json_line(value: object) -> None:
    """One JSON document on one line, flushed at once: a reader may be following."""
    write(json_text(value))
    flush()


def json_text(value: object, *, indent: int | None = None) -> str:
    """The value as JSON in which no character can act on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # JSON escapes C0 itself; the line breaks are the layout's. The rest can stand only within strings,
    # where \uXXXX means the same.
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0] == "\n" else escape(match[0]), text)


def flush() -> None:
    """What was written leaves the process; `OutputLost` where it cannot."""
    with _written():
        sys.stdout.flush()


def write_table(rows: Iterable[Row], columns: Sequence[Column], *, as_json: bool, none: str) -> None:
    """A list: every row of it. `none` is said when there are none."""
    rows = list(rows)
    if as_json:
        write_json(rows)
    elif not rows:
        say(none)
    else:
        cells = [[column.text(row) for column in columns] for row in rows]
        titles = [column.title for column in columns]
        if sys.stdout.isatty():
            _draw(titles, cells)
        else:
            _align([titles, *cells])


def write_details(row: Row, fields: Sequence[Column], *, as_json: bool) -> None:
    """One thing: a line for each field that it has."""
    if as_json:
        write_json(row)
        return
    lines = [(field.title, field.text(row)) for field in fields]
    _align([[title, text] for title, text in lines if text])


def fields_of(row: Row) -> list[Column]:
    """Every field under its own name, for a thing that is shown whole."""
    return [Column(key, key) for key in row]


def _align(rows: list[list[str]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    for row in rows:
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _draw(titles: list[str], cells: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - 40 ms, only for a person at a terminal
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in cells:
        # Text, not str: square brackets in a message are not markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _put(text: str) -> None:
    with _written():
        sys.stdout.write(text)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(error.strerror or type(error).__name__) from None
