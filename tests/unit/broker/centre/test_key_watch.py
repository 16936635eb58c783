"""Which keys end when, and of whom somebody is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.centre.commands.status_lines import show_status_of_all
from broker.centre.key_watch import ending, key_rows
from broker.centre.status import exchange_is_well
from keys.lifecycle import ENDING
from keys.note_keys import NoteKey
from keys.statement_types import StatementType
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.tlog.policy_text import ledger_policy
from protocol.tlog.shards import shards_from
from tests.cli.test_centre_status import status
from tests.unit.keys.world import NOW, YEAR, World, appointment, identity, revocation
from tests.unit.keys.world import status as status_of

END = NOW + YEAR


@pytest.fixture
def world() -> World:
    """An exchange whose keys all end after a year."""
    world = World()
    world.enrol("fr", epochs=False)
    world.enrol("it", epochs=False)
    world.apply(appointment(StatementType.ROUTER, identity("router")), by=world.registrar)
    world.apply(appointment(StatementType.LEDGER, identity("ledger")), by=world.registrar)
    return world


def told(world: World, at: int) -> list[str]:
    return [f"{row['kind']} {row['name']}" for row in ending(key_rows(world.directory, moment=Millis(at)))]


def test_each_party_has_a_line_with_its_end(world: World) -> None:
    """The centre's first; a root has no end."""
    rows = key_rows(world.directory, moment=Millis(END - 100 * DAY))
    assert [(row["kind"], row["name"], row["state"], row["days_left"]) for row in rows] == [
        ("root", "root", "pinned", None),
        ("registrar", "registrar", "due", 100),
        ("router", "router", "due", 100),
        ("ledger", "ledger", "due", 100),
        ("unit", "fr", "due", 100),
        ("unit", "it", "due", 100),
    ]


def test_sixty_days_before_somebody_is_told(world: World) -> None:
    """Not a day before: what renews itself has done so long since."""
    assert told(world, END - ENDING - 1) == []
    assert told(world, END - ENDING) == [
        "registrar registrar",
        "router router",
        "ledger ledger",
        "unit fr",
        "unit it",
    ]


def test_what_another_key_follows_is_no_trouble(world: World) -> None:
    """A party ends with its last key; one that was revoked is none."""
    late = END - 30 * DAY
    for name, generation in (("router", 2), ("router", 3)):
        made = appointment(
            StatementType.ROUTER, identity(name, generation), not_before=late, not_after=late + YEAR
        )
        world.apply(made, by=world.registrar, at=late)
    assert "router router" not in told(world, late)
    for generation in (2, 3):
        kid = identity("router", generation).public.kid
        world.apply(revocation("router", kid), by=world.registrar, at=late)
    assert "router router" in told(world, late)


def test_who_has_left_or_is_suspended_is_not_told_of(world: World) -> None:
    """A router whose keys are all withdrawn is out of service; a suspended unit is known to be looked at."""
    world.apply(appointment(StatementType.ROUTER, identity("router-2")), by=world.registrar)
    world.apply(revocation("router-2", identity("router-2").public.kid), by=world.registrar)
    world.apply(status_of("it", suspended=True), by=world.registrar)
    assert told(world, END) == ["registrar registrar", "router router", "ledger ledger", "unit fr"]
    (row,) = [row for row in key_rows(world.directory, moment=Millis(END)) if row["name"] == "it"]
    assert row["state"] == "suspended"


def test_the_policy_ends_with_its_last_half_year(world: World, tmp_path: Path) -> None:
    """Messages go on after it, and nothing is proved."""
    key = NoteKey(bytes(32))
    policy = tmp_path / "policy"
    policy.write_text(ledger_policy("contrada.example", now=NOW, log_keys=key.vkeys))
    last = shards_from("contrada.example", NOW, count=4)[-1].end
    rows = {
        at: key_rows(world.directory, moment=Millis(last - at * DAY), policy=policy)[-1]
        for at in (61, 60, -1)
    }
    assert {at: row["state"] for at, row in rows.items()} == {61: "lasting", 60: "ending", -1: "ended"}
    assert (rows[60]["kind"], rows[60]["until"]) == ("policy", last)
    assert key_rows(world.directory, moment=NOW, policy=tmp_path / "none")[-1]["kind"] == "unit"


def test_a_key_that_ends_makes_the_exchange_not_well(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names it, with the days that are left, and ends in 3."""
    found = status(None) | {"keys": ending(key_rows(world.directory, moment=Millis(END - 20 * DAY)))[1:2]}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "ENDS       router router: in 20 days (2028-01-15T" in capsys.readouterr().out


def test_so_does_a_process_that_cannot_renew_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """What it says of its key is shown below it; rubbish is no advice."""
    found = status(None)
    found["routers"][0]["checks"]["key"] = {"ok": True, "ending": True, "hint": "somebody else has it"}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "its key ends: somebody else has it" in capsys.readouterr().out
    found["routers"][0]["checks"]["key"] = {"ok": True, "ending": "rubbish", "hint": 7}
    assert exchange_is_well(found)
