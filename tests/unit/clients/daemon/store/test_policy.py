"""A unit seals as the policy asks: stronger, for no longer; and tells at once what no router would take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clients.daemon.store import order
from keys.statement_types import PolicyVersion
from protocol.codes import Classification
from protocol.envelope.wire import parse_submission
from protocol.errors import ContradaError
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, ExchangePolicy
from protocol.identifiers import Millis
from protocol.limits import DAY, POLICY_NOTICE
from protocol.signatures import Suite
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump

NARROW = replace(PROTOCOL_POLICY, lifetime=DAY, suites=(Suite.HYBRID, Suite.HYBRID), addressees=2)


def in_force(world: World, policy: ExchangePolicy, *units: UnitFixture) -> None:
    """Stated, read by the units, and its time has come."""
    world.publish(PolicyVersion(1, Millis(0), policy), by=world.registrar)
    pump(world, *units, rounds=1)
    world.now = Millis(world.now + POLICY_NOTICE)
    for unit in units:
        unit.monotonic.seconds += POLICY_NOTICE // 1_000


def test_a_daemon_seals_as_the_policy_asks(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """With the suite that it asks for and the life that it allows; so the message is accepted, and arrives."""
    before = es.submit("pt")
    pump(world, es, pt, rounds=1)
    in_force(world, NARROW, es, pt)
    try:
        after = es.submit("pt")
    except ContradaError as error:
        pytest.fail(f"a message that lives a week is no slip of its sender: {error}")
    pump(world, es, pt, rounds=1)
    first, second = (parse_submission(raw).header.core for raw in world.outboxes["es"][-2:])
    assert (first.suite, first.expires - first.created) == (Suite.CLASSICAL, 7 * DAY)
    assert (second.suite, second.expires - second.created) == (Suite.HYBRID, DAY)
    assert [es.state(each.id) for each in (before, after)] == ["accepted", "accepted"]


def test_what_was_sealed_before_is_sealed_anew(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """It waited in the outbox when the policy came into force: refused for its suite, it is sealed with another."""
    suites = replace(PROTOCOL_POLICY, suites=(Suite.HYBRID, Suite.HYBRID))
    sent = es.submit("pt")
    in_force(world, suites)
    pump(world, es, pt, rounds=3)
    assert es.state(sent.id) == "accepted"
    assert [parse_submission(raw).header.core.suite for raw in world.outboxes["es"]] == [1, 2]


def test_what_no_router_would_take_is_told_at_once(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """Before anything is sealed, in the policy's words."""
    in_force(world, NARROW, es, pt)
    with pytest.raises(ContradaError) as caught:
        es.submit("pt", "fr", "it")
    assert "3 units are addressed, and the policy allows 2" in str(caught.value)


MUTANTS = [
    ("suite", Mutant(order.required_suite, rewritten("asked.append(parties.policy_at(now).least_suite(order.classification))",
                                                    "asked.append(Suite.CLASSICAL)"))),
    ("life", Mutant(order.core_from_order, rewritten("parties.policy_at(now).lifetime", "30 * 24 * 3_600_000"))),
]  # fmt: skip


@pytest.mark.parametrize("mutant", [row[1] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_a_daemon_that_seals_otherwise_is_noticed(
    mutant: Mutant, world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    await assert_missed(mutant, test_a_daemon_seals_as_the_policy_asks, (), world=world, es=es, pt=pt)


def test_the_marking_says_which_suite() -> None:
    """The stricter one asks for more, and the other stays as it was."""
    policy = replace(PROTOCOL_POLICY, suites=(Suite.CLASSICAL, Suite.HYBRID))
    assert [policy.least_suite(marking) for marking in Classification] == [Suite.CLASSICAL, Suite.HYBRID]
