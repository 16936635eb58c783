"""A sender over its quota: each message waits as long as the router says, in its order, and all arrive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clients.daemon.api.views import sent_item
from clients.daemon.receiving import deciding
from clients.daemon.sending.waiting import seal_queued
from clients.daemon.store import decisions, outbox
from keys.statement_types import QuotaChange
from protocol.envelope.quotas import DEFAULT_QUOTA
from protocol.identifiers import Millis, UnitId
from protocol.limits import SECOND
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.store.test_decisions import test_a_quota_refuses_nothing_for_good
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump


@pytest.fixture
def two(world: World, es: UnitFixture, pt: UnitFixture) -> World:
    """Spain may send two messages a minute."""
    world.publish(QuotaChange(UnitId("es"), replace(DEFAULT_QUOTA, messages=2)), by=world.registrar)
    pump(world, es, pt, rounds=1)
    return world


def later(world: World, unit: UnitFixture, seconds: int) -> None:
    """Time passes, and the daemon looks at what waits."""
    world.now = Millis(world.now + seconds * SECOND)
    unit.monotonic.seconds += seconds
    seal_queued(unit.context)


def test_it_waits_as_long_as_the_router_said(two: World, es: UnitFixture, pt: UnitFixture) -> None:
    """Thirty seconds: not sealed before, and taken then."""
    messages = [es.submit("pt") for _ in range(3)]
    pump(two, es, pt, rounds=1)
    assert [es.state(each.id) for each in messages] == ["accepted", "accepted", "queued"]
    later(two, es, 29)
    assert es.state(messages[2].id) == "queued"
    later(two, es, 1)
    assert es.state(messages[2].id) == "sealed"
    pump(two, es, pt, rounds=1)
    assert es.state(messages[2].id) == "accepted"


def test_people_are_told_which_quota_and_how_long(two: World, es: UnitFixture, pt: UnitFixture) -> None:
    """In the outbox, while it waits; it is no refusal, and no alarm."""
    messages = [es.submit("pt") for _ in range(3)]
    pump(two, es, pt, rounds=1)
    row = es.context.store.row("SELECT * FROM outbox WHERE state = 'queued'")
    assert row is not None
    [why] = sent_item(es.context, row)["reasons"]
    assert why["code"] == "E_QUOTA"
    assert why["found"] == "the quota of es is used up; there is room again in 30s"
    assert es.rows("SELECT code FROM alarms WHERE code <> 'own_facts_changed'") == []
    assert es.state(messages[2].id) == "queued"


def test_more_than_a_minutes_worth_all_arrives_and_in_order(
    two: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Nine of one conversation at two a minute: every one, once, in the order in which they were sent."""
    first = es.submit("pt")
    messages = [first, *(es.submit("pt", thread=first.thread) for _ in range(8))]
    for _ in range(30):
        pump(two, es, pt, rounds=1)
        later(two, es, 10)
    arrived = [mid.hex() for (mid,) in pt.rows("SELECT mid FROM inbox WHERE kind <> 5 ORDER BY id")]
    assert arrived == [each.id.replace("-", "") for each in messages]


MUTANTS = [
    (Mutant(deciding._seal_again, unchecked("waits")), test_it_waits_as_long_as_the_router_said),
    (Mutant(outbox._reasons, rewritten("each.wait", "None")), test_people_are_told_which_quota_and_how_long),
    (Mutant(decisions._refused, rewritten("by_a_clock or Code.E_QUOTA in codes", "by_a_clock")),
     test_a_quota_refuses_nothing_for_good),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, two: World, es: UnitFixture, pt: UnitFixture
) -> None:
    await assert_missed(mutant, promise, two=two, es=es, pt=pt)
