"""The rules judge by the policy of the time: each row refuses what it says, and no more, from its time on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keys.statement_types import PolicyVersion
from protocol import exchange_rules
from protocol.codes import Classification, DataClass, LegalBasis, UnitKind
from protocol.errors import Code
from protocol.exchange.exchange_policy import ALWAYS, MAY_CARRY, PROTOCOL_POLICY, ExchangePolicy
from protocol.exchange_rules import ExchangeCase, decide_exchange
from protocol.identifiers import Millis
from protocol.limits import CLOCK_OFF, DAY, HOUR, POLICY_NOTICE
from protocol.signatures import Suite
from protocol.trail.reason_words import ReasonContext, found_in
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import NOON, World

RESTRICTED = {"classification": Classification.EU_RESTRICTED}
TO_CH = {"data_class": DataClass.VICTIM, "basis": LegalBasis.AGREEMENT}


@pytest.fixture(scope="module")
def world() -> World:
    """The exchange with a party outside the Union, and no policy stated."""
    made = World()
    made.enrol("ch", kind=UnitKind.THIRD_PARTY, basis=LegalBasis.AGREEMENT)
    return made


def asked(world: World, to: tuple[str, ...] = ("it",), sender: str = "fr", **changes: object) -> ExchangeCase:
    return ExchangeCase(core=world.core(sender, list(to), **changes), parties=world.directory, now=world.now)


Ask = Callable[[World], ExchangeCase]
Row = tuple[dict[str, object], Ask, Ask, list[tuple[Code, str | None]], str]
ROWS: dict[str, Row] = {
    "ahead": (
        {"ahead": CLOCK_OFF},
        lambda w: asked(w, created=NOON + CLOCK_OFF + 1),
        lambda w: asked(w, created=NOON + CLOCK_OFF),
        [(Code.E_TIME_FUTURE, None)], "by its sender's clock",
    ),
    "age": (
        {"age": HOUR},
        lambda w: asked(w, created=NOON - HOUR - 1),
        lambda w: asked(w, created=NOON - HOUR),
        [(Code.E_TIME_STALE, None)], "more than 1h later",
    ),
    "lifetime": (
        {"lifetime": DAY},
        lambda w: asked(w, expires=NOON + DAY + 1),
        lambda w: asked(w, expires=NOON + DAY),
        [(Code.E_LIFETIME, None)], "more than 1d later",
    ),
    "addressees": (
        {"addressees": 2},
        lambda w: asked(w, ("it", "de", "ch"), data_class=DataClass.NON_PERSONAL),
        lambda w: asked(w, ("it", "de")),
        [(Code.E_RCPT_COUNT, None)], "3 units are addressed, and the policy allows 2",
    ),
    "suite": (
        {"suites": (Suite.CLASSICAL, Suite.HYBRID)},
        lambda w: asked(w, **RESTRICTED),
        lambda w: asked(w, **RESTRICTED, suite=Suite.HYBRID),
        [(Code.E_SUITE_BELOW_MIN, None)], "the policy asks for suite 2 where a message is eu-restricted",
    ),
    "data": (
        {"data": (MAY_CARRY, MAY_CARRY, MAY_CARRY, ALWAYS)},
        lambda w: asked(w, ("it", "ch"), **TO_CH),
        lambda w: asked(w, ("it", "ch"), **TO_CH | {"data_class": DataClass.MINOR}),
        [(Code.E_DATA_BASIS, "ch")], "the policy keeps such data from parties under agreement: ch",
    ),
    "restricted": (
        {"restricted": ALWAYS},
        lambda w: asked(w, ("it", "ch"), **RESTRICTED, data_class=DataClass.NON_PERSONAL),
        lambda w: asked(w, ("it", "ch"), data_class=DataClass.NON_PERSONAL),
        [(Code.E_CLASS_CLEARANCE, "ch")], "the policy keeps what is eu-restricted from parties under agreement: ch",
    ),
}  # fmt: skip
"""For each row: what it is set to, what it refuses then, a near miss, the reasons, and words of the first."""


def reasons(case: ExchangeCase) -> list[tuple[Code, str | None]]:
    return [(reason.code, reason.unit) for reason in decide_exchange(case).reasons]


def narrowed(row: str) -> ExchangePolicy:
    return replace(PROTOCOL_POLICY, **ROWS[row][0])


@pytest.mark.parametrize("row", ROWS)
def test_a_row_refuses_what_it_says(world: World, row: str) -> None:
    """The same message is accepted without it, and a near miss with it."""
    _, refused, near, codes, _ = ROWS[row]
    assert reasons(refused(world)) == []
    assert reasons(replace(refused(world), trial=narrowed(row))) == codes
    assert reasons(replace(near(world), trial=narrowed(row))) == []


def test_a_sender_is_a_party_to_what_is_marked(world: World) -> None:
    """Who may not get it may not send it either."""
    case = asked(world, ("it",), "ch", **RESTRICTED, data_class=DataClass.NON_PERSONAL)
    assert reasons(replace(case, trial=narrowed("restricted"))) == [(Code.E_CLASS_CLEARANCE, "ch")]


@pytest.mark.parametrize("row", ROWS)
def test_the_words_are_those_of_the_policy(row: str) -> None:
    """Whoever is refused reads what was asked, as it is in force then."""
    _, refused, _, codes, words = ROWS[row]
    world = World(now=Millis(NOON - DAY))
    world.enrol("ch", kind=UnitKind.THIRD_PARTY, basis=LegalBasis.AGREEMENT)
    world.publish(PolicyVersion(1, Millis(0), narrowed(row)), by=world.registrar)
    world.now = NOON
    case = refused(world)
    assert reasons(case) == codes
    context = ReasonContext(
        said=case.core, parties=world.directory, created=case.core.created, decided=case.now
    )
    assert words in found_in(decide_exchange(case).reasons[0], context)


def test_it_is_the_policy_of_the_decisions_time() -> None:
    """One millisecond before it is in force, what it will refuse is accepted."""
    world = World()
    world.publish(PolicyVersion(1, Millis(0), narrowed("addressees")), by=world.registrar)
    begins = Millis(NOON + POLICY_NOTICE)
    core = world.core("fr", ["it", "de", "centre"])
    case = ExchangeCase(core=core, parties=world.directory, now=begins)
    assert reasons(case) == [(Code.E_RCPT_COUNT, None)]
    assert reasons(replace(case, now=Millis(begins - 1))) == []


RULES = exchange_rules
MUTANTS = [
    ("ahead", Mutant(RULES._time, rewritten("policy.ahead", "5 * 60_000"))),
    ("age", Mutant(RULES._time, rewritten("policy.age", "7 * 24 * 3_600_000"))),
    ("lifetime", Mutant(RULES._time, rewritten("policy.lifetime", "30 * 24 * 3_600_000"))),
    ("addressees", Mutant(RULES._kind_fields, rewritten("q.policy.addressees", "64"))),
    ("suite", Mutant(RULES._suites, rewritten("q.policy.least_suite(q.core.classification)", "q.core.suite"))),
    ("data", Mutant(RULES._data_basis, rewritten("unit.basis not in may_have", "False"))),
    ("restricted", Mutant(RULES._clearance, rewritten("unit.basis not in may_see", "False"))),
]  # fmt: skip


@pytest.mark.parametrize(("row", "mutant"), MUTANTS, ids=[row for row, _ in MUTANTS])
async def test_a_row_that_nobody_asks_for_is_noticed(row: str, mutant: Mutant, world: World) -> None:
    await assert_missed(mutant, test_a_row_refuses_what_it_says, (row,), world=world)
