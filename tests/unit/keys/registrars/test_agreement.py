"""What is dangerous takes several registrars, or root keys: nothing of it counts before, and it falls with each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import rules
from keys.appointments import line
from keys.directory import Directory
from keys.registrars import agreement, standing
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity
from keys.statement_types import Body, QuotaChange, StatementType, UnitFacts
from protocol.canonical import decode, encode
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.envelope.quotas import DEFAULT_QUOTA
from protocol.epochs import epoch_of
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import AGREED_WITHIN, DAY
from protocol.signatures import Suite
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, returning, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    World,
    appointment,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)

XX = UnitId("xx")
LOW = {"clearance": Classification.BPL, "purposes": frozenset({Purpose.CROSS_CHECK})}
LARGE = QuotaChange(FR, replace(DEFAULT_QUOTA, messages=60_000))
SMALL = QuotaChange(FR, replace(DEFAULT_QUOTA, messages=60))


@pytest.fixture
def two() -> World:
    """An exchange of two registrars with two units, of which one is less than the other."""
    return exchange()


def exchange() -> World:
    world = World(registrars=2)
    world.enrol("fr")
    world.agreed(facts("it", **LOW))
    return world


def of(world: World) -> tuple[object, ...]:
    """All that the directory says of anybody."""
    directory = world.directory
    quotas = [directory.quota(unit.unit, NOW) for unit in directory.units()]
    return directory.units(), quotas, directory.routers(), directory.ledgers(), directory.identities(FR)


def takes(replica: World | Directory, statement: bytes) -> bool:
    """Whether it has its place in the directory."""
    try:
        (replica.directory if isinstance(replica, World) else replica).apply(statement)
    except Rejected:
        return False
    return True


DANGEROUS: dict[str, Body] = {
    "a unit": facts("xx"),
    "an identity": appointment(StatementType.IDENTITY, identity("fr", 2)),
    "a router": appointment(StatementType.ROUTER, identity("router")),
    "a ledger": appointment(StatementType.LEDGER, identity("ledger")),
    "clearance": facts("it", version=2, **LOW | {"clearance": Classification.EU_RESTRICTED}),
    "purposes": facts("it", version=2, **LOW | {"purposes": frozenset({Purpose.OPERATIONAL})}),
    "basis": facts("it", version=2, **LOW, basis=LegalBasis.UNION_BODY),
    "kind": facts("it", version=2, **LOW, kind=UnitKind.CENTRE),
    "national unit": facts("it", version=2, **LOW, national_unit=FR),
    "no copies": facts("it", version=2, **LOW, waives_copy=True),
    "name": facts("it", version=2, **LOW, name="FR"),
    "quota": LARGE,
    "a quota in part": QuotaChange(FR, replace(DEFAULT_QUOTA, messages=1, refusals=9_999)),
}


@pytest.mark.parametrize("what", DANGEROUS)
def test_one_registrar_gives_nobody_anything(two: World, what: str) -> None:
    """Nor does the same one with a second statement; with another one it counts."""
    before, size = of(two), two.directory.head.size
    for at in (NOW, NOW + 1):
        assert two.apply(DANGEROUS[what], by=two.registrars[0], at=at).waits
    assert (of(two), two.directory.head.size) == (before, size + 2)
    assert not two.apply(DANGEROUS[what], by=two.registrars[1], at=NOW + 2).waits
    assert of(two) != before
    assert two.directory.ballots(Millis(NOW + 2)) == ()


def test_a_suspension_takes_one_and_its_end_two(two: World) -> None:
    """The safe direction waits for nobody."""
    assert not two.apply(status("fr", suspended=True), by=two.registrars[1]).waits
    assert _suspended(two)
    assert two.apply(status("fr", suspended=False), by=two.registrars[1], at=NOW + 1).waits
    assert _suspended(two)
    two.apply(status("fr", suspended=False), by=two.registrars[0], at=NOW + 1)
    assert not _suspended(two)


def _suspended(world: World, unit: UnitId = FR) -> bool:
    found = world.directory.unit(unit)
    assert found is not None
    return found.suspended


LOWER: list[Body] = [
    facts("fr", version=2, clearance=Classification.BPL),
    facts("fr", version=2, purposes=frozenset({Purpose.CROSS_CHECK})),
    facts("fr", version=2, min_suite=Suite.HYBRID),
    SMALL,
    revocation("fr", identity("fr").public.kid, since=NOW),
]


@pytest.mark.parametrize("body", LOWER, ids=lambda body: type(body).__name__)
def test_what_takes_something_away_takes_one(two: World, body: Body) -> None:
    """At once."""
    before = of(two)
    assert not two.apply(body, by=two.registrars[0]).waits
    assert of(two) != before


def test_with_one_registrar_everything_is_as_it_was() -> None:
    """No statement waits, and the pinned file is the one of before."""
    world = World()
    world.enrol("fr")
    assert not world.apply(facts("it", **LOW), by=world.registrar).waits
    for body in DANGEROUS.values():
        version = 1 + len(_stated(world, body.unit)) if isinstance(body, UnitFacts) else 0
        made = replace(body, version=version) if isinstance(body, UnitFacts) else body
        assert not world.apply(made, by=world.registrar).waits
    assert decode(world.root.encoded())[0] == 1


def _stated(world: World, unit: UnitId) -> tuple[object, ...]:
    known = world.directory._tables.stated.get(unit)
    return () if known is None else known.facts


def test_two_keys_of_one_registrar_are_one(two: World) -> None:
    """Who renews a key has two for a while, and is one person all the same."""
    renewed = identity("registrar", 2)
    two.apply(appointment(StatementType.REGISTRAR, renewed), by=two.root_keys[0])
    for signer in (two.registrars[0], renewed):
        assert two.apply(facts("xx"), by=signer).waits
    assert two.directory.unit(XX) is None
    assert not two.apply(facts("xx"), by=two.registrars[1]).waits


def test_three_are_three() -> None:
    """As many as the root says, and no fewer."""
    world = World(registrars=3)
    for registrar in world.registrars[:2]:
        assert world.apply(facts("xx"), by=registrar).waits
    ballot = world.directory.ballots(NOW)[0]
    assert (len(ballot.votes), ballot.needed) == (2, 3)
    assert not world.apply(facts("xx"), by=world.registrars[2]).waits


def test_another_body_is_another_ballot(two: World) -> None:
    """They agree on the same, or on nothing."""
    two.apply(facts("xx"), by=two.registrars[0])
    assert two.apply(facts("xx", clearance=Classification.BPL), by=two.registrars[1]).waits
    assert two.directory.unit(XX) is None
    assert len(two.directory.ballots(NOW)) == 2


def test_an_agreement_takes_a_month_at_most(two: World) -> None:
    """On the last day it counts; after it, it is begun again."""
    two.apply(facts("xx"), by=two.registrars[0])
    late = stated(facts("xx"), by=two.registrars[1], at=NOW + AGREED_WITHIN + 1)
    other = Directory.replay(two.root, two.directory.snapshot())
    assert other.apply(late).waits
    assert not two.apply(facts("xx"), by=two.registrars[1], at=NOW + AGREED_WITHIN).waits


def test_nobody_dates_back_to_an_old_statement(two: World) -> None:
    """A stolen key cannot take up what was left undone for good reasons."""
    two.apply(facts("xx"), by=two.registrars[0])
    # A unit has stated its key of a later week, as each does: somebody beside the registrar says how late it is.
    later = NOW + 28 * DAY
    two.apply(publication("fr", epoch_of(Millis(later))), by=identity("fr"), at=later)
    two.apply(status("fr", suspended=True), by=two.registrars[0], at=NOW + AGREED_WITHIN + DAY)
    assert two.apply(facts("xx"), by=two.registrars[1], at=NOW).waits
    assert two.directory.ballots(NOW) == ()


def test_a_registrar_s_date_far_ahead_holds_up_no_agreement(two: World) -> None:
    """By mistake or by a thief: nobody bears it out, and others agree as before."""
    two.apply(status("it", suspended=True), by=two.registrars[1], at=NOW + 300 * DAY)
    assert two.apply(facts("xx"), by=two.registrars[0], at=NOW + 1).waits
    assert not two.apply(facts("xx"), by=two.registrars[1], at=NOW + 2).waits
    assert two.directory.unit(XX) is not None


def test_a_newer_suspension_overtakes_an_older_wish_to_end_one(two: World) -> None:
    """Who stated it before that did not know of it: it takes two that do."""
    two.apply(status("fr", suspended=True), by=two.registrars[0])
    two.apply(status("fr", suspended=False), by=two.registrars[0], at=NOW + 10)
    two.apply(status("fr", suspended=True, reason="worse"), by=two.registrars[1], at=NOW + 20)
    assert two.apply(status("fr", suspended=False), by=two.registrars[1], at=NOW + 30).waits
    assert not two.apply(status("fr", suspended=False), by=two.registrars[0], at=NOW + 40).waits


def test_a_lower_quota_overtakes_an_older_wish_for_more(two: World) -> None:
    """As a suspension does."""
    two.apply(LARGE, by=two.registrars[0], at=NOW + 10)
    two.apply(SMALL, by=two.registrars[1], at=NOW + 20)
    assert two.apply(LARGE, by=two.registrars[1], at=NOW + 30).waits
    assert two.directory.quota(FR, NOW) == SMALL.quota


def test_what_cannot_take_effect_any_more_is_refused(two: World) -> None:
    """A version that others have used, a key that was appointed meanwhile; and it is shown to nobody."""
    raised = facts("it", version=2, **LOW | {"clearance": Classification.EU_RESTRICTED})
    two.apply(raised, by=two.registrars[0])
    two.apply(facts("it", version=2, **LOW | {"min_suite": Suite.HYBRID}), by=two.registrars[1])
    two.apply(appointment(StatementType.ROUTER, identity("router")), by=two.registrars[0])
    two.agreed(appointment(StatementType.LEDGER, identity("router"), name="ledger"))
    assert two.directory.ballots(NOW) == ()
    for body in (raised, appointment(StatementType.ROUTER, identity("router"))):
        with pytest.raises(Rejected) as caught:
            two.apply(body, by=two.registrars[1])
        assert caught.value.reason is Code.E_STATEMENT


def test_a_key_that_was_withdrawn_meanwhile_does_not_count(two: World) -> None:
    """In good order too: whoever left the office agrees to nothing any more."""
    two.apply(facts("xx"), by=two.registrars[0])
    two.apply(revocation("registrar", two.registrars[0].public.kid), by=two.root_keys[0])
    assert two.apply(facts("xx"), by=two.registrars[1]).waits
    following = identity("registrar", 2)
    two.apply(appointment(StatementType.REGISTRAR, following), by=two.root_keys[0])
    assert not two.apply(facts("xx"), by=following).waits


def test_a_unit_is_described_and_given_an_identity_at_once(two: World) -> None:
    """Each registrar comes once; in the other order the identity is refused, and nothing is lost."""
    described = facts("xx")
    appointed = appointment(StatementType.IDENTITY, identity("xx"))
    for body in (described, appointed):
        assert takes(two, stated(body, by=two.registrars[0]))
    assert [each.ballot.body for each in two.directory.ballots(NOW)] == [described, appointed]
    with pytest.raises(Rejected):
        two.apply(appointed, by=two.registrars[1])
    for body in (described, appointed):
        two.apply(body, by=two.registrars[1])
    assert len(two.directory.identities(XX)) == 1
    two.apply(publication("xx", EPOCH_NOW), by=identity("xx"))


THEFT = NOW + 1_000


def _withdraw(world: World, *, since: int = THEFT) -> None:
    body = revocation("registrar-2", world.registrars[1].public.kid, since=since)
    world.apply(body, by=world.root_keys[0], at=THEFT + DAY)


@pytest.mark.parametrize("thief_first", [True, False])
def test_what_was_agreed_with_a_thief_falls(two: World, thief_first: bool) -> None:
    """Facts, the end of a suspension, quotas and keys, whoever of the two came last."""
    two.apply(status("fr", suspended=True), by=two.registrars[0])
    before = of(two)
    raised = facts("it", version=2, **LOW | {"clearance": Classification.EU_RESTRICTED})
    made = (
        raised,
        status("fr", suspended=False),
        LARGE,
        facts("xx"),
        DANGEROUS["a router"],
        DANGEROUS["an identity"],
    )
    order = two.registrars[::-1] if thief_first else two.registrars
    for body in made:
        for registrar in order:
            two.apply(body, by=registrar, at=THEFT)
    assert (two.directory.quota(FR, NOW), _suspended(two)) == (LARGE.quota, False)
    _withdraw(two)
    assert of(two)[:2] == before[:2]
    assert [key.revoked for key in two.directory.routers()] == [True]
    assert [key.revoked for key in two.directory.identities(FR)] == [False, True]


def test_what_was_agreed_with_the_key_before_its_theft_stands(two: World) -> None:
    """Each of them counts by its own time, and not by the time of the last."""
    raised = facts("it", version=2, **LOW | {"clearance": Classification.EU_RESTRICTED})
    made = (raised, DANGEROUS["a router"])
    for registrar, at in ((two.registrars[1], THEFT - 1), (two.registrars[0], THEFT + 1)):
        for body in made:
            two.apply(body, by=registrar, at=at)
    _withdraw(two)
    assert two.directory.facts(UnitId("it")) == raised
    assert not two.directory.routers()[0].revoked


def test_what_one_lowered_adds_nothing_where_it_fell_on(two: World) -> None:
    """A registrar lowers what a thief had raised, and it is still more than before: what was lowered goes, no more."""
    low = two.directory.facts(UnitId("it"))
    assert low is not None
    every = frozenset({Purpose.CROSS_CHECK, Purpose.OPERATIONAL})
    for registrar in two.registrars:
        two.apply(facts("it", version=2, purposes=every), by=registrar, at=THEFT)
        two.apply(replace(LARGE, unit=UnitId("it")), by=registrar, at=THEFT)
    two.apply(
        facts("it", version=3, purposes=every, min_suite=Suite.HYBRID), by=two.registrars[0], at=THEFT + 1
    )
    less = replace(LARGE.quota, messages=50_000, refusals=7)
    two.apply(QuotaChange(UnitId("it"), less), by=two.registrars[0], at=THEFT + 1)
    assert two.directory.quota(UnitId("it"), NOW) == less
    _withdraw(two)
    assert two.directory.facts(UnitId("it")) == replace(low, version=3, min_suite=Suite.HYBRID)
    assert two.directory.quota(UnitId("it"), NOW) == replace(DEFAULT_QUOTA, refusals=7)


def test_what_two_lowered_stays_lower_where_one_of_them_falls(two: World) -> None:
    """The other one could have lowered it alone; what it gave besides goes."""
    known = two.directory.facts(FR)
    assert known is not None
    less = replace(SMALL.quota, refusals=9_999)
    for registrar in two.registrars:
        two.apply(facts("fr", version=2, clearance=Classification.BPL, name="Other"), by=registrar, at=THEFT)
        two.apply(QuotaChange(FR, less), by=registrar, at=THEFT)
    assert two.directory.quota(FR, NOW) == less
    _withdraw(two)
    assert two.directory.facts(FR) == replace(known, version=2, clearance=Classification.BPL)
    assert two.directory.quota(FR, NOW) == SMALL.quota


def test_the_root_withdraws_a_registrar_with_as_many_keys_as_it_appoints_one() -> None:
    """One of two root keys, stolen, takes nobody's work back."""
    world = World(roots=2, threshold=2)
    world.enrol("fr")
    gone = revocation("registrar", world.registrar.public.kid, since=NOW)
    assert world.apply(gone, by=world.root_keys[0]).waits
    assert (world.directory.registrars()[0].revoked, world.directory.unit(FR) is None) == (False, False)
    assert [each.ballot.role.value for each in world.directory.ballots(NOW)] == ["root"]
    assert not world.apply(gone, by=world.root_keys[1]).waits
    assert (world.directory.registrars()[0].revoked, world.directory.unit(FR)) == (True, None)


