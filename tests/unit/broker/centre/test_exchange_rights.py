"""The rights of the units of a directory follow what was stated of them."""

from __future__ import annotations

import pytest

from broker.centre import exchange_rights as module
from broker.centre.exchange_rights import declared_quotas, declared_rights, rights_of, settle_units
from protocol import topics
from protocol.identifiers import UnitId
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.sim.world import World

FR = UnitId("fr")


def _rights(world):
    return rights_of(world.directory.unit(FR), world.directory)


def test_a_unit_in_good_standing_has_its_rights() -> None:
    """And loses none by what happens to another."""
    world = World()
    world.suspend("it")

    assert _rights(world) == topics.unit_rights(FR)
    assert topics.unit_rights(FR) <= declared_rights(world.directory)


def test_a_suspended_unit_loses_all_but_the_directory_and_gets_it_back() -> None:
    """With the statement, and with the one that takes it back."""
    world = World()
    world.suspend("fr")
    assert _rights(world) == topics.suspended_rights(FR)

    world.suspend("fr", suspended=False)
    assert _rights(world) == topics.unit_rights(FR)


def test_a_unit_without_a_key_that_counts_has_no_right() -> None:
    """Whoever has the key has the certificate's machine as well, most likely."""
    world = World()
    world.revoke_identity("fr")

    assert _rights(world) == frozenset()


def test_every_unit_has_a_quota() -> None:
    """One that is suspended, too: its certificate still connects."""
    world = World()
    world.suspend("fr")

    assert declared_quotas(world.directory).keys() == {f"unit-{one.unit}" for one in world.directory.units()}
    assert all(rate > 0 for values in declared_quotas(world.directory).values() for rate in values.values())


async def test_over_a_plain_connection_nothing_is_done() -> None:
    """Nobody is asked: there is no Kafka at that address."""
    await settle_units("127.0.0.1:9", World().directory, [FR])


MUTANTS = {
    "suspended units keep their rights": (
        Mutant(module.rights_of, forced(False, "unit.suspended")),
        test_a_suspended_unit_loses_all_but_the_directory_and_gets_it_back,
    ),
    "withdrawn keys change nothing": (
        Mutant(module.rights_of, forced(False, "all")),
        test_a_unit_without_a_key_that_counts_has_no_right,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_breaks_a_promise(mutant) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    with mutated(change), pytest.raises(AssertionError):
        promise()
