"""What of a unit waits for another registrar: by kind, of that unit alone, and of nobody once it counts."""

from __future__ import annotations

from keys.registrars.waiting import about_whom, waiting_of
from keys.statement_types import StatementType
from protocol.identifiers import UnitId
from tests.unit.keys.registrars.test_agreement import LARGE, exchange
from tests.unit.keys.world import FR, NOW, appointment, facts, identity, status


def test_what_waits_of_a_unit_is_named_once_for_each_kind() -> None:
    """Of a unit that is in, and of one that is to be taken in; what one registrar may do alone waits for nobody."""
    world = exchange()
    world.apply(status(FR, suspended=True), by=world.registrar)
    assert world.directory.ballots(NOW) == ()

    world.apply(status(FR, suspended=False), by=world.registrar)
    world.apply(LARGE, by=world.registrar)
    world.apply(facts("xx"), by=world.registrar)
    world.apply(appointment(StatementType.IDENTITY, identity("xx")), by=world.registrar)
    ballots = world.directory.ballots(NOW)
    assert waiting_of(FR, ballots) == ["status", "quota"]
    assert waiting_of(UnitId("xx"), ballots) == ["facts", "identity"]
    assert waiting_of(UnitId("it"), ballots) == []
    assert about_whom(ballots) == {"fr", "xx"}

    world.agreed(LARGE)
    assert waiting_of(FR, world.directory.ballots(NOW)) == ["status"]
