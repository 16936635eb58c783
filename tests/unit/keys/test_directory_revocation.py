"""What falls with a key: revocation, compromise, and what a thief vouched for."""

from __future__ import annotations

import pytest

from keys.statement_types import StatementType
from protocol.epochs import bounds
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from tests.unit.keys.world import (
    DE,
    EPOCH_NOW,
    FR,
    NOW,
    World,
    appointment,
    epoch_key,
    facts,
    identity,
    publication,
    revocation,
)


@pytest.fixture
def world() -> World:
    """An exchange with one unit."""
    world = World()
    world.enrol("fr")
    return world


def _live(world: World) -> list[int]:
    return [
        epoch
        for epoch in range(EPOCH_NOW, EPOCH_NOW + 3)
        if world.directory.epoch_key_for(FR, epoch) is not None
    ]


def test_orderly_revocation_withdraws_one_key(world: World) -> None:
    """A key withdrawn in good order takes nothing with it."""
    world.apply(revocation("fr", identity("fr").public.kid), by=identity("fr"))
    found = world.directory.identity(FR, identity("fr").public.kid)
    assert found is not None
    assert (found.revoked, found.compromised_since) == (True, None)
    assert _live(world) == [EPOCH_NOW, EPOCH_NOW + 1, EPOCH_NOW + 2]


def test_compromised_identity_takes_its_epoch_keys_along(world: World) -> None:
    """Nobody seals to a key that the thief of an identity may have published."""
    world.apply(revocation("fr", identity("fr").public.kid, since=NOW - 5), by=world.registrar)
    found = world.directory.identity(FR, identity("fr").public.kid)
    assert found is not None
    assert (found.revoked, found.compromised_since) == (True, NOW - 5)
    assert _live(world) == []
    assert all(key.revoked for key in world.directory.epochs(FR))


def test_epochs_that_were_over_stay(world: World) -> None:
    """Epoch keys whose epoch had ended before the compromise are not touched."""
    end = bounds(EPOCH_NOW)[1]
    world.apply(revocation("fr", identity("fr").public.kid, since=end), by=world.registrar, at=end)
    assert _live(world) == [EPOCH_NOW]


def test_recovery_after_a_compromise(world: World) -> None:
    """With a new identity the unit publishes new keys for the same epochs, and is whole again."""
    world.apply(revocation("fr", identity("fr").public.kid, since=NOW - 5), by=world.registrar)
    fresh = identity("fr", 2)
    world.apply(appointment(StatementType.IDENTITY, fresh), by=world.registrar)
    for epoch in range(EPOCH_NOW, EPOCH_NOW + 3):
        world.apply(publication("fr", epoch, 2), by=fresh)
    assert _live(world) == [EPOCH_NOW, EPOCH_NOW + 1, EPOCH_NOW + 2]
    with pytest.raises(Rejected):
        world.apply(publication("fr", EPOCH_NOW, 1), by=fresh)


def test_other_identitys_epoch_keys_stay(world: World) -> None:
    """What another identity of the same unit vouched for does not fall."""
    fresh = identity("fr", 2)
    world.apply(appointment(StatementType.IDENTITY, fresh), by=world.registrar)
    world.apply(revocation("fr", epoch_key("fr", EPOCH_NOW).kid), by=fresh)
    world.apply(publication("fr", EPOCH_NOW, 2), by=fresh)
    world.apply(revocation("fr", identity("fr").public.kid, since=NOW), by=fresh)
    assert _live(world) == [EPOCH_NOW]


def test_compromised_registrar_takes_its_appointments_along(world: World) -> None:
    """Whom a thief of a registrar's key may have appointed falls with it; who was there before stays."""
    theft = NOW + 1000
    router, false_unit = identity("router"), identity("de")
    world.apply(appointment(StatementType.ROUTER, router), by=world.registrar, at=theft)
    world.apply(facts("de"), by=world.registrar, at=theft)
    world.apply(
        appointment(StatementType.IDENTITY, false_unit, not_before=theft), by=world.registrar, at=theft
    )
    world.apply(publication("de", EPOCH_NOW), by=false_unit, at=theft)
    body = revocation("registrar", world.registrar.public.kid, since=theft)
    world.apply(body, by=world.root_keys[0], at=theft + 1)
    directory = world.directory
    fallen_router = directory.router_key(router.public.kid)
    fallen_unit = directory.identity(DE, false_unit.public.kid)
    before = directory.identity(FR, identity("fr").public.kid)
    assert fallen_router is not None and fallen_router.compromised_since == theft
    assert fallen_unit is not None and fallen_unit.compromised_since == theft
    assert directory.epoch_key_for(DE, EPOCH_NOW) is None
    assert before is not None and not before.revoked
    assert len(_live(world)) == 3


def test_thief_of_a_registrar_cannot_date_back(world: World) -> None:
    """An appointment counts from when the log could have seen it, not from the time that it claims."""
    theft = Millis(NOW + 1000)
    second = identity("registrar", 2)
    world.apply(appointment(StatementType.REGISTRAR, second), by=world.root_keys[0])
    world.apply(facts("de"), by=second, at=theft)
    dated_back = appointment(StatementType.IDENTITY, identity("fr", 2))
    world.apply(dated_back, by=world.registrar, at=NOW)
    body = revocation("registrar", world.registrar.public.kid, since=theft)
    world.apply(body, by=world.root_keys[0], at=theft + 1)
    found = world.directory.identity(FR, identity("fr", 2).public.kid)
    assert found is not None and found.revoked


def test_compromise_found_to_be_older(world: World) -> None:
    """A revocation can be made stricter: the compromise began earlier than was thought."""
    kid = identity("fr").public.kid
    end = bounds(EPOCH_NOW)[1]
    world.apply(revocation("fr", kid), by=world.registrar, at=end)
    world.apply(revocation("fr", kid, since=end), by=world.registrar, at=end)
    assert _live(world) == [EPOCH_NOW]
    world.apply(revocation("fr", kid, since=NOW), by=world.registrar, at=end)
    assert _live(world) == []
    found = world.directory.identity(FR, kid)
    assert found is not None and found.compromised_since == NOW


def test_appointee_revoked_before_its_registrar_falls_too(world: World) -> None:
    """An identity that was retired in good order is still distrusted if its appointment was a thief's."""
    kid = identity("fr").public.kid
    world.apply(revocation("fr", kid), by=world.registrar)
    body = revocation("registrar", world.registrar.public.kid, since=NOW)
    world.apply(body, by=world.root_keys[0])
    found = world.directory.identity(FR, kid)
    assert found is not None and found.compromised_since == NOW


def test_revoked_twice_says_nothing_new(world: World) -> None:
    """An epoch key is revoked once."""
    kid = epoch_key("fr", EPOCH_NOW).kid
    world.apply(revocation("fr", kid), by=world.registrar)
    with pytest.raises(Rejected) as caught:
        world.apply(revocation("fr", kid), by=identity("fr"))
    assert caught.value.reason is Code.E_STATEMENT
