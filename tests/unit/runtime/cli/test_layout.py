"""Tables on terminals: what is never broken is whole at every width, and nothing is wider than the terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.cli import drawing
from runtime.cli.columns import Column, Kind, moment, short_cells
from runtime.cli.layout import folded, lay_out

ROWS = [
    {"id": f"019aa5f2-7c1e-7a0{n}-8000-3c5e9f0d1b2a", "state": "acknowledged", "kind": "information",
     "from": "fr-customs", "urgent": "public-security" if n else None, "codes": "H1+H3", "t": 1_795_334_400_000 + n,
     "why": "E_SENDER_SUSPENDED, E_DATA_BASIS it, E_PURPOSE de"}
    for n in range(3)
]  # fmt: skip
COLUMNS = (
    Column("id", "ID", kind=Kind.ID),
    Column("state", "STATE"),
    Column("kind", "KIND", spare=1),
    Column("from", "FROM"),
    Column("urgent", "URGENT"),
    Column("codes", "HANDLING", spare=2),
    Column("t", "RECEIVED", moment),
    Column("why", "REASONS", kind=Kind.TEXT),
)
NEVER_BROKEN = ("acknowledged", "fr-customs", "E_SENDER_SUSPENDED", "public-security")


def draw(columns, rows, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    drawn, left_out = drawing.draw_table(columns, rows, color=False)
    return drawn.splitlines(), left_out


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200])
def test_what_is_never_broken_is_whole_at_every_width(width, monkeypatch):
    """Ids, states, times and codes stand on one line each, and no line is wider than the terminal."""
    lines, _ = draw(COLUMNS, ROWS, width, monkeypatch)
    together = "\n".join(lines)

    assert max(len(line) for line in lines) <= width
    for row, short in zip(ROWS, short_cells(COLUMNS[0], ROWS), strict=True):
        assert together.count(short) == 1 and row["id"].startswith(short)
    for text in NEVER_BROKEN:
        assert text in together
    assert len(re.findall(r"2026-11-22[T ]08:00(:00)?Z", together)) == 3


def test_what_gives_way_first(monkeypatch):
    """Wide: everything. Then seconds, then text over several lines, then spare columns, and blocks in the end."""
    wide, none = draw(COLUMNS, ROWS, 160, monkeypatch)
    assert (len(wide), none) == (4, ()) and "2026-11-22T08:00:00Z" in wide[1]

    tighter, none = draw(COLUMNS, ROWS, 140, monkeypatch)
    assert none == () and "2026-11-22 08:00Z" in tighter[1] and len(tighter) > 4

    spared, left_out = draw(COLUMNS, ROWS, 110, monkeypatch)
    assert left_out == ("HANDLING", "KIND") and "HANDLING" not in spared[0]

    blocks, none = draw(COLUMNS, ROWS, 60, monkeypatch)
    assert none == () and blocks[0].split() == ["ID", "019aa5f2-7c1e-7a00"] and "HANDLING" in "".join(blocks)


def test_ids_are_as_long_as_they_must_be():
    """Thirteen characters where that names one; more where several begin so; what the source said is taken."""
    two = [{"id": ROWS[0]["id"]}, {"id": "019aa5f3-0000-7000-8000-000000000000"}]
    assert short_cells(COLUMNS[0], two) == ["019aa5f2-7c1e", "019aa5f3-0000"]
    assert short_cells(COLUMNS[0], ROWS) == [f"019aa5f2-7c1e-7a0{n}" for n in range(3)]
    said = [{"id": ROWS[0]["id"], "short": "019aa5f2-7c1e-7a00-8"}, {"id": "none"}]
    assert short_cells(COLUMNS[0], said) == ["019aa5f2-7c1e-7a00-8", "none"]
    keys = [{"id": "0f3a9c" + "0" * 26}, {"id": "0f3a9c" + "1" * 26}]
    assert short_cells(COLUMNS[0], keys) == ["0f3a9c000000", "0f3a9c111111"]


words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30)
cells = st.one_of(st.none(), words, st.lists(words, max_size=6).map(" ".join))
tables = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2)), min_size=n, max_size=n),
        st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=5),
    )
)


@settings(deadline=None, max_examples=80)
@given(tables, st.integers(20, 200))
def test_a_layout_fits_or_is_none(table, width):
    """Whatever the cells are: the columns fit the width, and only text is narrower than its widest cell."""
    shapes, values = table
    columns = [Column(str(at), f"C{at}", kind=kind, spare=spare) for at, (kind, spare) in enumerate(shapes)]
    rows = [{str(at): value for at, value in enumerate(row)} for row in values]
    found = lay_out(columns, rows, width=width, measure=len)
    if found is None:
        return
    assert sum(found.widths) + 2 * (len(found.widths) - 1) <= width
    shown = [each for each in columns if any(each.text(row) for row in rows)] or columns
    assert len(found.columns) + len(found.left_out) == len(shown)
    assert {each.title for each in columns if each.spare == 0}.isdisjoint(found.left_out)
    for at, column in enumerate(found.columns):
        widest = max(len(row[at]) for row in found.cells)
        assert column.kind is Kind.TEXT or widest <= found.widths[at]


def test_letters_of_two_columns_are_counted_as_two(monkeypatch):
    """Names in scripts with wide letters leave the columns behind them in their place."""
    rows = [{"name": "山田太郎", "state": "new"}, {"name": "fr", "state": "new"}]
    lines, _ = draw((Column("name", "NAME"), Column("state", "STATE")), rows, 80, monkeypatch)

    assert [drawing.cell_len(line[: line.index("new")]) for line in lines[1:]] == [10, 10]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_line_of_words_goes_on_under_its_words(width):
    """A line with a title keeps it free; no word is broken, none is lost, and the line fits if its words do."""
    text = (
        "ledger     read; 3 messages wait for their leaves, and contrada.example/audit/2026h2 is at 4711 now"
    )
    lines = folded(text, width=width)

    assert " ".join(text.split()) == " ".join(" ".join(lines).split())
    assert all(len(line) <= width for line in lines) and len(lines) > 1
    assert all(line.startswith(" " * 11) and line[11] != " " for line in lines[1:])
    assert folded("x" * 200, width=width) == ["x" * 200]
    assert folded("short", width=width) == ["short"]


def test_a_column_in_which_nothing_stands_takes_no_room(monkeypatch):
    """On a terminal; a list of which nothing is known at all has its titles."""
    rows = [{"id": ROWS[0]["id"], "state": "new"}]
    lines, left_out = draw(COLUMNS, rows, 80, monkeypatch)

    assert (lines[0].split(), left_out) == (["ID", "STATE"], ())
    assert draw(COLUMNS[:2], [{}], 80, monkeypatch)[0][0].split() == ["ID", "STATE"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_path_that_is_copied_is_whole(width, monkeypatch):
    """In details and in blocks a long word is never cut: the terminal breaks it, and gives it back in one piece."""
    path = "/srv/contrada/units/fr/witness/evidence/inconsistent-c5583dc22c65ba14-347-563ca477502bb715"
    monkeypatch.setenv("COLUMNS", str(width))
    columns = (Column("log", "LOG"), Column("folder", "FOLDER"))
    blocks, _ = drawing.draw_table(columns, [{"log": "contrada.example/audit", "folder": path}], color=False)
    details = drawing.draw_lines([("public keys", path), ("purposes", "strategic, " * 12)], color=False)

    assert path in blocks and path in details
    assert all(len(line) <= width for line in details.splitlines() if path not in line)
