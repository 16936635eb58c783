"""The next root: everybody's directory stays what it is, and the key before it is worth nothing any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from keys.statement_types import StatementType
from protocol.canonical import decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import digest
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.unit.keys.world import NOW, World, appointment, identity, revocation, stated, status

NEXT = identity("root", 7)


def followed(world: World) -> RootOfTrust:
    """The root after this world's, as `centre renew root` makes it."""
    made = [digest(data) for data in world.directory.snapshot()[:1]]
    return world.root.followed_by(NEXT.public, world.root_keys[0].public.kid, made)


@pytest.fixture
def world() -> World:
    """An exchange with two units."""
    return exchange()


def exchange() -> World:
    world = World()
    world.enrol("fr")
    world.enrol("it")
    return world


def test_the_directory_stays_what_it_is(world: World) -> None:
    """Whichever of the two a process pins, while and after the next one is handed out."""
    again = Directory.replay(followed(world), world.directory.snapshot())
    assert again.head == world.directory.head
    assert (again.units(), again.registrars()) == (world.directory.units(), world.directory.registrars())
    more = stated(status("fr", suspended=True), by=world.registrar)
    world.directory.apply(more)
    again.apply(more)
    assert again.head == world.directory.head


def the_key_before_it_counts_for_nothing_new() -> None:
    """Its thief appoints nobody, and withdraws nobody."""
    world = exchange()
    again = Directory.replay(followed(world), world.directory.snapshot())
    for body in (
        appointment(StatementType.REGISTRAR, identity("registrar", 2)),
        revocation("registrar", world.registrar.public.kid),
    ):
        with pytest.raises(Rejected) as refused:
            again.apply(stated(body, by=world.root_keys[0], at=NOW + 1))
        assert refused.value.reason is Code.E_ISSUER


def no_root_key_signs_for_a_party() -> None:
    """Neither the one that counts nor the one before it."""
    world = exchange()
    again = Directory.replay(followed(world), world.directory.snapshot())
    for key in (world.root_keys[0], NEXT):
        with pytest.raises(Rejected):
            again.apply(stated(appointment(StatementType.ROUTER, key, name="router"), by=world.registrar))


PROMISES: list[tuple[Callable[[], None], Mutant]] = [
    (the_key_before_it_counts_for_nothing_new, Mutant(RootOfTrust.signer_of, forced(True, "self.kept"))),
]


def test_what_the_next_root_promises() -> None:
    """As it says."""
    the_key_before_it_counts_for_nothing_new()
    no_root_key_signs_for_a_party()


@pytest.mark.parametrize(("promise", "mutant"), PROMISES, ids=[each.__name__ for each, _ in PROMISES])
def test_without_the_rule_the_thief_succeeds(promise: Callable[[], None], mutant: Mutant) -> None:
    with mutated(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        promise()


def test_the_next_key_appoints_where_it_is_pinned(world: World) -> None:
    """Before it is, that is refused: so it is handed out first."""
    again = Directory.replay(followed(world), world.directory.snapshot())
    naming = stated(appointment(StatementType.REGISTRAR, identity("registrar", 2)), by=NEXT)
    again.apply(naming)
    assert len(again.registrars()) == 2
    with pytest.raises(Rejected):
        world.directory.apply(naming)


def test_a_root_after_the_next(world: World) -> None:
    """All before it are retired, and what each has made is kept."""
    second = followed(world)
    again = Directory.replay(second, world.directory.snapshot())
    again.apply(stated(appointment(StatementType.REGISTRAR, identity("registrar", 2)), by=NEXT))
    made = [digest(again.snapshot()[-1])]
    third = second.followed_by(identity("root", 8).public, NEXT.public.kid, made)
    assert Directory.replay(third, again.snapshot()).head == again.head
    assert (len(third.retired), len(third.kept)) == (2, 2)


def test_it_has_one_form(world: World) -> None:
    """What is pinned is compared by its fingerprint: no two files say the same."""
    root = followed(world)
    data = root.encoded()
    assert RootOfTrust.parse(data) == root
    assert root.fingerprint() != world.root.fingerprint()
    assert RootOfTrust.parse(world.root.encoded()) == world.root
    version, threshold, keys, retired, kept = decode(data)
    for wrong in (
        [version, threshold, keys, retired, kept * 2],
        [version, threshold, keys, retired, [bytes(31)]],
        [version, threshold, keys, retired, []],
        [version, threshold, keys, [], kept],
        [version, threshold, keys, keys, kept],
        [1, threshold, keys, retired, kept],
        [3, threshold, keys, retired, kept],
        [version, True, keys, retired, kept],
    ):
        with pytest.raises(Rejected):
            RootOfTrust.parse(encode(wrong))


def test_a_root_without_what_is_kept_is_none(world: World) -> None:
    """A mistake of the caller is no root that everybody pins."""
    with pytest.raises(MisuseError):
        world.root.followed_by(NEXT.public, world.root_keys[0].public.kid, [])
