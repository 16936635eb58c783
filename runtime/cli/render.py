"""The one place that writes to stdout: tables, details, JSON, JSON lines.

Rules:
- Data on stdout, messages to the person (`say`) on stderr. An empty list is `[]` in JSON, and no line in JSON
  lines.
- On a terminal a table is drawn to its width (`drawing`); elsewhere, and with --wide, it is plain text, one
  row per line, nothing shortened, no colours.
- Every line passes `printable` before it is written, so that no caller can forget it: a message or a record
  must not be able to move the cursor, change colours or turn the direction of the line that it stands in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size

import click

from runtime.cli.columns import UNPRINTABLE, Column, Row, moment, plain, printable, reasons_text, short_cells
from runtime.cli.command import Invocation
from runtime.cli.errors import OutputLost
from runtime.cli.pipes import ReaderLeft
from runtime.process.streams import escape, tell

__all__ = [
    "Column",
    "Row",
    "fields_of",
    "flush",
    "json_text",
    "line_of",
    "moment",
    "plain",
    "printable",
    "reasons_text",
    "say",
    "write",
    "write_as_is",
    "write_details",
    "write_json",
    "write_json_line",
    "write_table",
]


def say(text: str) -> None:
    """Write a message for the person to stderr, not into the pipe."""
    tell(printable(text))


def write(text: str) -> None:
    """One line of words; on a terminal it goes on in the next line, between two of them."""
    if _is_drawn():
        from runtime.cli.layout import folded  # noqa: PLC0415 - only for a person at a terminal

        _put("".join(f"{line}\n" for line in folded(printable(text), width=get_terminal_size().columns)))
    else:
        write_as_is(text)


def write_as_is(text: str) -> None:
    """One line that is copied or read by a program: never folded."""
    _put(printable(text) + "\n")


def write_json(value: object) -> None:
    """One JSON document; with --jsonl a list is a line for each of its entries, and a thing is one line."""
    if not _invocation().jsonl:
        _put(json_text(value, indent=2) + "\n")
        return
    for each in value if isinstance(value, list) else [value]:
        write_json_line(each)


def write_json_line(value: object) -> None:
    """One JSON document on one line, flushed at once: a reader may be following."""
    write_as_is(json_text(value))
    flush()


def json_text(value: object, *, indent: int | None = None) -> str:
    """The value as JSON in which no character can act on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # JSON escapes C0 itself; the line breaks are the layout's. The rest can stand only within strings,
    # where \uXXXX means the same.
    return UNPRINTABLE.sub(lambda match: match[0] if match[0] == "\n" else escape(match[0]), text)


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
    elif _is_drawn():
        from runtime.cli.drawing import draw_table  # noqa: PLC0415 - 40 ms, only for a person at a terminal

        drawn, left_out = draw_table(columns, rows, color=_invocation().color)
        _put(drawn)
        if left_out:
            say(f"hint: no room for {', '.join(left_out)}: --wide shows all")
    else:
        _align([[column.title for column in columns], *([c.text(row) for c in columns] for row in rows)])


def write_details(row: Row, fields: Sequence[Column], *, as_json: bool) -> None:
    """One thing: a line for each field that it has."""
    if as_json:
        write_json(row)
        return
    lines = [(printable(field.title), text) for field in fields if (text := field.text(row))]
    if _is_drawn():
        from runtime.cli.drawing import draw_lines  # noqa: PLC0415 - as above

        _put(draw_lines(lines, color=_invocation().color))
    else:
        _align([list(line) for line in lines])


def line_of(row: Row, columns: Sequence[Column]) -> list[str]:
    """One row of a list that goes on: its cells, short on a terminal."""
    cells = [column.text(row) for column in columns]
    if _is_drawn():
        cells = [short_cells(column, [row])[0] for column in columns]
    return [cell or "-" for cell in cells]


def fields_of(row: Row) -> list[Column]:
    """Every field under its own name, for a thing that is shown whole."""
    return [Column(key, key) for key in row]


def _invocation() -> Invocation:
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_object(Invocation)
    return Invocation() if found is None else found


def _is_drawn() -> bool:
    return sys.stdout.isatty() and not _invocation().wide


def _align(rows: list[list[str]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    for row in rows:
        write_as_is("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _put(text: str) -> None:
    with _written():
        sys.stdout.write(text)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        raise OutputLost(error.strerror or type(error).__name__) from None
