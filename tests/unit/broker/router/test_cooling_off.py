"""A router refuses what a unit signs whose key rests, and what is sealed to nothing of it; afterwards it takes both."""

from __future__ import annotations

from keys.appointments import line
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity, SoftOpener
from keys.statement_types import StatementType
from protocol.identifiers import Millis, StreamId, UnitId
from protocol.limits import HOUR, MINUTE
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning
from tests.mutants.promises import assert_missed
from tests.sim.world import Party, World, facts


class SlowWorld(World):
    """An exchange whose root asks for an hour; fr and it are in for long, xx has just been enrolled."""

    def __init__(self) -> None:
        super().__init__(fresh=True)

    def _found(self) -> None:
        self.root_key, self.registrar, self.router, self.ledger = (
            SoftIdentity.generate(UnitId(name), self.entropy)
            for name in ("root", "registrar", "router", "ledger")
        )
        self.directory = Directory(RootOfTrust((self.root_key.public,), cooling_off=HOUR))
        self.appoint(StatementType.REGISTRAR, self.registrar, by=self.root_key)
        self.appoint(StatementType.ROUTER, self.router, by=self.registrar)
        for unit in ("fr", "it"):
            self.joins(unit)
        self.now = Millis(self.now + HOUR)
        for unit in ("fr", "it"):
            self.publish_epochs(unit)
        self.joins("xx")

    def joins(self, unit: str) -> None:
        """What the centre states of a new unit."""
        identity = SoftIdentity.generate(UnitId(unit), self.entropy)
        self.parties[unit] = Party(identity, SoftOpener(), StreamId(self.entropy(8)))
        self.publish(facts(unit), by=self.registrar)
        self.appoint(StatementType.IDENTITY, identity, by=self.registrar)


def test_a_router_refuses_a_unit_that_rests() -> None:
    """From the first moment to the last one; then the same unit sends and receives."""
    world = SlowWorld()
    assert world.send("fr", ["it"]) == []
    assert world.send("xx", ["it"]) == ["E_KEY_NOT_YET"]
    world.now = Millis(world.now + HOUR - MINUTE)
    assert world.send("xx", ["it"]) == ["E_KEY_NOT_YET"]
    world.now = Millis(world.now + MINUTE)
    world.publish_epochs("xx")
    assert world.send("xx", ["it"]) == []
    assert world.send("it", ["xx"]) == []


async def test_without_the_rule_it_would_be_taken() -> None:
    await assert_missed(Mutant(line._rested, returning("key")), test_a_router_refuses_a_unit_that_rests)
