"""What a registrar's stolen key stated falls with it, when the root says from when on; what others stated stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import rules
from keys.appointments import line, statement_quota
from keys.directory import Directory
from keys.registrars import agreement, standing
from keys.registrars.standing import BORNE_OUT_WITHIN, RegistrarTimes
from keys.soft_keys import SoftIdentity
from keys.statement_types import QuotaChange, StatementType
from protocol.codes import Classification, LegalBasis, UnitKind
from protocol.envelope.quotas import DEFAULT_QUOTA
from protocol.epochs import epoch_of
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY, EPOCH, STATEMENTS_COUNTED_FROM
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    YEAR,
    World,
    appointment,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)

THEFT = NOW + 1_000
XX = UnitId("xx")
THIRD_PARTY = {"kind": UnitKind.THIRD_PARTY, "basis": LegalBasis.WORKING_ARRANGEMENT}
RAISED = {
    "kind": UnitKind.NATIONAL_UNIT,
    "basis": LegalBasis.UNION_LAW,
    "clearance": Classification.EU_RESTRICTED,
}


def second_registrar(world: World) -> SoftIdentity:
    """Another registrar of the exchange, whose key nobody stole."""
    other = identity("registrar", 2)
    world.apply(appointment(StatementType.REGISTRAR, other), by=world.root_keys[0])
    return other


def withdraw(world: World, *, since: int | None = THEFT, at: int = THEFT + DAY) -> None:
    """The root withdraws the stolen key."""
    world.apply(
        revocation("registrar", world.registrar.public.kid, since=since), by=world.root_keys[0], at=at
    )


def test_a_third_party_that_a_thief_raised_is_one_again(world: World) -> None:
    """Kind, basis and clearance as the registrar had stated them."""
    world.apply(facts("xx", **THIRD_PARTY), by=world.registrar)
    before = world.directory.unit(XX)
    world.apply(facts("xx", version=2, **RAISED), by=world.registrar, at=THEFT)
    assert world.directory.unit(XX) != before
    withdraw(world)
    assert world.directory.unit(XX) == before
    assert world.directory.facts(XX) == facts("xx", **THIRD_PARTY)


def test_a_unit_that_only_a_thief_described_is_not_known(world: World) -> None:
    """Nothing is sent to it, it is in no list, and it has no status and no successor."""
    world.apply(facts("xx", **RAISED), by=world.registrar, at=THEFT)
    world.apply(QuotaChange(XX, replace(DEFAULT_QUOTA, messages=9)), by=world.registrar, at=THEFT)
    withdraw(world)
    other = second_registrar(world)
    assert (world.directory.unit(XX), world.directory.facts(XX)) == (None, None)
    assert XX not in [unit.unit for unit in world.directory.units()]
    assert world.directory.quota(XX, NOW) == DEFAULT_QUOTA
    for body in (status("xx", suspended=True), appointment(StatementType.IDENTITY, identity("xx"))):
        with pytest.raises(Rejected) as caught:
            world.apply(body, by=other, at=THEFT + DAY)
        assert caught.value.reason is Code.E_STATEMENT


def test_an_identity_of_a_unit_that_is_not_known_any_more_names_no_successor(world: World) -> None:
    """An honest registrar appointed it, in good faith, to a unit that a thief had described."""
    other = second_registrar(world)
    world.apply(facts("xx"), by=world.registrar, at=THEFT)
    world.apply(appointment(StatementType.IDENTITY, identity("xx"), not_before=THEFT), by=other, at=THEFT)
    withdraw(world)
    successor = appointment(StatementType.SUCCESSION, identity("xx", 2), not_before=THEFT)
    with pytest.raises(Rejected) as caught:
        world.apply(successor, by=identity("xx"), at=THEFT + DAY)
    assert caught.value.reason is Code.E_STATEMENT


@pytest.mark.parametrize("suspended", [True, False])
def test_what_a_thief_suspended_or_resumed_is_as_it_was(world: World, suspended: bool) -> None:
    """Both ways; and the next status need not be newer than the thief's, whose times may lie years ahead."""
    world.apply(status("fr", suspended=not suspended), by=world.registrar)
    world.apply(status("fr", suspended=suspended), by=world.registrar, at=THEFT + 300 * DAY)
    withdraw(world)
    unit = world.directory.unit(FR)
    assert unit is not None and unit.suspended is not suspended
    other = second_registrar(world)
    assert takes(world, stated(status("fr", suspended=suspended), by=other, at=THEFT + DAY))
    unit = world.directory.unit(FR)
    assert unit is not None and unit.suspended is suspended


