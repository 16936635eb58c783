"""Routers judge by the policy that is in force when they decide, and what they sign says which one that was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.router import loop
from broker.router.step import DecidedRecord
from keys.directory import Directory
from keys.statement_types import PolicyVersion
from protocol.envelope.quotas import LEAST_QUOTA
from protocol.errors import Code
from protocol.exchange.exchange_policy import PROTOCOL_POLICY
from protocol.exchange_rules import ExchangeCase
from protocol.identifiers import Millis
from protocol.limits import DAY, POLICY_NOTICE
from protocol.trail.batches import RecordType
from protocol.trail.records import Record
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON, World
from tests.unit.broker.router.claims import ScriptedClaim

SHORT = replace(PROTOCOL_POLICY, lifetime=DAY)
FEW = replace(PROTOCOL_POLICY, addressees=2)
TIGHT = replace(PROTOCOL_POLICY, quota=(2, LEAST_QUOTA.bytes, LEAST_QUOTA.copies, 60))
BEGINS = Millis(NOON + POLICY_NOTICE)


def state(world: World, number: int, policy: object, since: int = 0) -> None:
    world.publish(PolicyVersion(number, Millis(since), policy), by=world.registrar)


def decided(world: World, *to: str) -> DecidedRecord:
    """What the router makes of one message that lives a week."""
    world.submit("fr", world.compose("fr", list(to)))
    return world.route("fr").decided[-1]


def test_a_router_applies_it_from_its_time_on(world: World) -> None:
    """Accepted before; from then on refused, signed and with its reason; and the next version is another matter."""
    state(world, 1, SHORT)
    assert decided(world, "it").record.type is RecordType.ACCEPTED
    world.now = Millis(BEGINS - 1)
    assert decided(world, "it").record.type is RecordType.ACCEPTED
    world.now = BEGINS
    record = decided(world, "it").record
    assert (record.type, [reason.code for reason in record.reasons]) == (
        RecordType.REJECTED,
        [Code.E_LIFETIME],
    )
    state(world, 2, PROTOCOL_POLICY)
    world.now = Millis(world.now + POLICY_NOTICE)
    assert decided(world, "it").record.type is RecordType.ACCEPTED


def judged_again(record: Record, log: list[bytes], world: World, *to: str) -> list[Code]:
    """What anybody finds by the signed record alone: the directory of its size, the policy of its time."""
    then = Directory.replay(world.directory.root, log[: record.directory_size])
    core = replace(world.core("fr", list(to)), created=record.header[15], expires=record.header[16])
    case = ExchangeCase(core=core, parties=then, now=record.t)
    policy = then.policy_at(record.t)
    return [Code.E_LIFETIME] if case.core.expires - case.core.created > policy.lifetime else []


def test_a_decision_says_by_which_policy_it_was_made(world: World) -> None:
    """By its time and the size of its directory, which are signed: whatever was stated and withdrawn since."""
    records = [decided(world, "it").record]
    state(world, 1, SHORT)
    records.append(decided(world, "it").record)
    world.now = BEGINS
    records.append(decided(world, "it").record)
    state(world, 2, PROTOCOL_POLICY, since=NOON)
    records.append(decided(world, "it").record)
    world.now = Millis(world.now + POLICY_NOTICE)
    records.append(decided(world, "it").record)
    log = world.directory.snapshot()
    assert [[reason.code for reason in each.reasons] for each in records] == [
        judged_again(each, log, world, "it") for each in records
    ]
    assert [each.type is RecordType.ACCEPTED for each in records] == [True, True, False, False, True]


def test_two_routers_with_one_directory_decide_alike(world: World) -> None:
    """Also one that has read no more than another at the same moment, and one that keeps no statements."""
    state(world, 1, FEW)
    world.now = BEGINS
    lean = Directory(world.directory.root, keeps=False)
    for one in world.directory.snapshot():
        lean.apply(one)
    world.submit("fr", world.compose("fr", ["it", "de", "centre"]))
    own = world.route("fr", crash=True).decided[-1]
    world.directory, kept = lean, world.directory
    other = world.route("fr").decided[-1]
    world.directory = kept
    assert own.record == other.record
    assert [reason.code for reason in own.record.reasons] == [Code.E_RCPT_COUNT]


def test_a_unit_without_a_quota_has_the_policys_at_the_router(world: World) -> None:
    """From its time on."""
    state(world, 1, TIGHT)
    claim = ScriptedClaim("fr", [])
    assert loop._quota_of(claim, world.directory, NOON).messages == 6_000
    assert loop._quota_of(claim, world.directory, BEGINS).messages == 2


MUTANTS = [
    ("of then", Mutant(ExchangeCase.policy.fget, rewritten("self.parties.policy_at(self.now)", "self.parties.policy_at(0)")),
     test_a_router_applies_it_from_its_time_on),
    ("not the newest", Mutant(ExchangeCase.policy.fget, rewritten("self.parties.policy_at(self.now)", "self.parties.policy_at(2**50)")),
     test_a_router_applies_it_from_its_time_on),
    ("the quota of then", Mutant(loop._quota_of, rewritten("directory.quota(claim.owner, now)", "directory.quota(claim.owner, 0)")),
     test_a_unit_without_a_quota_has_the_policys_at_the_router),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_a_router_that_asks_otherwise_is_noticed(mutant: Mutant, promise, world: World) -> None:
    await assert_missed(mutant, promise, (), world=world)
