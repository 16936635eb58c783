"""Which policy of the exchange is in force: by agreement, by version, by time; and what of it falls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys import rules, statements
from keys.directory import Directory
from keys.registrars import agreement, policies
from keys.registrars.policies import state_policy
from keys.statement_types import Body, PolicyVersion, QuotaChange, StatementType, Unread
from keys.statements import issue
from keys.tables import Tables
from protocol.canonical import encode
from protocol.envelope.quotas import DEFAULT_QUOTA, LEAST_QUOTA
from protocol.errors import Code, MisuseError, Rejected
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, ExchangePolicy, policy_item
from protocol.identifiers import Millis
from protocol.limits import AGREED_WITHIN, DAY, HOUR, POLICY_NOTICE
from protocol.signatures import STATEMENT, Suite, sign
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, returning, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import FR, NOW, World, identity, revocation, stated

SHORT = replace(PROTOCOL_POLICY, age=DAY)
SHORTER = replace(PROTOCOL_POLICY, age=HOUR)
FEW = replace(PROTOCOL_POLICY, addressees=8)
TIGHT = replace(PROTOCOL_POLICY, quota=(60, LEAST_QUOTA.bytes, LEAST_QUOTA.copies, 60))
SOON = Millis(NOW + POLICY_NOTICE)
YEARS = Millis(NOW + 100 * DAY)


@pytest.fixture
def two() -> World:
    """An exchange that asks for two registrars."""
    world = World(registrars=2)
    world.enrol("fr")
    world.enrol("it")
    return world


def version(number: int, policy: ExchangePolicy = SHORT, since: int = NOW) -> PolicyVersion:
    return PolicyVersion(number, Millis(since), policy)


def in_force(world: World | Directory, at: int) -> ExchangePolicy:
    return (world.directory if isinstance(world, World) else world).policy_at(Millis(at))


def raw(world: World, *item: object, at: int = NOW) -> bytes:
    """A statement of this type with any body."""
    payload = encode([1, int(StatementType.POLICY), at, world.registrar.public.kid, list(item)])
    return sign(payload, suite=Suite.HYBRID, signer=world.registrar, context=STATEMENT)


def test_until_registrars_state_one_it_is_the_protocols(world: World) -> None:
    """And then theirs: after the notice, and not a moment before."""
    assert in_force(world, YEARS) is PROTOCOL_POLICY
    applied = world.apply(version(1), by=world.registrar)
    assert (applied.statement.about, applied.waits) == (None, False)
    assert in_force(world, SOON - 1) is PROTOCOL_POLICY
    assert in_force(world, SOON) == SHORT


def test_one_of_the_future_waits(world: World) -> None:
    """It has its time, whoever reads it earlier; what is in force until then stays."""
    world.apply(version(1, SHORT), by=world.registrar)
    world.apply(version(2, FEW, since=YEARS), by=world.registrar, at=NOW + 1)
    assert in_force(world, YEARS - 1) == SHORT
    assert in_force(world, YEARS) == FEW


def test_a_later_version_takes_the_place_of_one_that_waits(world: World) -> None:
    """Also where its own time is the earlier one: so what was stated for later can be taken back."""
    world.apply(version(1, FEW, since=YEARS), by=world.registrar)
    world.apply(version(2, SHORT), by=world.registrar, at=NOW + 1)
    for at in (SOON + 1, YEARS, YEARS + DAY):
        assert in_force(world, at) == SHORT


def test_nobody_is_told_of_it_afterwards(world: World) -> None:
    """A policy that names a time that has passed is in force after the notice all the same."""
    world.apply(version(1, since=NOW - 30 * DAY), by=world.registrar)
    assert in_force(world, SOON - 1) is PROTOCOL_POLICY
    assert in_force(world, SOON) == SHORT


STALE: dict[str, Body] = {
    "the version before": version(1, SHORTER),
    "the same once more": version(2, SHORT),
    "another of its number": version(2, SHORTER),
    "one that skips a number": version(4, SHORTER),
    "version 0": version(0, SHORTER),
}


@pytest.mark.parametrize("what", STALE)
def test_what_is_not_the_next_version_has_its_place_and_no_effect(world: World, what: str) -> None:
    """Rolled back, stated again, contradictory: what counts is what was agreed on first, under its number."""
    world.apply(version(1, FEW), by=world.registrar)
    world.apply(version(2, SHORT), by=world.registrar, at=NOW + 1)
    size, known = world.directory.head.size, world.directory.policies()
    world.apply(STALE[what], by=world.registrar, at=NOW + 2)
    assert (world.directory.head.size, world.directory.policies()) == (size + 1, known)
    assert in_force(world, YEARS) == SHORT


def test_a_replayed_statement_changes_nothing(world: World) -> None:
    """The same bytes have one place."""
    first = stated(version(1, FEW), by=world.registrar)
    world.directory.apply(first)
    world.apply(version(2, SHORT), by=world.registrar, at=NOW + 1)
    assert not world.directory.apply(first).new
    assert in_force(world, YEARS) == SHORT


def test_one_registrar_alone_states_none(two: World) -> None:
    """Not with a second statement either; with another registrar it counts, from the notice after the last."""
    later = NOW + 5 * DAY
    for at in (NOW, NOW + 1):
        assert two.apply(version(1), by=two.registrars[0], at=at).waits
    assert in_force(two, YEARS) is PROTOCOL_POLICY
    assert not two.apply(version(1), by=two.registrars[1], at=later).waits
    assert in_force(two, later + POLICY_NOTICE - 1) is PROTOCOL_POLICY
    assert in_force(two, later + POLICY_NOTICE) == SHORT


def test_they_agree_on_the_same_or_on_nothing(two: World) -> None:
    """Another value, another time, another number: each is another ballot."""
    two.apply(version(1), by=two.registrars[0])
    for other in (version(1, SHORTER), version(1, since=NOW + 1), version(2)):
        assert two.apply(other, by=two.registrars[1]).waits
    assert two.directory.policies() == ()


def test_of_two_with_one_number_the_first_that_is_agreed_on_counts(two: World) -> None:
    """The other one is no ballot any more: nobody is asked to agree on what cannot take effect."""
    for policy in (SHORT, SHORTER):
        two.apply(version(1, policy), by=two.registrars[0])
    assert len(two.directory.ballots(NOW)) == 2
    two.apply(version(1, SHORTER), by=two.registrars[1])
    assert two.directory.ballots(NOW) == ()
    two.apply(version(1, SHORT), by=two.registrars[1], at=NOW + 1)
    assert in_force(two, YEARS) == SHORTER


def test_an_agreement_on_a_policy_takes_a_month_at_most(two: World) -> None:
    """As on anything else."""
    two.apply(version(1), by=two.registrars[0])
    assert two.apply(version(1), by=two.registrars[1], at=NOW + AGREED_WITHIN + 1).waits


def test_nobody_else_states_one(world: World) -> None:
    """No unit, no process; and by the root alone it has its place and no effect."""
    for signer in (identity("fr"), identity("nobody")):
        with pytest.raises(Rejected) as caught:
            world.apply(version(1), by=signer)
        assert caught.value.reason is Code.E_ISSUER
    size = world.directory.head.size
    world.apply(version(1), by=world.root_keys[0])
    assert (world.directory.head.size, world.directory.policies()) == (size + 1, ())


def test_a_forged_one_has_no_place(world: World) -> None:
    """One byte of it changed, and nobody takes it in."""
    made = bytearray(stated(version(1), by=world.registrar))
    made[-1] ^= 1
    with pytest.raises(Rejected):
        world.directory.apply(bytes(made))
    assert world.directory.policies() == ()


ITEM = policy_item(SHORT)
NONSENSE: list[list[object]] = [
    [],
    [1, NOW],
    [1, NOW, ITEM, 1],
    [True, NOW, ITEM],
    [-1, NOW, ITEM],
    [1, NOW, []],
    [1, NOW, [*ITEM[:3], 1, *ITEM[4:]]],
    [1, NOW, [*ITEM, None]],
]


@pytest.mark.parametrize("item", NONSENSE, ids=repr)
def test_one_that_is_out_of_bounds_is_kept_unread(world: World, item: list[object]) -> None:
    """As every later type that makes no sense: it has its place, and nobody judges by it."""
    size = world.directory.head.size
    applied = world.directory.apply(raw(world, *item))
    assert applied.statement.body == Unread(int(StatementType.POLICY), encode(item))
    assert (world.directory.head.size, world.directory.unread) == (size + 1, 1)
    assert in_force(world, YEARS) is PROTOCOL_POLICY


def test_nobody_signs_what_nobody_would_read(world: World) -> None:
    """It is refused where it is written."""
    with pytest.raises(MisuseError):
        issue(version(-1), signer=world.registrar, issued=NOW)


def test_an_older_program_has_the_same_directory(two: World) -> None:
    """The same head after each statement; it judges by the protocol's policy, and a later one reads its file."""
    made = [
        stated(version(1), by=two.registrars[0]),
        raw(two, "nonsense"),
        stated(version(1), by=two.registrars[1], at=NOW + 1),
        stated(version(2, FEW), by=two.registrars[1], at=NOW + 2),
    ]
    older = Directory.replay(two.root, two.directory.snapshot())
    for one in made:
        two.directory.apply(one)
        with mutated(Mutant(statements._parse_later, returning("None"))):
            older.apply(one)
        assert older.head == two.directory.head
    assert (in_force(older, YEARS), in_force(two, YEARS)) == (PROTOCOL_POLICY, SHORT)
    assert in_force(Directory.replay(two.root, older.snapshot()), YEARS) == SHORT