def takes(world: World, statement: bytes) -> bool:
    """Whether it has its place in the directory, or has it now."""
    try:
        world.directory.apply(statement)
    except Rejected:
        return False
    return True


def publishes(world: World, at: int) -> bool:
    """Whether a unit could publish a key, whose identity ends within a year."""
    made = stated(publication("fr", EPOCH_NOW, 2), by=identity("fr"), at=at)
    try:
        Directory.replay(world.root, world.directory.snapshot()).apply(made)
    except Rejected:
        return False
    return True


def far_ahead(world: World) -> SoftIdentity:
    """A registrar's key of three years states something that is dated two years ahead."""
    world.apply(revocation("fr", publication("fr", EPOCH_NOW).public.kid), by=identity("fr"))
    long = identity("registrar", 3)
    world.apply(
        appointment(StatementType.REGISTRAR, long, not_after=NOW + 3 * YEAR - DAY), by=world.root_keys[0]
    )
    assert publishes(world, THEFT)
    world.apply(status("it", suspended=True), by=long, at=NOW + 2 * YEAR)
    return long


def bears_out(world: World, at: int) -> None:
    """Another unit, with a key of three years, states something at that time."""
    made = appointment(StatementType.IDENTITY, identity("de"), not_after=NOW + 3 * YEAR - DAY)
    world.apply(facts("de"), by=world.registrar)
    world.apply(made, by=world.registrar)
    world.apply(publication("de", epoch_of(Millis(at))), by=identity("de"), at=at)


def test_a_date_years_ahead_that_nobody_bears_out_locks_nobody(world: World) -> None:
    """By it alone every identity has ended; the log's time goes no more than eight days with it."""
    far_ahead(world)
    assert publishes(world, THEFT)
    bears_out(world, NOW + YEAR - BORNE_OUT_WITHIN)
    assert publishes(world, THEFT)
    world.apply(publication("de", EPOCH_NOW + 60), by=identity("de"), at=(EPOCH_NOW + 60) * EPOCH)
    assert not publishes(world, THEFT), "two say that a year is over"


def test_a_time_years_ahead_locks_nobody_for_longer_than_the_thief_has_the_key(world: World) -> None:
    """Where another one bears it out, too, the root takes the time back with the registrar's key."""
    long = far_ahead(world)
    world.apply(revocation("registrar", long.public.kid), by=world.root_keys[0], at=THEFT)
    bears_out(world, NOW + 2 * YEAR)
    assert not publishes(world, THEFT)
    world.apply(revocation("registrar", long.public.kid, since=THEFT), by=world.root_keys[0], at=THEFT + 1)
    assert publishes(world, THEFT)


def test_what_a_log_has_from_before_is_judged_as_it_was() -> None:
    """A date ahead of then stopped a unit's key, and it has no place: whoever replays that log has its head."""
    then = STATEMENTS_COUNTED_FROM - YEAR
    world = World()
    world.directory = Directory(world.root)
    for body, by in (
        (appointment(StatementType.REGISTRAR, world.registrar, not_before=then, not_after=then + 2 * YEAR), world.root_keys[0]),
        (facts("fr"), world.registrar),
        (appointment(StatementType.IDENTITY, identity("fr"), not_before=then, not_after=then + 90 * DAY), world.registrar),
        (facts("it"), world.registrar),
    ):  # fmt: skip
        world.apply(body, by=by, at=then)
    world.apply(facts("fr", version=2), by=world.registrar, at=then + 100 * DAY)
    made = stated(publication("fr", epoch_of(Millis(then))), by=identity("fr"), at=then)
    assert not takes(world, made)


