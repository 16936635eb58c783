"""A fault at work: whom it hits, by what dice, and how long."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.years.disks import Disk
from tests.years.parties import Party

if TYPE_CHECKING:
    from tests.years.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at work: the exchange, its own dice, and how long it lasts."""

    exchange: Exchange
    chance: random.Random
    seconds: float

    def party(self, kind: str) -> Party:
        """One party of this kind."""
        exchange = self.exchange
        match kind:
            case "router":
                return self.chance.choice(exchange.routers)
            case "unit":
                return self.chance.choice(list(exchange.units.values()))
            case "witness":
                return self.chance.choice(list(exchange.witnesses.values()))
            case _:
                return exchange.ledger

    def disk(self, party: Party) -> Disk:
        """A party's disk."""
        disk = self.exchange.disk_of(party)
        assert disk is not None
        return disk

    async def last(self) -> None:
        """Wait as long as the fault lasts."""
        await asyncio.sleep(self.seconds)