def test_root_and_registrar_do_not_add_up(two: World) -> None:
    """A quota may be the root's to raise; one of each is no agreement of two registrars."""
    world = World(roots=2, threshold=2, registrars=2)
    world.enrol("fr")
    for signer in (world.root_keys[0], world.registrars[0]):
        assert world.apply(LARGE, by=signer).waits
    assert world.directory.quota(FR, NOW) == DEFAULT_QUOTA
    assert not two.apply(LARGE, by=two.root_keys[0]).waits


def test_the_root_says_how_many_in_a_file_that_older_programs_refuse() -> None:
    """With one it is byte for byte the file of before; and there is one form of it."""
    key = identity("root").public
    one, two = RootOfTrust((key,)), RootOfTrust((key,), registrars=2)
    assert one.encoded() == encode([1, 1, [[key.ed25519, key.ml_dsa_65]]])
    assert RootOfTrust.parse(two.encoded()) == two
    assert two.fingerprint() != one.fingerprint()
    version, threshold, keys, registrars = decode(two.encoded())
    assert (version, registrars) == (3, 2)
    for wrong in (
        [1, threshold, keys, registrars],
        [2, threshold, keys, registrars],
        [version, threshold, keys, 1],
        [version, threshold, keys, 5],
        [version, threshold, keys, True],
        [version, threshold, keys],
        [version, threshold, keys, registrars, [], []],
        [version, threshold, keys, registrars, keys, []],
    ):
        with pytest.raises(Rejected):
            RootOfTrust.parse(encode(wrong))
    for number in (0, 5):
        with pytest.raises(MisuseError):
            RootOfTrust((key,), registrars=number)


