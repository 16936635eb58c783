"""Who names whose next key, once, and until when; and what falls with a key that a thief had."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keys import rules
from keys.appointments import line
from keys.appointments.line import SELF_RENEWED
from keys.directory import Directory
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from protocol.errors import Code, Rejected
from protocol.limits import DAY
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, rewritten, unchecked
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

ROLES = {"fr": StatementType.IDENTITY, "router": StatementType.ROUTER, "ledger": StatementType.LEDGER}


@pytest.fixture
def world() -> World:
    return parties()


def parties() -> World:
    """An exchange with a unit, a router and a ledger, each with a key of a year."""
    world = World()
    world.enrol("fr", epochs=False)
    for name in ("router", "ledger"):
        world.apply(appointment(ROLES[name], identity(name)), by=world.registrar)
    return world


def names(
    world: World,
    name: str,
    generation: int = 2,
    *,
    by: SoftIdentity | None = None,
    at: int = NOW + 300 * DAY,
    until: int = NOW + 2 * YEAR,
    of: str | None = None,
) -> Code | None:
    """The n-th key of a party is named by the one before it; why not, if not."""
    made = appointment(
        StatementType.SUCCESSION, identity(name, generation), name=of, not_before=at, not_after=until
    )
    head = world.directory.head
    try:
        world.apply(made, by=by or identity(name, generation - 1), at=at)
    except Rejected as rejected:
        assert world.directory.head == head
        return rejected.reason
    return None


@pytest.mark.parametrize("name", ROLES)
def test_a_key_names_the_next_one_of_its_party(world: World, name: str) -> None:
    """In the same name and role, without the registrar; the present one stays what it is."""
    before = world.directory.party(identity(name).public.kid)
    assert names(world, name) is None
    kid = identity(name, 2).public.kid
    assert world.directory.party(kid) == (*before, world.directory.successor(identity(name).public.kid))
    found = {
        "fr": lambda: world.directory.identity(FR, kid),
        "router": lambda: world.directory.router_key(kid),
        "ledger": lambda: world.directory.ledgers()[-1],
    }[name]()
    assert found is not None
    assert (found.unit, found.not_after, found.revoked) == (name, NOW + 2 * YEAR, False)


def test_every_replica_has_the_same(world: World) -> None:
    """Read again from the topic, the directory is what it was."""
    assert names(world, "router") is None
    again = Directory.replay(world.root, world.directory.snapshot())
    assert again.head == world.directory.head
    assert again.routers() == world.directory.routers()


def test_the_named_key_may_do_what_the_role_may(world: World) -> None:
    """A unit's next identity publishes its epoch keys; a router's still states nothing of units."""
    assert names(world, "fr", at=NOW, until=NOW + YEAR + 40 * DAY) is None
    world.apply(publication("fr", EPOCH_NOW), by=identity("fr", 2))
    assert names(world, "router", at=NOW) is None
    with pytest.raises(Rejected):
        world.apply(facts("de"), by=identity("router", 2))


def a_key_names_one_successor() -> None:
    """A thief and the owner cannot both: whoever comes second is refused, and sees why."""
    world = parties()
    assert names(world, "router", 2) is None
    assert names(world, "router", 3, by=identity("router")) is Code.E_STATEMENT


def a_line_ends() -> None:
    """Whoever has stolen a key and stays unseen can go on for two years after it, and no day longer."""
    world, end = parties(), NOW + YEAR + SELF_RENEWED
    for generation in range(2, 9):
        at = NOW + 300 * DAY + (generation - 2) * 90 * DAY
        assert names(world, "router", generation, at=at, until=end + 1) is Code.E_STATEMENT
        assert names(world, "router", generation, at=at, until=min(at + YEAR, end)) is None
    last = world.directory.routers()[-1]
    assert last.not_after <= end
    assert world.directory.self_renewed_until(last.public.kid) == end


def an_ended_key_names_nobody() -> None:
    """What lies on an old disk renews nothing."""
    assert names(parties(), "router", at=NOW + YEAR + 1) is Code.E_ISSUER


def a_key_names_nobody_elses() -> None:
    """A unit cannot take another's name with it, nor a router's."""
    world = parties()
    world.enrol("it", epochs=False)
    assert names(world, "fr", of="it") is Code.E_ISSUER
    assert names(world, "fr", of="router") is Code.E_ISSUER


def a_registrar_names_no_successor() -> None:
    """A registrar's next key is the root's to appoint."""
    world = parties()
    assert names(world, "registrar") is Code.E_ISSUER


def a_suspended_unit_names_nobody() -> None:
    """While its key is looked into, it does not become another one."""
    world = parties()
    world.apply(status("fr", suspended=True), by=world.registrar)
    assert names(world, "fr") is Code.E_STATEMENT
    world.apply(status("fr", suspended=False), by=world.registrar, at=NOW + 1)
    assert names(world, "fr") is None


def a_successor_falls_with_its_key() -> None:
    """Also one that the thief dates back: the log's time moves with registrars alone, who may be silent for weeks."""
    world = parties()
    assert names(world, "router", at=NOW + 200 * DAY) is None
    assert names(world, "router", 3, at=NOW + 250 * DAY) is None
    stolen = revocation("router", identity("router").public.kid, since=NOW + 280 * DAY)
    world.apply(stolen, by=world.registrar, at=NOW + 290 * DAY)
    assert [key.revoked for key in world.directory.routers()] == [True, True, True]
    assert names(world, "router", 4, at=NOW + 291 * DAY) is Code.E_ISSUER


