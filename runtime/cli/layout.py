"""Where the columns of a table go on a terminal of a given width. Pure: cells in, widths out.

Rules, in this order, until it fits:
1. everything that stands in any row, in its short form;
2. times without their seconds;
3. text goes on in the next line, between its words;
4. columns that can be spared are left out, and that is said;
5. no table: one block of lines for each row.

An id, a time or a state is never broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from runtime.cli.columns import Column, Kind, Row, short_cells, tight_cell

GAP: Final = 2
LONGEST_WORD: Final = 24
"""A longer word of a text may be broken."""

_TITLE: Final = re.compile(r" *(?:\S+ ){0,2}\S+ {2,}|\S+: ")

Measure = Callable[[str], int]
"""How many columns of the terminal a text takes."""


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The columns that are drawn, their cells by row, and their widths."""

    columns: tuple[Column, ...]
    cells: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    left_out: tuple[str, ...] = ()


def lay_out(
    columns: Sequence[Column], rows: Sequence[Row], *, width: int, measure: Measure
) -> TableLayout | None:
    """The table, or None where only blocks fit."""
    columns = [each for each in columns if any(each.text(row) for row in rows)] or list(columns)
    short = [short_cells(column, rows) for column in columns]
    tight = [[tight_cell(text) for text in cells] for cells in short]
    if found := _fitted(columns, short, width=width, measure=measure, flows=False):
        return found
    kept = list(range(len(columns)))
    left_out: list[str] = []
    while True:
        chosen, cells = [columns[at] for at in kept], [tight[at] for at in kept]
        for flows in (False, True):
            if found := _fitted(chosen, cells, width=width, measure=measure, flows=flows):
                return TableLayout(found.columns, found.cells, found.widths, tuple(left_out))
        spare = max(kept, key=lambda at: columns[at].spare)
        if columns[spare].spare == 0:
            return None
        kept.remove(spare)
        left_out.append(columns[spare].title)


def folded(text: str, *, width: int, measure: Measure = len, indent: int | None = None) -> list[str]:
    """A line of words as lines of this width; what follows goes on under what stands behind the title.

    A word that is longer than the width is not broken: it may be an id, or a path to be copied.
    """
    title = _TITLE.match(text)
    if indent is None:
        indent = measure(title[0]) if title is not None else len(text) - len(text.lstrip()) + GAP
    if measure(text) <= width or indent > width // 2:
        return [text]
    lines, words = [text[:indent]], text[indent:].split(" ")
    for number, word in enumerate(words):
        gap = "" if number == 0 else " "
        if number == 0 or measure(lines[-1]) + len(gap) + measure(word) <= width:
            lines[-1] += gap + word
        else:
            lines.append(" " * indent + word)
    return lines


def _fitted(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], *, width: int, measure: Measure, flows: bool
) -> TableLayout | None:
    room = width - GAP * (len(columns) - 1)
    titled = zip(columns, cells, strict=True)
    widest = [max(measure(text) for text in (each.title, *of)) for each, of in titled]
    widths = widest
    if sum(widths) > room:
        least = [
            _least(each, of, measure) if each.kind is Kind.TEXT else full
            for each, of, full in zip(columns, cells, widest, strict=True)
        ]
        if not flows or sum(least) > room:
            return None
        widths = _shared(least, widest, room)
    return TableLayout(tuple(columns), tuple(zip(*cells, strict=True)), tuple(widths))


def _least(column: Column, cells: Sequence[str], measure: Measure) -> int:
    """The width at which no word is broken that is not very long."""
    longest = max((measure(word) for text in cells for word in text.split()), default=0)
    return max(measure(column.title), min(longest, LONGEST_WORD))


def _shared(least: Sequence[int], widest: Sequence[int], room: int) -> list[int]:
    """What is left of the room goes to those that are too narrow, the narrowest first."""
    widths = list(least)
    for _ in range(room - sum(widths)):
        poor = [at for at in range(len(widths)) if widths[at] < widest[at]]
        if not poor:
            break
        widths[min(poor, key=lambda at: widths[at])] += 1
    return widths
