"""A process's key and its next one: made, named, taken over, and what is there after a crash in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.appointments import own_identity
from keys.appointments.own_identity import OwnIdentity
from keys.appointments.succession import successor_end
from keys.directory import Directory
from keys.key_files import IDENTITY_FILE, write_identity
from keys.lifecycle import OVERLAP
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from keys.unlock import Credential
from protocol.identifiers import Millis
from protocol.limits import DAY
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import NOW, YEAR, World, appointment, entropy_of, identity, revocation

SECRET = Credential(bytes(32))
DUE = Millis(NOW + 250 * DAY)


@pytest.fixture
def world() -> World:
    """An exchange with a router."""
    world = World()
    world.apply(appointment(StatementType.ROUTER, identity("router")), by=world.registrar)
    return world


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_identity(tmp_path / IDENTITY_FILE, identity("router"), secret=SECRET, entropy=entropy_of("file"))
    return tmp_path


def opened(folder: Path) -> OwnIdentity:
    """The identity, as a process that starts now has it."""
    return OwnIdentity(folder / IDENTITY_FILE, secret=SECRET, entropy=entropy_of("next"))


def named(own: OwnIdentity, directory: Directory, at: int = DUE) -> bytes | None:
    return own.succession(Millis(at), directory=directory, lifetime=YEAR)


def test_before_it_is_due_nothing_is_named(folder: Path, world: World) -> None:
    """Two thirds of its life are over first; no key is made before."""
    assert named(opened(folder), world.directory, NOW + 100 * DAY) is None
    assert [path.name for path in folder.iterdir()] == [IDENTITY_FILE]


def test_it_is_named_once_and_signs_a_day_later(folder: Path, world: World) -> None:
    """Until everybody has it the present key signs; then the next one, without a restart, and under one name."""
    own = opened(folder)
    statement = named(own, world.directory)
    assert statement is not None
    assert named(own, world.directory) == statement
    world.directory.apply(statement)
    assert named(own, world.directory) is None
    assert own.adopt(Millis(DUE + OVERLAP - 1), directory=world.directory) is None
    assert own.public == identity("router").public
    assert own.adopt(Millis(DUE + OVERLAP), directory=world.directory) == identity("router").public
    assert own.public == world.directory.routers()[-1].public
    assert opened(folder).public == own.public


def test_after_a_crash_the_same_key_is_named(folder: Path, world: World) -> None:
    """What was written before the crash, and perhaps published, is not made a second time."""
    first = opened(folder)
    statement = named(first, world.directory)
    again = opened(folder)
    assert again.made_successor().public == first.made_successor().public
    assert statement is not None
    world.directory.apply(statement)
    assert named(again, world.directory) is None
    assert again.adopt(Millis(DUE + OVERLAP), directory=world.directory) is not None


def test_processes_that_share_the_files_take_the_same_key(folder: Path, world: World) -> None:
    """Also the one that finds the next key in the place of the present one, since the other was faster."""
    one, other = opened(folder), opened(folder)
    statement = named(one, world.directory)
    assert statement is not None
    world.directory.apply(statement)
    later = Millis(DUE + OVERLAP)
    assert one.adopt(later, directory=world.directory) is not None
    assert other.adopt(later, directory=world.directory) is not None
    assert one.public == other.public


def test_with_an_ended_key_the_next_one_signs_at_once(folder: Path, world: World) -> None:
    """One that a registrar appoints after the end waits for nothing."""
    own, late = opened(folder), Millis(NOW + YEAR + DAY)
    assert named(own, world.directory, late) is None
    made = own.appointment(StatementType.ROUTER, now=late, lifetime=YEAR)
    world.apply(made, by=identity("registrar"), at=NOW + DAY)
    assert own.adopt(late, directory=world.directory) is not None


def test_what_a_registrar_appointed_is_not_named_again(folder: Path, world: World) -> None:
    """The key of a registrar's appointment lasts longer: there is nothing to name."""
    own = opened(folder)
    made = own.appointment(StatementType.ROUTER, now=DUE, lifetime=YEAR)
    world.apply(made, by=world.registrar, at=DUE)
    assert named(own, world.directory, DUE) is None
    assert own.adopt(Millis(DUE + OVERLAP), directory=world.directory) is not None


def a_key_of_somebody_else_never_signs(folder: Path, world: World) -> None:
    """A next key that the directory has not, or has revoked, stays where it lies."""
    own = opened(folder)
    statement = named(own, world.directory)
    assert statement is not None
    assert own.adopt(Millis(DUE + OVERLAP), directory=world.directory) is None
    world.directory.apply(statement)
    kid = own.made_successor().public.kid
    world.apply(revocation("router", kid), by=world.registrar, at=DUE)
    assert own.adopt(Millis(DUE + OVERLAP), directory=world.directory) is None
    assert own.public == identity("router").public


def test_a_key_of_somebody_else_never_signs(folder: Path, world: World) -> None:
    """As it says; without the look at the directory it would."""
    a_key_of_somebody_else_never_signs(folder, world)


def test_without_the_look_it_would(tmp_path: Path, world: World) -> None:
    write_identity(tmp_path / IDENTITY_FILE, identity("router"), secret=SECRET, entropy=entropy_of("file"))
    taken = Mutant(OwnIdentity.adopt, called(own_identity.takes_over, "True"))
    with mutated(taken), pytest.raises(AssertionError):
        a_key_of_somebody_else_never_signs(tmp_path, world)


def test_another_key_in_the_file_is_seen(folder: Path, world: World) -> None:
    """A file of the same bytes is not opened again; one that another process has replaced is."""
    own, until = opened(folder), Millis(DUE + OVERLAP)
    for generation, is_appointed in ((2, False), (3, True)):
        following = identity("router", generation)
        write_identity_over(own.next_path, following)
        if is_appointed:
            world.apply(appointment(StatementType.ROUTER, following), by=world.registrar, at=DUE)
        assert (own.adopt(until, directory=world.directory) is not None) == is_appointed
    assert own.public == following.public


def write_identity_over(path: Path, key: SoftIdentity) -> None:
    path.unlink(missing_ok=True)
    write_identity(path, key, secret=SECRET, entropy=entropy_of("file"))


def test_a_file_that_is_the_same_is_opened_once(
    folder: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour's look opens no key with the home's secret, which may take a second."""
    own = opened(folder)
    own.made_successor()
    opens: list[Path] = []
    read = own_identity.read_identity
    monkeypatch.setattr(
        own_identity, "read_identity", lambda path, **kind: opens.append(path) or read(path, **kind)
    )
    for _ in range(5):
        assert own.adopt(NOW, directory=world.directory) is None
    assert sorted(path.name for path in opens) == ["identity-next.key", "identity.key"]


async def test_without_the_digest_the_first_key_stays(folder: Path, world: World) -> None:
    mutant = Mutant(OwnIdentity._public_in, rewritten("before[0] == content", "True"))
    await assert_missed(mutant, test_another_key_in_the_file_is_seen, [folder, world])


def test_a_revoked_key_and_the_end_of_a_line_name_nobody(world: World) -> None:
    """Then a registrar has to, and the process says so."""
    (key,) = world.directory.routers()

    def until(lifetime: int) -> Millis | None:
        return successor_end(key, directory=world.directory, now=DUE, lifetime=lifetime)

    assert until(YEAR) == DUE + YEAR
    assert until(10 * YEAR) == world.directory.self_renewed_until(key.public.kid)
    assert until(YEAR // 4) is None
    world.apply(revocation("router", key.public.kid), by=world.registrar, at=DUE)
    (key,) = world.directory.routers()
    assert until(YEAR) is None
