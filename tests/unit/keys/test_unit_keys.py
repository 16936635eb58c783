"""The life of a unit's keys: made, published, used, renewed, destroyed, and crashes in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.appointments import own_identity
from keys.directory import Directory
from keys.enrolment import enrolment_statements, rotation_statements
from keys.errors import KeyFileExists, KeyFileMissing, KeyFileUnreadable
from keys.statement_types import EpochPublication
from keys.statements import parse_statement
from keys.unit_keys import UnitKeys
from keys.unlock import Credential
from protocol.envelope.sealing import HPKE_9
from protocol.epochs import bounds, epoch_of
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY, EPOCH, STATEMENTS_A_WEEK
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    IT,
    NOW,
    World,
    entropy_of,
    epoch_key,
    facts,
    identity,
    publication,
    revocation,
)

SECRET = Credential(bytes(32))


def make(directory: Path, unit: str = "fr") -> UnitKeys:
    """New keys for a unit."""
    return UnitKeys.create(directory, unit=identity(unit).name, secret=SECRET, entropy=entropy_of(unit))


def load(directory: Path) -> UnitKeys:
    """The keys again, as another process sees them."""
    return UnitKeys.load(directory, secret=Credential(bytes(32)), entropy=entropy_of("again"))


@pytest.fixture
def world() -> World:
    """An exchange without units."""
    return World()


def take_in(world: World, keys: UnitKeys, *, now: Millis = NOW) -> Directory:
    """Enrol the unit in the directory."""
    request = keys.enrolment_request(now, contact="J. Doe, +33 1 23 45 67 89")
    for statement in enrolment_statements(
        request, registrar=world.registrar, facts=facts(keys.unit), now=now
    ):
        world.directory.apply(statement)
    return world.directory


def test_keys_survive_a_restart(tmp_path: Path) -> None:
    """What is loaded is what was created: the identity, the storage key, every epoch key."""
    keys = make(tmp_path / "fr")
    keys.ensure_epochs(NOW)
    again = load(tmp_path / "fr")
    assert again.unit == FR
    assert again.signer.public == keys.signer.public
    assert again.storage_key == keys.storage_key
    assert len(keys.storage_key) == 32
    assert again.opener.kids() == keys.opener.kids()
    assert len(keys.opener.kids()) == 3


def test_a_unit_has_an_identity_a_storage_key_and_a_file_for_each_epoch(tmp_path: Path) -> None:
    """One identity, one storage key, one file per epoch; nothing else, and each for the owner alone."""
    keys = make(tmp_path / "fr")
    keys.ensure_epochs(NOW)
    names = sorted(path.name for path in (tmp_path / "fr").iterdir())
    epochs = sorted(f"epoch-{key.epoch}-{key.kid.hex()}.key" for key in keys.opener.held())
    assert names == [*epochs, "identity.key", "storage.key"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "fr").iterdir())


def test_create_twice_is_refused(tmp_path: Path) -> None:
    """Creating keys where there are some keeps those that are there."""
    keys = make(tmp_path / "fr")
    with pytest.raises(KeyFileExists):
        make(tmp_path / "fr")
    assert load(tmp_path / "fr").signer.public == keys.signer.public


def test_load_without_keys(tmp_path: Path) -> None:
    """An empty directory has no keys, and the error says which file is not there."""
    directory = tmp_path / "fr"
    directory.mkdir(mode=0o700)
    with pytest.raises(KeyFileMissing, match=r"identity\.key"):
        load(directory)


def test_another_units_files_are_noticed(tmp_path: Path) -> None:
    """Files of another unit under the same credential are refused, not used."""
    make(tmp_path / "fr")
    other = make(tmp_path / "it", "it")
    other.ensure_epochs(NOW)
    epoch = next(path for path in (tmp_path / "it").iterdir() if path.name.startswith("epoch-"))
    stray = tmp_path / "fr" / epoch.name
    stray.write_bytes(epoch.read_bytes())
    stray.chmod(0o600)
    with pytest.raises(KeyFileUnreadable, match="another unit"):
        load(tmp_path / "fr")
    stray.unlink()
    (tmp_path / "fr" / "storage.key").write_bytes((tmp_path / "it" / "storage.key").read_bytes())
    with pytest.raises(KeyFileUnreadable):
        load(tmp_path / "fr")


def test_renamed_epoch_file_does_not_open(tmp_path: Path) -> None:
    """An epoch key cannot be passed off as one of another week, to live longer."""
    keys = make(tmp_path / "fr")
    keys.ensure_epochs(NOW)
    (path,) = (tmp_path / "fr").glob(f"epoch-{EPOCH_NOW}-*")
    path.rename(path.with_name(path.name.replace(f"epoch-{EPOCH_NOW}", f"epoch-{EPOCH_NOW + 50}")))
    with pytest.raises(KeyFileUnreadable):
        load(tmp_path / "fr")


def test_enrolled_unit_can_be_sealed_to(tmp_path: Path, world: World) -> None:
    """After enrolment the directory has the identity and three epoch keys, and the unit opens with them."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    current = directory.current_identity(FR, NOW)
    assert current is not None and current.public == keys.signer.public
    for epoch in range(EPOCH_NOW, EPOCH_NOW + 3):
        key = directory.epoch_key_for(FR, epoch)
        assert key is not None
        sealed = HPKE_9.encrypt(b"k" * 32, key.public.hpke_key(), b"info")
        opened = load(tmp_path / "fr").opener.open(
            kid=key.public.kid, enc=sealed[:1120], ciphertext=sealed[1120:], info=b"info"
        )
        assert opened == b"k" * 32


