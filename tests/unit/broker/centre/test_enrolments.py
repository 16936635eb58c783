"""Enrolment of many: all requests are looked at before anything is stated, and what was interrupted is gone on with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from broker.centre import enrolments
from broker.centre.enrolments import enrol_units, read_names, read_requests
from keys.directory import Directory
from keys.enrolment import request_enrolment, request_rotation
from keys.statement_types import StatementType
from protocol.identifiers import UnitId
from runtime.cli.errors import BadInput
from runtime.errors import Conflict, Unavailable
from runtime.process.homes import CentreHome
from tests.unit.keys.world import (
    EPOCH_NOW,
    NOW,
    World,
    appointment,
    facts,
    identity,
    publication,
    revocation,
    stated,
)

NAMES = ("be", "cz", "dk", "ee", "fi")


def request_of(unit: str, generation: int = 1) -> bytes:
    """A unit's request for enrolment with one epoch key."""
    own = identity(unit, generation)
    epochs = [stated(publication(unit, EPOCH_NOW, generation), by=own)]
    return request_enrolment(
        appointment(StatementType.IDENTITY, own), signer=own, contact="desk", epochs=epochs
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a request of each unit, and something else."""
    path = tmp_path_factory.mktemp("requests")
    for unit in NAMES:
        (path / f"enrolment-{unit}.cbor").write_bytes(request_of(unit))
    (path / "README").write_text("requests")
    return path


@dataclass
class Registration:
    """The centre's registry without Kafka: what is stated in one call, and whether it goes through."""

    directory: Directory
    home: CentreHome
    stated: list[int] = field(default_factory=list)
    fails_at: int = -1
    waits: bool = False

    async def state(self, statements: Sequence[bytes]) -> tuple[()]:
        if len(self.stated) == self.fails_at:
            raise Unavailable("Kafka is gone")
        for statement in statements:
            self.directory.apply(statement)
        self.stated.append(len(statements))
        return ()


@pytest.fixture
def registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registration:
    """What `enrol_units` finds, in parts of two units."""
    world = World()
    made = Registration(world.directory, CentreHome(tmp_path))

    @asynccontextmanager
    async def opened(_: object) -> AsyncIterator[Registration]:
        yield made

    monkeypatch.setattr(enrolments.Registry, "open", opened)
    monkeypatch.setattr(enrolments, "registrar_of", lambda *_: world.registrar)
    monkeypatch.setattr(enrolments, "now", lambda: NOW)
    monkeypatch.setattr(enrolments, "UNITS_AT_ONCE", 2)
    return made


async def enrolled(folder: Path, registration: Registration, **options: object) -> list[int]:
    """Enrol all of the folder; how far it said it was, after each part."""
    told: list[int] = []
    await enrol_units(None, read_requests([folder]), options, done=told.append)  # type: ignore[arg-type]
    assert [unit.unit for unit in registration.directory.units()] == list(NAMES)
    return told


async def test_a_directory_of_requests_is_enrolled_in_parts(folder: Path, registration: Registration) -> None:
    """Two units at once here: their facts, identities and keys are stated together."""
    assert await enrolled(folder, registration, clearance="eu-restricted") == [2, 4, 5]
    assert registration.stated == [6, 6, 3]
    assert {unit.clearance.name for unit in registration.directory.units()} == {"EU_RESTRICTED"}


async def test_what_was_interrupted_is_gone_on_with(folder: Path, registration: Registration) -> None:
    """The second time states what is missing, and the third time nothing."""
    registration.fails_at = 1
    with pytest.raises(Unavailable):
        await enrolled(folder, registration)
    registration.fails_at = -1
    assert await enrolled(folder, registration) == [4, 5]
    assert registration.stated == [6, 6, 3]
    assert await enrolled(folder, registration) == []
    assert registration.stated == [6, 6, 3]


def test_what_a_thief_described_is_stated_anew() -> None:
    """Of a unit that was known, and of one that only the thief had described: the version goes on behind what fell."""
    world = World()
    world.enrol("fr")
    for unit, version in (("fr", 2), ("xx", 1)):
        world.apply(facts(unit, version=version, name="A lie"), by=world.registrar, at=NOW + 1)
    gone = revocation("registrar", world.registrar.public.kid, since=NOW + 1)
    world.apply(gone, by=world.root_keys[0], at=NOW + 2)
    following = identity("registrar", 2)
    world.apply(appointment(StatementType.REGISTRAR, following), by=world.root_keys[0])
    for unit, version in (("fr", 3), ("xx", 2)):
        stated_anew = enrolments._facts(UnitId(unit), world.directory, {"name": "Right"})
        assert stated_anew is not None and stated_anew.version == version
        world.apply(stated_anew, by=following, at=NOW + 3)


async def test_one_that_is_enrolled_already_is_told(folder: Path, registration: Registration) -> None:
    """Alone it is a mistake, and no part of a larger work."""
    await enrolled(folder, registration)
    with pytest.raises(Conflict, match="be is enrolled with this identity already"):
        await enrol_units(None, read_requests([folder / "enrolment-be.cbor"]), {})  # type: ignore[arg-type]


async def test_nothing_is_stated_if_one_request_cannot_be(
    folder: Path, tmp_path: Path, registration: Registration
) -> None:
    """The last one has epoch keys in use under another identity: the first one is not enrolled either."""
    (tmp_path / "fi.cbor").write_bytes(request_of("fi", 2))
    await enrol_units(None, read_requests([tmp_path / "fi.cbor"]), {})  # type: ignore[arg-type]
    before = registration.directory.head
    with pytest.raises(Conflict, match="fi has epoch keys in use"):
        await enrol_units(None, read_requests([folder]), {})  # type: ignore[arg-type]
    assert registration.directory.head == before


async def test_a_renewal_among_many_changes_no_facts(
    folder: Path, tmp_path: Path, registration: Registration
) -> None:
    """It is carried out with the others; options about the unit refuse all of them."""
    await enrol_units(None, read_requests([folder / "enrolment-be.cbor"]), {})  # type: ignore[arg-type]
    made = appointment(StatementType.IDENTITY, identity("be", 2))
    renewal = request_rotation(made, successor=identity("be", 2), predecessor=identity("be"))
    (tmp_path / "rotation.cbor").write_bytes(renewal)
    files = [tmp_path / "rotation.cbor", folder / "enrolment-cz.cbor"]
    with pytest.raises(click.UsageError, match="a renewal changes no facts"):
        await enrol_units(None, read_requests(files), {"clearance": "bpl"})  # type: ignore[arg-type]
    assert registration.stated == [3]
    await enrol_units(None, read_requests(files), {})  # type: ignore[arg-type]
    assert len(registration.directory.identities(UnitId("be"))) == 2
    assert registration.directory.unit(UnitId("cz")) is not None


def test_each_unit_is_named_once(folder: Path, tmp_path: Path) -> None:
    """Of two requests of a unit nobody but the unit knows which counts."""
    (tmp_path / "again.cbor").write_bytes(request_of("be", 2))
    with pytest.raises(Conflict, match=r"two requests of be: .*enrolment-be.cbor and .*again.cbor"):
        read_requests([folder, tmp_path / "again.cbor"])


def test_a_directory_without_requests_is_told(tmp_path: Path) -> None:
    """It is no enrolment of nobody."""
    with pytest.raises(BadInput, match="has no file"):
        read_requests([tmp_path])


def test_names_are_read_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    """With a mark of their order at the beginning, other columns, quotes and the line ends of Windows."""
    path = tmp_path / "names.csv"
    path.write_bytes('unit,desk,name\r\nfr,1,"France, national unit"\r\nit,2,Italië\r\n'.encode("utf-8-sig"))
    assert read_names(path) == {"fr": "France, national unit", "it": "Italië"}


@pytest.mark.parametrize(
    "text",
    ["", "unit;name\nfr;France\n", "unit,name\nfr\n", "unit,name\nFR,France\n", 'unit,name\nfr,"a\x1b[1m"\n',
     'unit,name\nfr,"open\n', f"unit,name\nfr,{'x' * 201}\n"],
)  # fmt: skip
def test_what_is_no_list_of_names_is_told(tmp_path: Path, text: str) -> None:
    """Nobody is enrolled under half a name."""
    path = tmp_path / "names.csv"
    for data in (text.encode(), text.encode("utf-16")):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"names\.csv"):
            read_names(path)
