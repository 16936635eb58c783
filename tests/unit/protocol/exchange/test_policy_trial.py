"""A policy tried on record: what it would have changed is counted, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.statement_types import PolicyVersion
from protocol.codes import Classification, DataClass, LegalBasis, UnitKind
from protocol.errors import Code
from protocol.exchange import policy_trial
from protocol.exchange.exchange_policy import ALWAYS, MAY_CARRY, PROTOCOL_POLICY, ExchangePolicy
from protocol.exchange.policy_trial import PolicyTrial
from protocol.identifiers import Millis
from protocol.limits import DAY, POLICY_NOTICE
from protocol.signatures import Suite
from protocol.trail.batches import RecordType
from protocol.trail.records import Record
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World

SHORT = replace(PROTOCOL_POLICY, lifetime=DAY)
FEW = replace(PROTOCOL_POLICY, addressees=2)
NO_VICTIMS = replace(PROTOCOL_POLICY, data=(MAY_CARRY, MAY_CARRY, MAY_CARRY, ALWAYS))
STRONG = replace(PROTOCOL_POLICY, suites=(Suite.CLASSICAL, Suite.HYBRID))
RESTRICTED = {"classification": Classification.EU_RESTRICTED}


@pytest.fixture
def world() -> World:
    made = World()
    made.enrol("ch", kind=UnitKind.THIRD_PARTY, basis=LegalBasis.AGREEMENT)
    return made


def record(world: World, *to: str, **changes: object) -> Record:
    """What the router decides of one message now."""
    world.submit("fr", world.compose("fr", list(to), **changes))
    return world.route("fr").decided[-1].record


def tried(world: World, policy: ExchangePolicy, *records: Record) -> PolicyTrial:
    trial = PolicyTrial(policy)
    for one in records:
        trial.take(one, world.directory)
    return trial


def numbers(trial: PolicyTrial) -> tuple[int, int, int, dict[Code, int]]:
    return trial.decisions, trial.refused, trial.accepted, dict(trial.by_reason)


def test_what_would_be_refused_is_counted_with_its_reasons(world: World) -> None:
    """Each decision that changes, and why; what does not is counted and no more."""
    few, many = record(world, "it"), record(world, "it", "de", "centre")
    short = record(world, "it", "de", "centre", expires=world.now + DAY)
    trial = tried(world, replace(SHORT, addressees=2), few, many, short)
    assert numbers(trial) == (3, 3, 0, {Code.E_LIFETIME: 2, Code.E_RCPT_COUNT: 2})
    assert [(each.record, each.accepted) for each in trial.changed] == [
        (few, False),
        (many, False),
        (short, False),
    ]
    assert numbers(tried(world, PROTOCOL_POLICY, few, many, short)) == (3, 0, 0, {})


def test_the_parties_are_those_of_the_directory(world: World) -> None:
    """Whom a class of data may go to is asked of each addressee."""
    for to, changed in (("ch", 1), ("it", 0)):
        one = record(world, to, data_class=DataClass.VICTIM, basis=LegalBasis.AGREEMENT)
        assert one.type is RecordType.ACCEPTED
        assert tried(world, NO_VICTIMS, one).refused == changed


def test_what_was_refused_by_the_policy_alone_would_be_accepted(world: World) -> None:
    """And what was refused for something else too would not."""
    world.publish(PolicyVersion(1, Millis(0), SHORT), by=world.registrar)
    world.now = Millis(world.now + POLICY_NOTICE)
    alone, also = record(world, "it"), record(world, "nz", data_class=DataClass.NON_PERSONAL)
    assert [each.type for each in (alone, also)] == [RecordType.REJECTED] * 2
    trial = tried(world, PROTOCOL_POLICY, alone, also)
    assert numbers(trial) == (2, 0, 1, {Code.E_LIFETIME: 1})
    assert [(each.record, each.accepted) for each in trial.changed] == [(alone, True)]


def test_a_refusal_that_only_has_other_reasons_is_no_change(world: World) -> None:
    """What was refused stays refused."""
    assert numbers(tried(world, SHORT, record(world, "nz"))) == (1, 0, 0, {})


def test_what_cannot_be_tried_is_told_apart(world: World) -> None:
    """What came twice, and what has no header on record."""
    sealed = world.compose("fr", ["it"])
    world.submit("fr", sealed, sealed, b"junk")
    records = [one.record for one in world.route("fr").decided]
    trial = tried(world, SHORT, *records)
    assert (trial.decisions, trial.untried, trial.refused) == (3, 2, 1)


def test_a_suite_that_is_not_on_record_is_no_refusal(world: World) -> None:
    """It is counted by itself: the sender's daemon seals with the one that the policy asks for."""
    marked = record(world, "it", **RESTRICTED)
    trial = tried(world, STRONG, marked, record(world, "it"))
    assert (trial.refused, trial.stronger) == (0, 1)
    world.enrol("es", min_suite=Suite.HYBRID)
    strong = record(world, "es", **RESTRICTED, suite=Suite.HYBRID)
    assert tried(world, STRONG, strong).stronger == 0, "an addressee asked for it already"