def test_every_replica_has_the_same_policy_at_each_size_and_time(two: World) -> None:
    """A decision names both, and so the policy that it was made by: whoever replays the log finds it."""
    for number, policy in enumerate((SHORT, FEW, SHORTER), start=1):
        two.agreed(version(number, policy, since=NOW + number * DAY), at=NOW + number)
    log = two.directory.snapshot()
    for size in range(len(log) - 6, len(log) + 1):
        whole, lean = Directory(two.root), Directory(two.root, keeps=False)
        for one in log[:size]:
            whole.apply(one)
            lean.apply(one)
        for at in (NOW, NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY):
            assert in_force(whole, at) == in_force(lean, at)
    agreed = Directory.replay(two.root, log[:-1])
    assert (in_force(agreed, YEARS), in_force(two, YEARS)) == (FEW, SHORTER)


def test_with_a_stolen_key_falls_what_was_agreed_with_it(two: World) -> None:
    """From the theft on: the one before is in force again, and its number stays used."""
    two.agreed(version(1, FEW))
    theft = NOW + 10 * DAY
    two.agreed(version(2, SHORTER), at=theft)
    assert in_force(two, YEARS) == SHORTER
    stolen = two.registrars[1].public.kid
    two.apply(revocation("registrar-2", stolen, since=theft), by=two.root_keys[0], at=theft + DAY)
    assert in_force(two, YEARS) == FEW
    assert [known.stands for known in two.directory.policies()] == [True, False]


