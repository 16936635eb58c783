"""What is fuzzed of the ledger: every record behind a leaf, acts and decisions as the ledger reads them.

Rule beyond that of harnesses.py: a record that is read quickly is one that `parse_record` takes, with the same
values, whatever the bytes.
"""

from __future__ import annotations

from functools import cache

from protocol.trail.acts import Act, encode_act, parse_any_record
from protocol.trail.batches import (
    Delivered,
    Record,
    delivery_leaves,
    encode_delivered,
    encode_record,
    verify_decisions,
)
from protocol.trail.ledger_leaves import leaves_of
from protocol.trail.record_scan import scan, scanned_of
from protocol.trail.stated_acts import verify_acts
from tests.fuzz.harness import Harness, expect
from tests.sim.world import World
from tests.unit.protocol.trail.acts import every_act, stated_acts


@cache
def _world() -> World:
    """An exchange with a batch of every outcome."""
    world = World()
    first = world.compose("fr", ["it", "de"], copy=["centre"])
    world.submit("fr", first, world.compose("fr", ["nz"]), first, b"junk")
    world.route("fr")
    return world


def any_record(data: bytes) -> None:
    """Whatever stands behind a leaf; read quickly where it has the common form."""
    quick = scan(data)
    match parse_any_record(data):
        case Record() as record:
            expect(encode_record(record), data)
            expect(quick in (None, scanned_of(record)), True)
        case Delivered() as delivered:
            expect(encode_delivered(delivered), data)
        case Act() as act:
            expect(encode_act(act), data)
            expect(quick, None)


def acts(data: bytes) -> None:
    """Acts of the centre, with the operator's signatures."""
    verify_acts(data, parties=_world().directory)


def leaves(data: bytes) -> None:
    """A record of the audit topic, as the ledger reads it."""
    made = leaves_of(data, first=0, parties=_world().directory)
    expect(sum(row.leaves for row in made.rows), len(made.entries))


def _records() -> list[bytes]:
    world = _world()
    made = verify_decisions(world.audit[0], parties=world.directory)
    decisions = [leaf.record for leaf in made.leaves]
    deliveries = delivery_leaves(made.records[0], made.leaves[0].record, made.leaves[0].salt)
    return [*decisions, *(leaf.record for leaf in deliveries), *map(encode_act, every_act(world.now))]


LEDGER = (
    Harness("ledger-record", any_record, _records),
    Harness("acts", acts, lambda: stated_acts(_world())),
    Harness("ledger-leaves", leaves, lambda: [*_world().audit, *stated_acts(_world())]),
)
