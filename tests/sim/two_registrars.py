"""An exchange that was founded with two registrars, who agree on what it takes; and acts that both sign."""

from __future__ import annotations

from dataclasses import dataclass

from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from protocol.identifiers import UnitId
from protocol.trail.acts import Act
from protocol.trail.stated_acts import agree_to_half, sign_acts
from tests.sim.world import UNITS, World


@dataclass
class TwoRegistrars(World):
    """The same world with a second registrar."""

    def __post_init__(self, fresh: bool) -> None:
        super().__post_init__(True)

    def _found(self) -> None:
        names = ("root", "registrar", "registrar-2", "router", "ledger")
        self.root_key, self.registrar, self.second, self.router, self.ledger = (
            SoftIdentity.generate(UnitId(name), self.entropy) for name in names
        )
        self.directory = Directory(RootOfTrust((self.root_key.public,), registrars=2))
        for registrar in (self.registrar, self.second):
            self.appoint(StatementType.REGISTRAR, registrar, by=self.root_key)
        self.appoint(StatementType.ROUTER, self.router, by=self.registrar)
        self.appoint(StatementType.LEDGER, self.ledger, by=self.registrar)
        for unit, changes in UNITS.items():
            self.enrol(unit, **changes)

    def registrars(self) -> list[SoftIdentity]:
        """Both."""
        return [self.registrar, self.second]

    def publish(self, body: object, *, by: SoftIdentity):
        """Where the first registrar alone is not enough, the second one states it too."""
        applied = super().publish(body, by=by)
        return super().publish(body, by=self.second) if applied.waits else applied

    def half(self, act: Act) -> bytes:
        """The act with the first one's signature."""
        return sign_acts([act], actor=act.actor, now=act.t, signer=self.registrar, entropy=self.entropy)

    def both(self, act: Act, *, later: int = 0) -> bytes:
        """The act as it counts: the second one has agreed, so many milliseconds later."""
        return self.agreed(self.half(act), t=act.t + later)

    def agreed(self, half: bytes, *, t: int, by: SoftIdentity | None = None) -> bytes:
        """What this registrar makes of a half; it looks at nothing."""
        signer = by or self.second
        return agree_to_half(half, actor=signer.name, now=t, signer=signer)