def test_epochs_are_ensured_once(tmp_path: Path, world: World) -> None:
    """When all is published there is nothing to do; a week later there is one key more."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    assert keys.ensure_epochs(NOW, parties=directory) == []
    later = Millis(NOW + EPOCH)
    (statement,) = keys.ensure_epochs(later, parties=directory)
    body = directory.apply(statement).statement.body
    assert isinstance(body, EpochPublication)
    assert body.epoch == epoch_of(later) + 2
    assert keys.ensure_epochs(later, parties=directory) == []


def test_crash_before_publishing_loses_no_key(tmp_path: Path, world: World) -> None:
    """A key that was written but not published is published later, with the very same bytes."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    later = Millis(NOW + EPOCH)
    (lost,) = keys.ensure_epochs(later, parties=directory)
    again = load(tmp_path / "fr")
    assert again.ensure_epochs(Millis(later + 1), parties=directory) == [lost]
    assert directory.apply(lost).new
    assert len(again.opener.kids()) == 4


def takes(directory: Directory, statement: bytes) -> bool:
    """Whether it has its place in the directory now."""
    try:
        return directory.apply(statement).new
    except Rejected:
        return False


def test_what_found_no_room_is_stated_again_a_week_later(tmp_path: Path, world: World) -> None:
    """A thief has used up the week that the statement claims: the same key has its place by a later one."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    for n in range(STATEMENTS_A_WEEK):
        thief = publication("fr", EPOCH_NOW + 3, 100 + n)
        for body in (thief, revocation("fr", thief.public.kid)):
            world.apply(body, by=keys.signer, at=NOW + EPOCH)
    (refused,) = keys.ensure_epochs(Millis(NOW + EPOCH), parties=directory)
    with pytest.raises(Rejected):
        directory.apply(refused)
    statements = keys.ensure_epochs(Millis(NOW + 2 * EPOCH), parties=directory)
    assert [takes(directory, statement) for statement in statements] == [True, True]
    body = parse_statement(refused).statement.body
    assert isinstance(body, EpochPublication)
    assert directory.epoch_key(FR, body.public.kid) is not None, "the very key that was refused"
    assert keys.ensure_epochs(Millis(NOW + 2 * EPOCH), parties=directory) == []


async def test_without_stating_it_again_it_never_finds_room(tmp_path: Path, world: World) -> None:
    """The same bytes claim the same week for ever."""
    same = Mutant(UnitKeys._ensure_epoch, rewritten("epoch_of(stated.issued) < epoch_of(now)", "False"))
    await assert_missed(
        same, test_what_found_no_room_is_stated_again_a_week_later, tmp_path=tmp_path, world=world
    )


def test_without_the_directory_the_same_statements_come_again(tmp_path: Path) -> None:
    """Asked twice, it makes nothing twice: publishing both answers publishes three keys."""
    keys = make(tmp_path / "fr")
    first = keys.ensure_epochs(NOW)
    assert keys.ensure_epochs(NOW) == load(tmp_path / "fr").ensure_epochs(NOW) == first


def test_revoked_epoch_key_is_replaced(tmp_path: Path, world: World) -> None:
    """After a revocation the unit makes another key for the same epoch, and still opens with the old one."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    key = directory.epoch_key_for(FR, EPOCH_NOW)
    assert key is not None
    directory.apply(keys.revoke(key.public.kid, reason="a test", now=NOW))
    (statement,) = keys.ensure_epochs(NOW, parties=directory)
    directory.apply(statement)
    fresh = directory.epoch_key_for(FR, EPOCH_NOW)
    assert fresh is not None and fresh.public != key.public
    assert {key.public.kid, fresh.public.kid} <= keys.opener.kids()


