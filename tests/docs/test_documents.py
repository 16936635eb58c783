"""docs/documents.md: the layouts that are checked and those that are taken unread, as the program has them."""

from __future__ import annotations

import ast
from pathlib import Path

from protocol.content import caveats
from protocol.numbers.zone_layouts import LAYOUTS, NUMBER, Layout
from tests.docs.pages import page

PAGE = "docs/documents.md"


def row_of(layout: Layout) -> list[str]:
    same = len(set(layout.lines)) == 1
    lines = f"{len(layout.lines)} × {layout.lines[0]}" if same else " + ".join(map(str, layout.lines))
    fields = dict.fromkeys(
        [NUMBER for number in layout.numbers if number.digit is not None]
        + [digit.field for digit in layout.digits]
    )
    opening = layout.opening.pattern.replace("\n", " / ").replace("|", " or ")
    certain = "yes" if layout.certain else "if all fit"
    return [layout.name, lines, f"`{opening}`", ", ".join(fields) or "none", certain, layout.source]


def test_the_page_has_every_layout_and_no_other() -> None:
    """Row by row in the table's order: what opens it, which digits are compared, and where that is written."""
    header = ("Layout", "Lines", "Opens with", "Check digits that are compared", "Certain", "Source")
    rows = page(PAGE).rows(*header)
    assert [list(row) for row in rows] == [row_of(layout) for layout in LAYOUTS]


def test_the_page_has_every_rule_of_a_caveat() -> None:
    """Whoever reads one in the JSON finds it here."""
    yielded = {
        node.value.elts[0].value
        for node in ast.walk(ast.parse(Path(caveats.__file__).read_text()))
        if isinstance(node, ast.Yield)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.value.elts[0], ast.Constant)
    }
    listed = [row[0].strip("`") for row in page(PAGE).rows("`rule`", "It says")]
    assert sorted(listed) == sorted(yielded)
