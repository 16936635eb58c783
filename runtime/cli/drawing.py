"""Drawing on a terminal, with Rich: imported only where a person looks at it, since it takes 40 ms.

Owns the terminal's width and colours. Colours are for people: NO_COLOR, TERM=dumb and --no-color take all of
them away, bold letters too. What is drawn comes from `layout`, safe to print.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from shutil import get_terminal_size

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.cli.columns import PAINT, Column, Kind, Row, short_cells
from runtime.cli.layout import GAP, TableLayout, folded, lay_out

_NARROWEST = 20
"""A terminal that says it is narrower is one of this width."""


def draw_table(columns: Sequence[Column], rows: Sequence[Row], *, color: bool) -> tuple[str, tuple[str, ...]]:
    """A list as text, and the titles of the columns for which there was no room."""
    console = _console(color=color)
    found = lay_out(columns, rows, width=console.width, measure=cell_len)
    with console.capture() as drawn:
        if found is None:
            _draw_blocks(console, columns, rows)
        else:
            _draw_columns(console, found)
    return _lines(drawn.get()), () if found is None else found.left_out


def draw_lines(lines: Sequence[tuple[str, str]], *, color: bool) -> str:
    """Details as text: titles in one column, values beside them, in as many lines as they need."""
    console = _console(color=color)
    with console.capture() as drawn:
        _draw_pairs(console, [(title, text, "") for title, text in lines])
    return _lines(drawn.get())


def _draw_columns(console: Console, found: TableLayout) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, width in zip(found.columns, found.widths, strict=True):
        table.add_column(column.title, width=width, no_wrap=column.kind is not Kind.TEXT, overflow="fold")
    for row in found.cells:
        table.add_row(*(_painted(column, cell) for column, cell in zip(found.columns, row, strict=True)))
    console.print(table)


def _draw_blocks(console: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    cells = zip(*(short_cells(column, rows) for column in columns), strict=True)
    for number, row in enumerate(cells):
        if number:
            console.print()
        named = zip(columns, row, strict=True)
        _draw_pairs(console, [(each.title, cell, _style(each, cell)) for each, cell in named if cell])


def _draw_pairs(console: Console, pairs: Sequence[tuple[str, str, str]]) -> None:
    """Titles, values and their styles: folded here and not by a table, which would cut a long path in two."""
    widest = max((cell_len(title) for title, _, _ in pairs), default=0)
    for title, value, style in pairs:
        margin = title + " " * (widest - cell_len(title) + GAP)
        first, *rest = folded(margin + value, width=console.width, measure=cell_len, indent=widest + GAP)
        line = Text.assemble((title, "bold"), (first[len(title) :], style))
        console.print(Text("\n").join([line, *(Text(each, style) for each in rest)]), soft_wrap=True)


def _painted(column: Column, cell: str) -> Text:
    # Text, not str: square brackets in a message are not markup.
    return Text(cell, style=_style(column, cell))


def _style(column: Column, cell: str) -> str:
    return PAINT.get(cell, "") if column.painted else ""


def _lines(drawn: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())


def _console(*, color: bool) -> Console:
    plain = not color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return Console(
        color_system=None if plain else "standard",
        force_terminal=not plain,
        width=max(_NARROWEST, get_terminal_size().columns),
        highlight=False,
        emoji=False,
        markup=False,
    )
