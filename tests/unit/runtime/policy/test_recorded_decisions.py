"""Decisions that are judged again: the newest so many, each with the directory by which it was made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.statement_types import PolicyVersion
from protocol.exchange.exchange_policy import PROTOCOL_POLICY
from protocol.identifiers import Millis
from protocol.limits import DAY, POLICY_NOTICE
from protocol.trail.batches import RecordType, verify_decisions
from runtime.errors import NotVerified
from runtime.policy import policy_report
from runtime.policy.policy_report import refuse_against, try_policy, versions_report
from runtime.policy.recorded_decisions import RecordedDecisions, RecordedSpan
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON, World

SHORT = replace(PROTOCOL_POLICY, lifetime=DAY)
FEW = replace(PROTOCOL_POLICY, addressees=2)


def taken(world: World, *, most: int = 100) -> RecordedDecisions:
    held = RecordedDecisions(most)
    for raw in world.audit:
        for one in verify_decisions(raw, parties=world.directory).records:
            held.take(one)
    return held


def send(world: World, *to: str) -> None:
    world.submit("fr", world.compose("fr", list(to)))
    world.route("fr")


@pytest.fixture
def world() -> World:
    """A fresh exchange."""
    return World()


@pytest.fixture
def lived(world: World) -> World:
    """A message before a policy, one while it is in force, one after the next; each of a week's life."""
    send(world, "it")
    world.publish(PolicyVersion(1, Millis(0), SHORT), by=world.registrar)
    world.now = Millis(NOON + POLICY_NOTICE)
    send(world, "it")
    world.publish(PolicyVersion(2, Millis(0), PROTOCOL_POLICY), by=world.registrar)
    world.now = Millis(world.now + POLICY_NOTICE)
    send(world, "it")
    return world


def judged(world: World, held: RecordedDecisions):
    return held.with_directories(world.directory.root, world.directory.snapshot())


def test_each_is_judged_by_the_directory_of_its_time(lived: World) -> None:
    """As long as the decision says that it was."""
    found = [
        (record.directory_size, directory.head.size) for record, directory in judged(lived, taken(lived))
    ]
    assert len(found) == 3
    assert all(said == had for said, had in found)


def test_a_trial_finds_what_a_policy_would_have_changed(lived: World) -> None:
    """By what was in force then: the one that was refused would have been accepted, and with SHORT two refused."""
    held = taken(lived)
    own = try_policy(PROTOCOL_POLICY, held, judged(lived, held))
    assert (own["decisions"], own["would_be_refused"], own["would_be_accepted"]) == (3, 0, 1)
    assert [row["would"] for row in own["changed"]] == ["accepted"]
    short = try_policy(SHORT, held, judged(lived, held))
    assert (short["would_be_refused"], short["would_be_accepted"]) == (2, 0)
    assert [row["t"] for row in short["changed"]] == sorted(row["t"] for row in short["changed"])


def test_what_a_router_accepted_against_the_policy_ends_a_trial(lived: World) -> None:
    """An auditor is told, whatever policy is tried; where every router judged by it nothing is said."""
    held = taken(lived)
    refuse_against(try_policy(SHORT, held, judged(lived, held)))
    (refused,) = [record for record, _ in judged(lived, held) if record.reasons]
    held.take(replace(refused, type=RecordType.ACCEPTED, reasons=()))
    with pytest.raises(NotVerified, match="1 messages were accepted against the policy of their time"):
        refuse_against(try_policy(SHORT, held, judged(lived, held)))


def test_the_newest_are_held_and_the_rest_is_counted(lived: World) -> None:
    """So that memory has an end, and nobody takes a part for the whole."""
    held = taken(lived, most=2)
    assert (len(held), held.passed) == (2, 1)
    assert try_policy(SHORT, held, judged(lived, held))["older"] == 1


def test_a_decision_by_a_longer_directory_is_judged_by_what_there_is(lived: World) -> None:
    """A copy may lag behind its records."""
    shorter = lived.directory.snapshot()[:-1]
    sizes = [d.head.size for _, d in taken(lived).with_directories(lived.directory.root, shorter)]
    assert max(sizes) == len(shorter)


def test_a_span_has_its_bounds(lived: World) -> None:
    """From then on, up to then."""
    record = next(iter(judged(lived, taken(lived))))[0]
    assert RecordedSpan(most=1).has(record)
    assert RecordedSpan(most=1, since=record.t).has(record)
    assert not RecordedSpan(most=1, since=record.t + 1).has(record)
    assert not RecordedSpan(most=1, until=record.t).has(record)


def test_each_version_is_called_what_it_is(world: World) -> None:
    """Waiting, in force, over; replaced before its time; fallen."""
    year = NOON + 200 * DAY
    for number, (policy, since) in enumerate([(SHORT, 0), (FEW, year), (SHORT, 0)], start=1):
        world.publish(PolicyVersion(number, Millis(since), policy), by=world.registrar)
    world.publish(PolicyVersion(4, Millis(year), FEW), by=world.registrar)

    def states(at: int) -> list[str]:
        return [row["state"] for row in versions_report(world.directory, Millis(at))]

    assert states(NOON) == ["replaced", "replaced", "waits", "waits"]
    assert states(NOON + POLICY_NOTICE) == ["over", "replaced", "in force", "waits"]
    assert states(year) == ["over", "over", "over", "in force"]
    assert versions_report(world.directory, NOON)[0]["by"] == ["registrar"]


MUTANTS = [
    ("the directory of then", Mutant(RecordedDecisions.with_directories, rewritten("min(size, len(statements))", "len(statements)")),
     test_each_is_judged_by_the_directory_of_its_time),
    ("in their order", Mutant(RecordedDecisions.with_directories, rewritten("held[0]", "-held[0]")),
     test_each_is_judged_by_the_directory_of_its_time),
    ("replaced", Mutant(policy_report._state, rewritten("each <= known.holds_from", "False")),
     test_each_version_is_called_what_it_is),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_what_judges_otherwise_is_noticed(
    mutant: Mutant, promise, request: pytest.FixtureRequest
) -> None:
    needed = promise.__code__.co_varnames[0]
    await assert_missed(mutant, promise, (), **{needed: request.getfixturevalue(needed)})