def test_the_next_root_asks_for_as_many(two: World) -> None:
    """Whoever pins it has the same directory, and the same rule from then on."""
    made = [
        each.digest for each in (two.directory.history(UnitId(n))[0] for n in ("registrar", "registrar-2"))
    ]
    following = two.root.followed_by(identity("root", 7).public, two.root_keys[0].public.kid, made)
    assert RootOfTrust.parse(following.encoded()) == following
    again = Directory(following)
    for data in two.directory.snapshot():
        assert takes(again, data)
    assert (again.head, again.units()) == (two.directory.head, two.directory.units())
    assert again.apply(stated(facts("xx"), by=two.registrars[0])).waits


STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("facts", "raise", "lower", "suspend", "resume", "more", "less", "router", "withdraw")
        ),
        st.integers(0, 1),
        st.integers(0, 40),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(acts=STATEMENTS)
def test_whatever_two_registrars_state_in_any_order(acts: list[tuple[str, int, int]]) -> None:
    """No unit is ever more than two have stated, all replicas agree, and one registrar's statements alone do nothing."""
    world = exchange()
    lean = Directory(world.root, keeps=False)
    for data in world.directory.snapshot():
        lean.apply(data)
    agreed: dict[object, set[int]] = {}
    for kind, who, day in acts:
        body, signer = _act(world, kind, who)
        data = stated(body, by=signer, at=NOW + day * DAY)
        before = _worth(world)
        try:
            waits = world.directory.apply(data).waits
        except Rejected:
            with pytest.raises(Rejected):
                lean.apply(data)
            continue
        assert lean.apply(data).waits is waits
        agreed.setdefault(_key(body), set()).add(who)
        if not _worth(world) <= before:
            assert kind == "withdraw" or agreed[_key(body)] == {0, 1}
    again = Directory.replay(world.root, world.directory.snapshot(), verified=world.directory.digests)
    assert again.head == lean.head == world.directory.head
    assert again.units() == lean.units() == world.directory.units()
    assert again.routers() == lean.routers() == world.directory.routers()
    assert again.quota(FR, NOW) == lean.quota(FR, NOW) == world.directory.quota(FR, NOW)
    assert again.ballots(NOW) == lean.ballots(NOW) == world.directory.ballots(NOW)


