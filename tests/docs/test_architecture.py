"""The picture of the house in docs/architecture.md is the house."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.docs import house, house_picture
from tests.docs.pages import page

AGAIN = "docs/architecture.svg is not the house any more: .venv/bin/python -m tests.docs.house_picture"


def test_the_picture_shows_the_imports() -> None:
    """Drawn again from the imports, it is the same picture."""
    assert house_picture.PICTURE.read_text(encoding="utf-8") == house_picture.current(), AGAIN


@pytest.mark.slow
def test_a_new_import_between_rooms_changes_the_picture() -> None:
    """An arrow or a dot that is not in the picture makes it another one, and so does one that is gone."""
    imports, rooms = house.read_imports(), house.read_rooms()
    drawn = house_picture.draw(imports, rooms)
    for more in (("clients.witness", "clients.demo"), ("runtime.process", "protocol.numbers")):
        assert not imports[more]
        assert house_picture.draw(imports + Counter({more: 1}), rooms) != drawn
    for less in (("broker.router", "runtime.kafka"), ("protocol.content", "protocol")):
        assert imports[less]
        assert house_picture.draw(Counter({at: n for at, n in imports.items() if at != less}), rooms) != drawn


@pytest.mark.slow
def test_a_new_room_changes_the_picture() -> None:
    """A folder that the picture does not show makes it another one."""
    imports, rooms = house.read_imports(), house.read_rooms()

    assert house_picture.draw(imports, {**rooms, "clients.spool": ""}) != house_picture.draw(imports, rooms)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", [("protocol", "keys"), ("broker.router", "clients.daemon"), ("runtime.kafka", "broker")]
)
def test_an_import_upwards_or_across_has_no_picture(wrong: tuple[str, str]) -> None:
    """What no floor allows is not drawn at all."""
    with pytest.raises(ValueError, match="no floor below"):
        house_picture.draw(house.read_imports() + Counter({wrong: 1}), house.read_rooms())


def test_imports_are_read_from_the_sources() -> None:
    """Each kind of import is seen: a name of a module, a module of a package, and the way of a relative room."""
    imports = house.read_imports()

    assert imports["keys", "protocol"] > 20
    assert imports["broker.router", "runtime.kafka"] > 2
    assert {room.split(".")[0] for room in house.read_rooms()} == set(house.PACKAGES)
    assert not [room for room in imports if room[0] == room[1]]


def test_the_table_names_every_room() -> None:
    """Each room of the house stands in the table beside the picture, and nothing else."""
    rows = page("docs/architecture.md").rows("Package", "Owns", "Its rooms")
    named = {row[0].strip("`/"): set(re.findall(r"`(\w+)`", row[2])) for row in rows}
    there = {name: set[str]() for name in house.PACKAGES}
    for room in house.read_rooms():
        package, _, inner = room.partition(".")
        # The rooms of the auditor, the commands and the centre are theirs alone: their parent stands for them.
        names = inner.split(".") if inner.startswith(("daemon", "ledger")) else inner.split(".")[:1]
        there[package] |= {name for name in names if name}

    assert named == there