def test_what_was_stated_before_and_by_others_stands(world: World) -> None:
    """An honest registrar's repair counts, whenever it came, and what the key stated while it was the registrar's."""
    other = second_registrar(world)
    world.apply(facts("xx", **THIRD_PARTY), by=world.registrar)
    world.apply(status("it", suspended=True), by=world.registrar, at=THEFT - 1)
    world.apply(facts("xx", version=2, **RAISED), by=world.registrar, at=THEFT)
    repaired = facts("xx", version=3, **THIRD_PARTY | {"name": "Repaired"})
    world.apply(repaired, by=other, at=THEFT + 1)
    withdraw(world)
    assert world.directory.facts(XX) == repaired
    unit = world.directory.unit(UnitId("it"))
    assert unit is not None and unit.suspended


def test_a_version_that_has_fallen_keeps_its_number(world: World) -> None:
    """The next facts follow the last stated: replicas need not agree on what stands to agree on the log."""
    world.apply(facts("fr", version=2, **RAISED), by=world.registrar, at=THEFT)
    withdraw(world)
    other = second_registrar(world)
    with pytest.raises(Rejected):
        world.apply(facts("fr", version=2), by=other, at=THEFT + DAY)
    world.apply(facts("fr", version=3), by=other, at=THEFT + DAY)
    assert world.directory.facts(FR) == facts("fr", version=3)


def test_a_thief_cannot_date_back(world: World) -> None:
    """What claims to be older than the log was then falls as well."""
    other = second_registrar(world)
    world.apply(status("it", suspended=True), by=other, at=THEFT)
    before = world.directory.unit(FR)
    world.apply(facts("fr", version=2, name="A thief's"), by=world.registrar, at=NOW)
    withdraw(world)
    assert world.directory.unit(FR) == before


def test_a_key_withdrawn_in_good_order_takes_nothing_along(world: World) -> None:
    """Its holder left: what was stated stands."""
    world.apply(facts("xx", **RAISED), by=world.registrar, at=THEFT)
    withdraw(world, since=None)
    assert world.directory.facts(XX) == facts("xx", **RAISED)
    withdraw(world, since=THEFT, at=THEFT + 2 * DAY)
    assert world.directory.facts(XX) is None, "and then it is found to have been stolen"


def test_every_replica_comes_to_the_same(world: World) -> None:
    """Read from a file, by a program that keeps no statements, or as it came."""
    world.apply(facts("xx", **THIRD_PARTY), by=world.registrar)
    world.apply(facts("xx", version=2, **RAISED), by=world.registrar, at=THEFT)
    withdraw(world)
    log = world.directory.snapshot()
    lean = Directory(world.root, keeps=False)
    for one in log:
        lean.apply(one)
    again = Directory.replay(world.root, log, verified=world.directory.digests)
    assert lean.head == again.head == world.directory.head
    assert lean.units() == again.units() == world.directory.units()


UNITS = ("fr", "it", "de")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("facts", "suspend", "resume", "quota")),
        st.sampled_from(UNITS),
        st.booleans(),
        st.integers(0, 3_000),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=40)