def test_what_was_accepted_against_the_policy_of_its_time_is_told(world: World) -> None:
    """By whatever router: what it has signed says by which policy it had to judge."""
    world.publish(PolicyVersion(1, Millis(0), SHORT), by=world.registrar)
    before = record(world, "it")
    world.now = Millis(world.now + POLICY_NOTICE)
    refused = record(world, "it")
    forged = replace(refused, type=RecordType.ACCEPTED, reasons=())
    short = record(world, "it", expires=world.now + DAY)
    for policy in (PROTOCOL_POLICY, SHORT):
        assert [tried(world, policy, each).against for each in (refused, forged, short)] == [[], [forged], []]
    later = replace(forged, directory_size=forged.directory_size + 1)
    assert tried(world, SHORT, before, later).against == [], "that is another directory than this one"


def test_of_changed_decisions_so_many_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted, and memory has an end."""
    monkeypatch.setattr(policy_trial, "MOST_NAMED", 2)
    trial = tried(world, SHORT, *(record(world, "it") for _ in range(3)))
    assert (trial.refused, len(trial.changed)) == (3, 2)


MUTANTS = [
    ("what changes", Mutant(PolicyTrial.take, rewritten("bool(would) == bool(record.reasons)", "False")),
     test_a_refusal_that_only_has_other_reasons_is_no_change),
    ("twice", Mutant(PolicyTrial.take, rewritten("record.type is RecordType.DUPLICATE", "False")),
     test_what_cannot_be_tried_is_told_apart),
    ("other reasons", Mutant(PolicyTrial.take, rewritten("reason in after or reason not in before", "reason in after")),
     test_what_was_refused_by_the_policy_alone_would_be_accepted),
    ("against", Mutant(PolicyTrial.take, rewritten("is_judged and len(self.against) < MOST_NAMED", "False")),
     test_what_was_accepted_against_the_policy_of_its_time_is_told),
    ("its own directory", Mutant(PolicyTrial.take, rewritten("parties.head.size == record.directory_size", "True")),
     test_what_was_accepted_against_the_policy_of_its_time_is_told),
    ("suites", Mutant(PolicyTrial._asks_for_more, rewritten("self.policy.least_suite(core.classification) > weakest", "True")),
     test_a_suite_that_is_not_on_record_is_no_refusal),
    ("kept", Mutant(PolicyTrial._count, forced(True, "MOST_NAMED")), test_of_changed_decisions_so_many_are_kept),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_a_trial_that_counts_otherwise_is_noticed(
    mutant: Mutant, promise, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await assert_missed(mutant, promise, (), world=world, monkeypatch=monkeypatch)
