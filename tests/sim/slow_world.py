"""An exchange whose root asks for a cooling-off time of an hour."""

from __future__ import annotations

from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity, SoftOpener
from keys.statement_types import StatementType
from protocol.identifiers import Millis, StreamId, UnitId
from protocol.limits import HOUR
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
