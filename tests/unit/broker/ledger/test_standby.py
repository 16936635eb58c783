"""Two ledgers on one database, one of which is late with its publication: it stands by, and is not ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.ledger.cosigning import WitnessAhead
from broker.ledger.publishing import PUBLISHER
from broker.ledger.store.record_store import Moved
from broker.replica import Replica
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import MemoryTopics, Rig, world_of
from tests.unit.broker.ledger.test_publishing import Clock, publish, publisher, witness
from tests.unit.broker.ledger.test_run import LateFeed, ledger_run_of


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    path = tmp_path / "ledger"
    path.mkdir()
    return Rig(path, world_of(12))


@pytest.mark.parametrize(("is_there", "ends"), [(True, Moved), (False, WitnessAhead)])
async def test_a_witness_that_saw_another_ledger_is_no_rollback(
    rig: Rig, tmp_path: Path, *, is_there: bool, ends: type[Exception]
) -> None:
    """What the witness has seen is in our own database: another ledger was faster. If it is not, we went back."""
    bus, world = MemoryTopics(), rig.world
    replica = Replica(LateFeed(world.directory.snapshot()), world.directory.root, monotonic=lambda: 0.0)
    ledger = ledger_run_of(rig, bus, replica)
    slow, fast = rig.writer(), rig.writer()
    async with witness(tmp_path / "w") as client:
        ledger.publisher = publisher(rig, client, Clock())
        slow.resume()
        late = slow.advance(rig.readings(0, 5), now=NOON).new
        ledger.publisher.tell(late)
        fast.resume()
        other = publisher(rig, client, Clock())
        other.tell(fast.advance(rig.readings(5), now=NOON).new)
        await publish(other, bus)
        if not is_there:
            ledger.records = _Older(late)
        with pytest.raises(ends):
            async with bus.writing(alone=PUBLISHER) as writer:
                await ledger._publish(writer)


class _Older:
    """A database that was put back."""

    def __init__(self, state: object) -> None:
        self.state = lambda _origin: state