def the_next_key_is_a_fresh_one() -> None:
    """No key comes back, and none becomes another party's."""
    world = parties()
    assert names(world, "fr", by=identity("fr")) is None
    made = appointment(StatementType.SUCCESSION, identity("fr"), not_before=NOW, not_after=NOW + YEAR)
    with pytest.raises(Rejected):
        world.apply(made, by=identity("fr", 2), at=NOW + 300 * DAY)
    other = appointment(StatementType.SUCCESSION, identity("ledger"), name="router", not_before=NOW)
    with pytest.raises(Rejected):
        world.apply(other, by=identity("router"), at=NOW + 300 * DAY)


PROMISES: list[tuple[Callable[[], None], list[Mutant]]] = [
    (a_key_names_one_successor, [Mutant(line.name_successor, unchecked("present.successor"))]),
    (a_line_ends, [Mutant(line.name_successor, unchecked("SELF_RENEWED"))]),
    (an_ended_key_names_nobody, [Mutant(rules._check_was_valid, unchecked("key.not_after"))]),
    (a_key_names_nobody_elses, [Mutant(line.name_successor, unchecked("issuer.name"))]),
    (a_registrar_names_no_successor, [Mutant(rules.find_issuer, unchecked("MAY_STATE"))]),
    (a_suspended_unit_names_nobody, [Mutant(line.name_successor, unchecked("issuer.role"))]),
    (
        a_successor_falls_with_its_key,
        [Mutant(rules._withdraw, rewritten("known.role is KeyRole.REGISTRAR", "True"))],
    ),
    (the_next_key_is_a_fresh_one, [Mutant(line.name_successor, dropped(line._check_new))]),
]


@pytest.mark.parametrize("promise", [each for each, _ in PROMISES], ids=lambda each: each.__name__)
def test_promise(promise: Callable[[], None]) -> None:
    promise()


@pytest.mark.parametrize(("promise", "mutants"), PROMISES, ids=[each.__name__ for each, _ in PROMISES])
def test_without_its_rule_the_promise_is_broken(promise: Callable[[], None], mutants: list[Mutant]) -> None:
    """Each rule, taken away, lets its attack succeed."""
    for mutant in mutants:
        with mutated(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
            promise()


def test_an_old_directory_reads_as_it_did(world: World) -> None:
    """Without a succession nothing is another: a registrar's appointment begins a line of its own."""
    world.apply(appointment(StatementType.ROUTER, identity("router", 2)), by=world.registrar)
    assert names(world, "router", 3, by=identity("router", 2)) is None
    assert names(world, "router", 4, by=identity("router")) is None
    assert len(world.directory.party(identity("router").public.kid)) == 4


def test_its_proof_is_of_the_key_and_for_this(world: World) -> None:
    """An appointment that was signed for a registrar is no succession, nor the other way round."""
    asked = appointment(StatementType.ROUTER, identity("router", 2))
    turned = type(asked)(
        StatementType.SUCCESSION, asked.name, asked.public, asked.not_before, asked.not_after, asked.proof
    )
    with pytest.raises(Rejected, match="proof of possession"):
        world.directory.apply(stated(turned, by=identity("router")))