def test_lost_epoch_keys_are_reported(tmp_path: Path, world: World) -> None:
    """A restored backup that lacks a published key is noticed, before messages for it get lost."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    assert keys.lost_epochs(NOW, parties=directory) == ()
    key = directory.epoch_key_for(FR, EPOCH_NOW + 1)
    assert key is not None
    (tmp_path / "fr" / f"epoch-{key.epoch}-{key.public.kid.hex()}.key").unlink()
    keys.refresh()
    assert keys.lost_epochs(NOW, parties=directory) == (key.public.kid,)
    assert keys.ensure_epochs(NOW, parties=directory) == []


def test_expired_epoch_keys_are_destroyed(tmp_path: Path) -> None:
    """Fourteen days after its end an epoch key is gone, from the disk and from memory, and not before."""
    keys = make(tmp_path / "fr")
    keys.ensure_epochs(NOW)
    gone_from = Millis(bounds(EPOCH_NOW)[1] + 14 * DAY)
    assert keys.destroy_expired(Millis(gone_from - 1)) == ()
    (first, *_) = keys.opener.held()
    assert keys.destroy_expired(gone_from) == (EPOCH_NOW,)
    assert first.kid not in keys.opener.kids()
    assert not list((tmp_path / "fr").glob(f"epoch-{EPOCH_NOW}-*"))
    assert len(load(tmp_path / "fr").opener.kids()) == 2
    assert keys.destroy_expired(gone_from) == ()


def test_jumped_clock_destroys_nothing(tmp_path: Path) -> None:
    """A local clock years ahead destroys no key that the exchange's time has not passed."""
    keys = make(tmp_path / "fr")
    keys.ensure_epochs(NOW)
    assert keys.destroy_expired(Millis(NOW + 999 * DAY), seen=NOW) == ()
    assert len(keys.opener.kids()) == 3


def test_two_processes_share_a_directory(tmp_path: Path) -> None:
    """What one process makes or destroys, the other finds when it looks, without a restart."""
    daemon = make(tmp_path / "fr")
    command = load(tmp_path / "fr")
    statements = command.ensure_epochs(NOW)
    assert daemon.ensure_epochs(NOW) == statements
    command.destroy_expired(Millis(NOW + 99 * DAY))
    daemon.refresh()
    assert daemon.opener.kids() == frozenset()


def test_the_next_identity_signs_when_the_directory_has_it(tmp_path: Path, world: World) -> None:
    """The next identity signs from when the directory has it, and not before; the request is repeatable."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    before = keys.signer.public
    assert keys.adopt_rotation(NOW, directory=directory) is None
    request = keys.rotation_request(NOW)
    assert keys.adopt_rotation(NOW, directory=directory) is None
    assert keys.signer.public == before
    again = load(tmp_path / "fr").rotation_request(NOW)
    statements = [
        rotation_statements(each, registrar=world.registrar, parties=directory, now=NOW)[0]
        for each in (request, again)
    ]
    directory.apply(statements[0])
    with pytest.raises(Rejected):
        directory.apply(statements[1])
    assert keys.adopt_rotation(Millis(NOW - 1), directory=directory) is None
    assert keys.adopt_rotation(NOW, directory=directory) == before
    current = directory.current_identity(FR, NOW)
    assert current is not None and current.public == keys.signer.public != before
    assert load(tmp_path / "fr").signer.public == keys.signer.public
    assert not (tmp_path / "fr" / "identity-next.key").exists()


def test_the_next_identity_is_opened_once_for_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that is named is the one that proves it: another process may put another one there in between."""
    keys = make(tmp_path / "fr")
    keys.rotation_request(NOW)
    opened = []
    read = own_identity.read_identity
    monkeypatch.setattr(own_identity, "read_identity", lambda *a, **k: opened.append(a) or read(*a, **k))
    keys.rotation_request(NOW)
    assert len(opened) == 1


def test_epoch_keys_outlive_a_rotation(tmp_path: Path, world: World) -> None:
    """An unpublished epoch key is stated again by the new identity: the old one's word may count no more."""
    keys = make(tmp_path / "fr")
    directory = take_in(world, keys)
    later = Millis(NOW + EPOCH)
    (unpublished,) = keys.ensure_epochs(later, parties=directory)
    for statement in rotation_statements(
        keys.rotation_request(later), registrar=world.registrar, parties=directory, now=later
    ):
        directory.apply(statement)
    assert keys.adopt_rotation(later, directory=directory) is not None
    old = directory.identities(FR)[0].public.kid
    directory.apply(keys.revoke(old, reason="rotated", now=later))
    with pytest.raises(Rejected):
        directory.apply(unpublished)
    (statement,) = keys.ensure_epochs(later, parties=directory)
    assert directory.apply(statement).new
    first, second = parse_statement(unpublished).statement.body, parse_statement(statement).statement.body
    assert first == second
    assert len(load(tmp_path / "fr").opener.kids()) == 4


def test_another_units_directory_entry_is_no_excuse(tmp_path: Path, world: World) -> None:
    """A unit looks for its own keys only: another's do not count as published."""
    world.enrol("it")
    keys = make(tmp_path / "fr")
    assert len(keys.ensure_epochs(NOW, parties=world.directory)) == 3
    assert world.directory.epoch_key_for(IT, EPOCH_NOW) is not None
    assert publication("it", EPOCH_NOW).public == epoch_key("it", EPOCH_NOW).public