def _act(world: World, kind: str, who: int) -> tuple[Body, SoftIdentity]:
    version = 1 + len(_stated(world, FR))
    bodies: dict[str, Callable[[], Body]] = {
        "facts": lambda: facts("xx"),
        "raise": lambda: facts("fr", version=version, name="Raised"),
        "lower": lambda: facts("fr", version=version, **LOW, name=world.directory.facts(FR).name),  # type: ignore[union-attr]
        "suspend": lambda: status("fr", suspended=True),
        "resume": lambda: status("fr", suspended=False),
        "more": lambda: LARGE,
        "less": lambda: SMALL,
        "router": lambda: DANGEROUS["a router"],
        "withdraw": lambda: revocation(
            "registrar-2", identity("registrar-2").public.kid, since=NOW + 20 * DAY
        ),
    }
    signer = world.root_keys[0] if kind == "withdraw" else world.registrars[who]
    return bodies[kind](), signer


def _key(body: Body) -> object:
    return body if not isinstance(body, UnitFacts) else (body.unit, body.version, body.name)


def _worth(world: World) -> set[object]:
    """What somebody has that a thief would want."""
    found: set[object] = set()
    for unit in world.directory.units():
        found |= {(unit.unit, "known"), (unit.unit, unit.name), (unit.unit, unit.kind)}
        found |= {(unit.unit, level) for level in Classification if level <= unit.clearance}
        found |= {(unit.unit, purpose) for purpose in unit.purposes}
        found |= set() if unit.suspended else {(unit.unit, "takes part")}
    found |= {("quota", n) for n in (60, 6_000, 60_000) if n <= world.directory.quota(FR, NOW).messages}
    return found | {("router", key.public.kid) for key in world.directory.routers() if not key.revoked}


