"""The records of decisions are complete, in order, and in one form."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, Page, page

RECORDS = tuple(map(Page, sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))))


TAKEN: frozenset[int] = frozenset()
"""Numbers of records that are being written; none is left here when they are there."""


def test_numbers_follow_each_other() -> None:
    """No number is missing and none is there twice."""
    numbers = [int(record.path.name[:4]) for record in RECORDS]
    assert numbers == sorted(set(numbers))
    assert set(range(1, numbers[-1] + 1)) - set(numbers) <= TAKEN


def test_the_index_is_complete() -> None:
    """The index names each record once, with its number, its title and its status."""
    rows = page("docs/adr/README.md").rows("No.", "Decision", "Status")
    expected = [(f"[{r.path.name[:4]}]({r.path.name})", _title(r), _status(r)) for r in RECORDS]

    assert [tuple(cell.replace("`", "") for cell in row) for row in rows] == [
        tuple(cell.replace("`", "") for cell in row) for row in expected
    ]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.path.name)
def test_a_record_weighs_and_decides(record: Page) -> None:
    """Context, drivers, options, decision, consequences: in this order, each said."""
    sections = [heading.partition(":")[0] for heading in re.findall(r"^## (.+)$", record.text, re.MULTILINE)]
    order = [name for name in dict.fromkeys(sections) if name != "The traps, each a test"]

    assert order == ["Context", "Drivers", "Options weighed", "Decision", "Consequences"]


def _title(record: Page) -> str:
    return record.text.splitlines()[0].removeprefix(f"# {record.path.name[:4]} ")


def _status(record: Page) -> str:
    found = re.search(r"^Status: (.+)$", record.text, re.MULTILINE)
    assert found is not None
    return found[1]
