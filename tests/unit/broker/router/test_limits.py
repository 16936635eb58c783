"""What the router writes, its readers take: at the bounds too."""

from __future__ import annotations

import pytest

from protocol.codes import Classification, Handling
from protocol.envelope.core import Limits
from protocol.identifiers import UnitId
from protocol.limits import MAX_RECIPIENTS
from protocol.trail.batches import verify_decisions
from tests.sim.world import World


@pytest.mark.slow
def test_a_refusal_for_every_reason_to_64_addressees_can_be_read() -> None:
    """The sender can verify a refusal that has several reasons for each of 64 addressees."""
    world = World()
    names = [f"unit-{number:02}-{'x' * 50}" for number in range(MAX_RECIPIENTS)]
    for name in names:
        world.enrol(name, clearance=Classification.BPL, purposes=frozenset())
    submission = world.compose(
        "fr",
        names,
        classification=Classification.EU_RESTRICTED,
        handling=frozenset({Handling.H3}),
        h3=Limits((UnitId("it"),), None),
    )
    for name in names:
        world.suspend(name)
    world.submit("fr", submission)
    world.route("fr")

    (record,) = verify_decisions(world.receipts["fr"][-1], parties=world.directory).records
    assert len(record.reasons) == 4 * MAX_RECIPIENTS