MUTANTS = [
    (Mutant(agreement._together, rewritten("root.registrars", "1")), test_one_registrar_gives_nobody_anything, ("a router",)),
    (Mutant(agreement._together, rewritten("root.threshold", "1")),
     test_the_root_withdraws_a_registrar_with_as_many_keys_as_it_appoints_one, ()),
    (Mutant(agreement._is_dangerous, rewritten("not body.suspended", "False")), test_a_suspension_takes_one_and_its_end_two, ()),
    (Mutant(agreement._is_dangerous, rewritten("not body.suspended", "True")), test_a_suspension_takes_one_and_its_end_two, ()),
    (Mutant(agreement._is_dangerous, rewritten("known is None or lowered(known, body) != body", "known is not None")),
     test_one_registrar_gives_nobody_anything, ("a unit",)),
    (Mutant(standing.lowered, rewritten("min(known.clearance, facts.clearance)", "facts.clearance")),
     test_one_registrar_gives_nobody_anything, ("clearance",)),
    (Mutant(standing.lowered, rewritten("known.purposes & facts.purposes", "facts.purposes")),
     test_one_registrar_gives_nobody_anything, ("purposes",)),
    (Mutant(standing.lowered_quota, returning("quota")), test_one_registrar_gives_nobody_anything, ("a quota in part",)),
    (Mutant(agreement._with, rewritten("issuer.kid if issuer.name is None else issuer.name", "issuer.kid")),
     test_two_keys_of_one_registrar_are_one, ()),
    (Mutant(agreement._counting, rewritten("at - AGREED_WITHIN", "0")), test_an_agreement_takes_a_month_at_most, ()),
    (Mutant(agreement.agreed_consequences, rewritten("own.at", "statement.issued")), test_nobody_dates_back_to_an_old_statement, ()),
    (Mutant(standing.borne_out, rewritten("min(clock, second + BORNE_OUT_WITHIN)", "clock")),
     test_a_registrar_s_date_far_ahead_holds_up_no_agreement, ()),
    (Mutant(agreement._overtaken, rewritten("counts.issued", "0")),
     test_a_newer_suspension_overtakes_an_older_wish_to_end_one, ()),
    (Mutant(agreement._overtaken, rewritten("quota.issued", "0")), test_a_lower_quota_overtakes_an_older_wish_for_more, ()),
    (Mutant(agreement._is_withdrawn, returning("False")), test_a_key_that_was_withdrawn_meanwhile_does_not_count, ()),
    (Mutant(agreement._name, rewritten("role.value.encode()", "b''")), test_root_and_registrar_do_not_add_up, ()),
    (Mutant(agreement._may_take_effect, returning("True")), test_what_cannot_take_effect_any_more_is_refused, ()),
    (Mutant(standing._left, returning("stated.votes")), test_what_was_agreed_with_a_thief_falls, (True,)),
    (Mutant(standing._left, returning("stated.votes if not has_fallen(stated.votes[0].by, stated.votes[0].at, keys) else ()")),
     test_what_was_agreed_with_a_thief_falls, (False,)),
    (Mutant(standing._last, rewritten("_left(each, keys) == each.votes", "_left(each, keys)")),
     test_what_was_agreed_with_a_thief_falls, (True,)),
    (Mutant(standing._facts, forced(True, "left == each.votes")), test_what_was_agreed_with_a_thief_falls, (True,)),
    (Mutant(standing._facts, rewritten("counts = lowered(counts, each.value)", "pass")),
     test_what_two_lowered_stays_lower_where_one_of_them_falls, ()),
    (Mutant(standing._quota, forced(False, "left != each.votes")),
     test_what_two_lowered_stays_lower_where_one_of_them_falls, ()),
    (Mutant(line.appoint_key, rewritten("support.votes if len(support.votes) > 1 else ()", "()")),
     test_what_was_agreed_with_a_thief_falls, (True,)),
    (Mutant(rules._rests_on, forced(True, "at >= since")), test_what_was_agreed_with_the_key_before_its_theft_stands, ()),
    (Mutant(standing._facts, forced(True, "not each.lowers")),
     test_what_one_lowered_adds_nothing_where_it_fell_on, ()),
    (Mutant(standing._quota, forced(False, "each.lowers")),
     test_what_one_lowered_adds_nothing_where_it_fell_on, ()),
    (Mutant(line.appoint_key, forced(False, "support.waits")), test_a_unit_is_described_and_given_an_identity_at_once, ()),
    (Mutant(RootOfTrust.followed_by, rewritten("self.registrars", "1")), test_the_next_root_asks_for_as_many, ()),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "asked"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, asked, two: World) -> None:
    await assert_missed(mutant, promise, asked, two=two)