def test_a_key_withdrawn_in_good_order_takes_nothing_with_it(two: World) -> None:
    """Who leaves the office leaves what was agreed."""
    two.agreed(version(1, FEW))
    gone = two.registrars[1].public.kid
    two.apply(revocation("registrar-2", gone), by=two.root_keys[0], at=NOW + DAY)
    assert in_force(two, YEARS) == FEW


def test_a_unit_without_a_quota_has_the_policys(world: World) -> None:
    """From its time on; one that a registrar has stated stays."""
    world.apply(QuotaChange(FR, replace(DEFAULT_QUOTA, messages=7)), by=world.registrar)
    world.apply(version(1, TIGHT), by=world.registrar)
    units = [unit.unit for unit in world.directory.units()]
    assert [world.directory.quota(unit, Millis(SOON - 1)).messages for unit in units] == [7, 6_000]
    assert [world.directory.quota(unit, SOON).messages for unit in units] == [7, 60]


def test_one_registrar_gives_no_unit_more_than_the_policy_does(two: World) -> None:
    """What was below the protocol's default and is above the policy's takes two, also before the policy's time."""
    two.agreed(version(1, TIGHT, since=YEARS))
    more = QuotaChange(FR, replace(DEFAULT_QUOTA, messages=61, bytes=LEAST_QUOTA.bytes, copies=LEAST_QUOTA.copies,
                                   refusals=60))  # fmt: skip
    assert two.apply(more, by=two.registrars[0]).waits
    assert not two.apply(QuotaChange(FR, replace(more.quota, messages=60)), by=two.registrars[0]).waits


