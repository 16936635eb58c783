"""What is told of a document and refused to nobody: before it is sent, when it is, and where it arrives."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.numbers.zone_layouts import LAYOUTS
from tests.cli.served import ServedUnit, served_unit
from tests.unit.protocol.numbers.zone_specimens import SPECIMENS

TERMS = {"purposes": ["operational"], "data_class": "personal"}
DOCUMENT = TERMS | {"type": "identity_document", "status": "stolen", "category": "other", "country": "UTO"}
PARTLY_UNREAD = {layout.name for layout in LAYOUTS if layout.unread}
NOT_CHECKED = (
    "caveat: items[0].mrz: not checked: no layout of this opening with lines of 15, 8 is known here\n"
)


@pytest.fixture(scope="module")
def unit() -> Iterator[ServedUnit]:
    with tempfile.TemporaryDirectory(prefix="cd-") as directory, served_unit(Path(directory)) as made:
        yield made


def draft(path: Path, **more: object) -> str:
    file = path / "draft.json"
    frame = {"subject": "A case", "language": "en", "crime_areas": ["migrant-smuggling"]}
    file.write_text(json.dumps(frame | {"items": [DOCUMENT | more]}))
    return str(file)


def test_a_zone_that_nobody_knows_is_marked_at_both_ends(unit: ServedUnit, tmp_path: Path) -> None:
    """The sender states nothing about it, and reads what the addressee reads."""
    file = draft(tmp_path, mrz=["QX1234567890123", "ABC<<DEF"])
    explained = unit.contrada("route", "explain", "--to", "pt", file)
    sent = unit.contrada("send", "--to", "pt", file)
    arrived = unit.deliver(sent.out.strip())

    assert sent.exit == 0
    assert NOT_CHECKED in explained.err
    assert NOT_CHECKED in sent.err
    assert [caveat["rule"] for caveat in arrived["caveats"]] == ["mrz_not_checked"]
    assert arrived["body"]["items"][0]["status"] == "stolen"


@pytest.mark.parametrize("layout", SPECIMENS)
def test_a_stolen_document_of_every_layout_can_be_sent(unit: ServedUnit, tmp_path: Path, layout: str) -> None:
    """Nobody is talked into calling it false."""
    sent = unit.contrada("send", "--to", "pt", draft(tmp_path, mrz=SPECIMENS[layout][0]))

    assert (sent.exit, "caveat: items[0].mrz" in sent.err) == (0, layout in PARTLY_UNREAD)