@given(acts=ACTS, since=st.integers(0, 3_000))
def test_what_stands_is_what_would_be_there_without_the_thief(acts, since) -> None:
    """Whatever two registrars state in any order: units, quotas and the log's time are those of a log without it."""
    both, without = World(), World()
    others = second_registrar(both), second_registrar(without)
    seen = NOW
    for kind, unit, stolen, at in acts:
        moment = NOW + at
        numbers = [_body(kind, unit, world, at) for world in (both, without)]
        try:
            both.apply(numbers[0], by=both.registrar if stolen else others[0], at=moment)
        except Rejected:
            continue
        fallen = stolen and max(moment, seen) >= NOW + since
        seen = max(seen, moment)
        if not fallen:
            try:
                without.apply(numbers[1], by=without.registrar if stolen else others[1], at=moment)
            except Rejected:
                # It rested on what has fallen, as a status on facts, or it was older than a status that stands now.
                return
    withdraw(both, since=NOW + since)
    for unit in map(UnitId, UNITS):
        assert both.directory.unit(unit) == without.directory.unit(unit)
        assert both.directory.quota(unit, NOW) == without.directory.quota(unit, NOW)
    assert both.directory._clock == without.directory._clock


def _body(kind: str, unit: str, world: World, at: int):
    stated_before = world.directory._tables.stated.get(UnitId(unit))
    version = 1 + (len(stated_before.facts) if stated_before else 0)
    match kind:
        case "facts":
            return facts(unit, version=version, name=f"As of {at}")
        case "quota":
            return QuotaChange(UnitId(unit), replace(DEFAULT_QUOTA, messages=at + 1))
        case _:
            return status(unit, suspended=kind == "suspend")


MUTANTS = [
    (Mutant(rules._withdraw, dropped("undo")), test_a_third_party_that_a_thief_raised_is_one_again, ()),
    (Mutant(standing._counting, rewritten("(Drop(tables.facts, unit), Drop(tables.units, unit))", "()")),
     test_a_unit_that_only_a_thief_described_is_not_known, ()),
    (Mutant(line._takes_part, rewritten("unit is not None and not unit.suspended", "True")),
     test_an_identity_of_a_unit_that_is_not_known_any_more_names_no_successor, ()),
    (Mutant(standing._change_status, rewritten("counting_status(change.unit, tables)", "(tables.stated[change.unit].statuses or (None,))[-1]")),
     test_what_a_thief_suspended_or_resumed_is_as_it_was, (True,)),
    (Mutant(RegistrarTimes.latest, rewritten("not has_fallen(kid, own[at], keys)", "True")),
     test_a_time_years_ahead_locks_nobody_for_longer_than_the_thief_has_the_key, ()),
    (Mutant(RegistrarTimes.after, forced(False, "KeyRole.ROOT")),
     test_a_time_years_ahead_locks_nobody_for_longer_than_the_thief_has_the_key, ()),
    (Mutant(standing.borne_out, rewritten("min(clock, second + BORNE_OUT_WITHIN)", "clock")),
     test_a_date_years_ahead_that_nobody_bears_out_locks_nobody, ()),
    (Mutant(standing.borne_out, rewritten("min(tables.heard.values())", "max(tables.heard.values())")),
     test_a_date_years_ahead_that_nobody_bears_out_locks_nobody, ()),
    (Mutant(standing.borne_out, rewritten("second < STATEMENTS_COUNTED_FROM", "False")),
     test_what_a_log_has_from_before_is_judged_as_it_was, ()),
    (Mutant(statement_quota._hear, rewritten("-_HEARD", "-1")),
     test_a_date_years_ahead_that_nobody_bears_out_locks_nobody, ()),
    (Mutant(standing.has_fallen, rewritten("at >= since", "True")), test_what_was_stated_before_and_by_others_stands, ()),
    (Mutant(agreement.agreed_consequences, rewritten("max(statement.issued, clock)", "statement.issued")), test_a_thief_cannot_date_back, ()),
    (Mutant(standing._describe, rewritten("next_version(facts.unit, tables)", "1 + (tables.facts[facts.unit].version if facts.unit in tables.facts else 0)")),
     test_a_version_that_has_fallen_keeps_its_number, ()),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "asked"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, asked, world: World) -> None:
    await assert_missed(mutant, promise, asked, world=world)
