"""Where the root asks for it, a key that registrars give a unit rests, and nothing counts of it meanwhile."""

from __future__ import annotations

import pytest

from keys.appointments import line
from keys.appointments.line import appoint_key
from keys.root_of_trust import MAX_COOLING_OFF, RootOfTrust
from keys.statement_types import StatementType
from protocol.canonical import decode, encode
from protocol.epochs import epoch_of
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.key_validity import check_signing_key
from protocol.limits import DAY, HOUR
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
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
    status,
)


def begins(world: World, name: str = "fr", generation: int = 1) -> int:
    found = world.directory.identity(UnitId(name), identity(name, generation).public.kid)
    assert found is not None
    return found.not_before


@pytest.fixture
def slow() -> World:
    return World(cooling_off=HOUR)


def test_a_new_unit_rests(slow: World) -> None:
    """A router refuses what it signs before, in one word, and takes it afterwards."""
    slow.enrol("fr", epochs=False)
    known = slow.directory.identity(FR, identity("fr").public.kid)
    assert slow.directory.unit(FR) is not None, "everybody sees it at once"
    with pytest.raises(Rejected) as refusal:
        check_signing_key(known, signed_at=Millis(NOW + HOUR - 1), judged_at=Millis(NOW + HOUR - 1))
    assert refusal.value.reason is Code.E_KEY_NOT_YET
    assert check_signing_key(known, signed_at=Millis(NOW + HOUR), judged_at=Millis(NOW + HOUR)) == known


def test_nobody_can_seal_to_a_unit_that_rests(slow: World) -> None:
    """Its epoch keys are refused before, whatever they say of their time, and taken afterwards."""
    key = slow.enrol("fr", epochs=False)
    for at in (NOW, NOW + HOUR - 1):
        with pytest.raises(Rejected):
            slow.apply(publication("fr", EPOCH_NOW), by=key, at=at)
    assert slow.directory.epoch_key_for(FR, EPOCH_NOW) is None
    slow.apply(publication("fr", epoch_of(Millis(NOW + HOUR))), by=key, at=NOW + HOUR)


def test_what_the_key_says_itself_does_not_shorten_it(slow: World) -> None:
    """It is dated back by whoever asks; the time runs from where the registrars have stated it."""
    slow.apply(facts("fr"), by=slow.registrar, at=NOW + 10)
    early = appointment(
        StatementType.IDENTITY, identity("fr"), not_before=NOW - 9 * HOUR, not_after=NOW + YEAR
    )
    slow.apply(early, by=slow.registrar, at=NOW + 10)
    assert begins(slow) == NOW + 10 + HOUR


def test_a_registrar_does_not_date_back(slow: World) -> None:
    """The log has seen a later time by then, and it counts."""
    slow.apply(facts("fr"), by=slow.registrar, at=NOW + 5 * HOUR)
    slow.apply(appointment(StatementType.IDENTITY, identity("fr")), by=slow.registrar, at=NOW)
    assert begins(slow) == NOW + 6 * HOUR


def test_it_runs_from_the_second_registrar() -> None:
    two, made = World(registrars=2, cooling_off=HOUR), appointment(StatementType.IDENTITY, identity("fr"))
    for number, at in ((0, NOW), (1, NOW + DAY)):
        two.apply(facts("fr"), by=two.registrars[number], at=at)
        two.apply(made, by=two.registrars[number], at=at)
    assert begins(two) == NOW + DAY + HOUR


def test_new_keys_after_a_loss_rest_as_well(slow: World) -> None:
    """Whoever talks the centre into other keys for a unit is seen by it first."""
    slow.enrol("fr", epochs=False)
    slow.apply(appointment(StatementType.IDENTITY, identity("fr", 2)), by=slow.registrar, at=NOW + 9 * HOUR)
    assert begins(slow, generation=2) == NOW + 10 * HOUR


def test_a_successor_that_the_unit_names_does_not(slow: World) -> None:
    key = slow.enrol("fr", epochs=False)
    following = appointment(StatementType.SUCCESSION, identity("fr", 2), not_before=NOW + HOUR)
    slow.apply(following, by=key, at=NOW + HOUR)
    assert begins(slow, generation=2) == NOW + HOUR


def test_it_is_withdrawn_or_stopped_while_it_rests(slow: World) -> None:
    slow.enrol("fr", epochs=False)
    slow.apply(status("fr", suspended=True), by=slow.registrar, at=NOW + 1)
    slow.apply(revocation("fr", identity("fr").public.kid), by=slow.registrar, at=NOW + 2)
    known = slow.directory.identity(FR, identity("fr").public.kid)
    assert known is not None
    assert known.revoked


def test_a_key_that_would_end_before_is_refused(slow: World) -> None:
    slow.apply(facts("fr"), by=slow.registrar)
    short = appointment(StatementType.IDENTITY, identity("fr"), not_after=NOW + HOUR)
    with pytest.raises(Rejected):
        slow.apply(short, by=slow.registrar)


def test_routers_do_not_rest(slow: World) -> None:
    """They are the centre's own, and an exchange could not begin."""
    slow.apply(appointment(StatementType.ROUTER, identity("router")), by=slow.registrar)
    assert slow.directory.routers()[0].not_before == NOW


def test_without_it_nothing_is_as_it_was_not() -> None:
    world = World()
    world.enrol("fr")
    assert begins(world) == NOW


# The root that asks for it.


@pytest.mark.parametrize("registrars", [1, 2])
def test_the_root_says_so_in_one_form(registrars: int) -> None:
    keys = (identity("root").public,)
    root = RootOfTrust(keys, registrars=registrars, cooling_off=HOUR)
    assert decode(root.encoded())[0] == 4
    assert RootOfTrust.parse(root.encoded()) == root
    following = root.followed_by(identity("root", 2).public, keys[0].kid, [bytes(32)])
    assert RootOfTrust.parse(following.encoded()) == following
    assert following.cooling_off == HOUR
    assert RootOfTrust(keys, registrars=registrars).fingerprint() != root.fingerprint()


def test_other_forms_of_it_are_refused() -> None:
    key = identity("root").public
    pair = [key.ed25519, key.ml_dsa_65]
    for rests in (0, -1, MAX_COOLING_OFF + 1, True, None, "1h"):
        with pytest.raises(Rejected):
            RootOfTrust.parse(encode([4, 1, [pair], 1, rests]))
    for behind in ([[]], [[pair], []], [[], [bytes(32)]], [7, 7]):
        with pytest.raises(Rejected):
            RootOfTrust.parse(encode([4, 1, [pair], 1, HOUR, *behind]))
    with pytest.raises(MisuseError):
        RootOfTrust((key,), cooling_off=MAX_COOLING_OFF + 1)


MUTANTS = [
    (Mutant(appoint_key, rewritten("role is KeyRole.UNIT", "False")), test_a_new_unit_rests),
    (Mutant(line._rested, rewritten("at + cooling_off", "key.not_before + cooling_off")), test_what_the_key_says_itself_does_not_shorten_it),
    (Mutant(line._rested, rewritten("at + cooling_off", "0")), test_nobody_can_seal_to_a_unit_that_rests),
    (Mutant(appoint_key, rewritten("max(statement.issued, clock)", "statement.issued")), test_a_registrar_does_not_date_back),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_each_part_of_it_is_needed(number: int) -> None:
    mutant, promise = MUTANTS[number]
    await assert_missed(mutant, promise, slow=World(cooling_off=HOUR))