MUTANTS = [
    ("the next version", Mutant(policies.is_next_policy, returning("True")),
     test_what_is_not_the_next_version_has_its_place_and_no_effect, ("the version before",)),
    ("no lower one", Mutant(policies.is_next_policy, rewritten("body.version == next_policy_version(tables)",
                                                              "body.version >= next_policy_version(tables)")),
     test_what_is_not_the_next_version_has_its_place_and_no_effect, ("one that skips a number",)),
    ("the notice", Mutant(state_policy, rewritten("agreed + POLICY_NOTICE", "agreed")),
     test_until_registrars_state_one_it_is_the_protocols, ()),
    ("of the last of them", Mutant(state_policy, rewritten("max(vote.at for vote in support.votes)",
                                                          "min(vote.at for vote in support.votes)")),
     test_one_registrar_alone_states_none, ()),
    ("its own time", Mutant(state_policy, rewritten("max(body.since, agreed + POLICY_NOTICE)", "agreed + POLICY_NOTICE")),
     test_one_of_the_future_waits, ()),
    ("the time has come", Mutant(policies.known_policy_in_force, forced(True, "each.holds_from <= moment")),
     test_one_of_the_future_waits, ()),
    ("the highest version", Mutant(policies.known_policy_in_force,
                                   rewritten("reversed(tables.policies.values())", "tables.policies.values()")),
     test_a_later_version_takes_the_place_of_one_that_waits, ()),
    ("what stands", Mutant(policies.known_policy_in_force, rewritten("each.stands", "True")),
     test_with_a_stolen_key_falls_what_was_agreed_with_it, ()),
    ("the undoing", Mutant(policies.undo_policies, rewritten("known.stands", "False")),
     test_with_a_stolen_key_falls_what_was_agreed_with_it, ()),
    ("by the root", Mutant(state_policy, rewritten("issuer.role is not KeyRole.REGISTRAR", "False")),
     test_nobody_else_states_one, ()),
    ("several registrars", Mutant(agreement._is_dangerous, rewritten("KeyRole.ROOT if isinstance(body, Revocation) else KeyRole.REGISTRAR", "KeyRole.ROOT")),
     test_one_registrar_alone_states_none, ()),
    ("dead ballots", Mutant(agreement._may_take_effect, forced(False, "PolicyVersion")),
     test_of_two_with_one_number_the_first_that_is_agreed_on_counts, ()),
    ("the least default", Mutant(policies.least_default, returning("DEFAULT_QUOTA")),
     test_one_registrar_gives_no_unit_more_than_the_policy_does, ()),
    ("who may", Mutant(rules.find_issuer, forced(False, "MAY_STATE_LATER")), test_nobody_else_states_one, ()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "promise", "asked"), [row[1:] for row in MUTANTS], ids=[r[0] for r in MUTANTS]
)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, asked, world: World) -> None:
    fixtures = {"world": world, "two": World(registrars=2)}
    for unit in ("fr", "it"):
        fixtures["two"].enrol(unit)
    await assert_missed(mutant, promise, asked, **fixtures)


def test_without_a_policy_nothing_is_looked_up() -> None:
    """A router asks several times for each message."""
    assert policies.policy_in_force(Tables(), NOW) is PROTOCOL_POLICY
