"""Rows and states for the tests of the ledger's records, made of a real exchange."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from broker.ledger.store.record_store import LogState, RecordStore
from protocol.trail.ledger_leaves import Sequenced, leaves_of
from tests.sim.world import World
from tests.unit.protocol.trail.acts import every_act, stated

ORIGIN, NEXT = "contrada.example/audit/2026h2", "contrada.example/audit/2027h1"


def empty(origin: str = ORIGIN) -> LogState:
    """A log without entries."""
    return LogState(origin=origin, size=0, root=bytes(32), checkpoint=b"", position=0, directory_next=0)


def grown(state: LogState, by: int) -> LogState:
    """The state with so many entries more, from one record of the topic."""
    size = state.size + by
    return replace(
        state,
        size=size,
        root=sha256(b"%d" % size).digest(),
        checkpoint=b"note %d" % size,
        position=state.position + 1,
    )


def decisions() -> Sequenced:
    """A message to two units (leaves 0 to 2), a refused one (3), junk (4), and the registrar's deletion (5)."""
    world = World()
    world.submit("fr", world.compose("fr", ["it", "de"]), world.compose("fr", ["nz"]), b"junk")
    world.route("fr")
    made = leaves_of(world.audit[0], first=0, parties=world.directory)
    act = leaves_of(
        stated(world, "registrar", every_act(world.now)[2]), first=len(made.entries), parties=world.directory
    )
    return Sequenced(made.entries + act.entries, made.rows + act.rows, made.signed)


def filled(url: str) -> tuple[RecordStore, LogState, Sequenced]:
    """A store with these in its first log."""
    store, made, first = RecordStore(url), decisions(), empty()
    store.commit(None, first)
    state = grown(first, len(made.entries))
    store.commit(first, state, made.rows, {"tile/0/000.p/5": b"hashes", "tile/entries/000.p/5": b"entries"})
    return store, state, made
