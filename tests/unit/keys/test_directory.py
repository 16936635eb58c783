"""The directory as a replica: what it answers, and that it depends on the statements alone."""

from __future__ import annotations

import pytest

from keys.directory import Directory
from keys.statement_types import StatementType
from protocol.epochs import epoch_of
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId, Millis
from protocol.merkle import EMPTY_ROOT, leaf_hash, root_of
from protocol.parties import NO_HEAD, OperatorRole, Parties
from tests.unit.keys.world import (
    DE,
    EPOCH_NOW,
    FR,
    IT,
    NOW,
    YEAR,
    World,
    appointment,
    epoch_key,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)


def test_empty_directory_knows_nothing() -> None:
    """A replica that has read nothing answers with nothing, and has the agreed empty head."""
    directory = Directory(World().root)
    assert directory.head == NO_HEAD
    assert directory.root_at(0) == EMPTY_ROOT
    assert directory.root_at(1) is None
    assert directory.unit(FR) is None
    assert directory.units() == directory.identities(FR) == directory.epochs(FR) == ()


def test_units_and_keys_are_found_under_their_own_unit_only(world: World) -> None:
    """Units and keys are found by their names, and only under the unit that they belong to."""
    directory: Parties = world.directory
    unit = directory.unit(FR)
    assert unit == facts("fr").as_unit(suspended=False)
    kid = identity("fr").public.kid
    found = directory.identity(FR, kid)
    assert found is not None
    assert found.public == identity("fr").public
    assert directory.identity(IT, kid) is None
    epoch = epoch_key("fr", EPOCH_NOW).kid
    assert directory.epoch_key(FR, epoch) == directory.epoch_key_for(FR, EPOCH_NOW)
    assert directory.epoch_key(IT, epoch) is None
    assert directory.epoch_key_for(FR, EPOCH_NOW + 3) is None
    assert directory.identity(FR, KeyId(bytes(16))) is directory.router_key(KeyId(bytes(16))) is None


def test_roles_do_not_mix(world: World) -> None:
    """A router's key is no unit's identity, a registrar's key no router's, and the other way round."""
    router = identity("router")
    world.apply(appointment(StatementType.ROUTER, router), by=world.registrar)
    directory = world.directory
    assert directory.router_key(router.public.kid) is not None
    assert directory.identity(router.name, router.public.kid) is None
    assert directory.router_key(identity("fr").public.kid) is None
    assert directory.router_key(world.registrar.public.kid) is None
    assert [key.unit for key in directory.routers()] == ["router"]
    assert [key.unit for key in directory.registrars()] == ["registrar"]


def test_operators_are_the_centres_three_roles(world: World) -> None:
    """Router, registrar and ledger are operators, each by its role; a unit and the root are none."""
    router, ledger, directory = identity("router"), identity("ledger"), world.directory
    world.apply(appointment(StatementType.ROUTER, router), by=world.registrar)
    world.apply(appointment(StatementType.LEDGER, ledger), by=world.registrar)
    for key, role in (
        (router, OperatorRole.ROUTER),
        (world.registrar, OperatorRole.REGISTRAR),
        (ledger, OperatorRole.LEDGER),
    ):
        found = directory.operator_key(key.public.kid)
        assert found is not None and (found.role, found.identity.public) == (role, key.public)
    for key in (identity("fr"), world.root_keys[0], identity("stranger")):
        assert directory.operator_key(key.public.kid) is None
    assert directory.router_key(ledger.public.kid) is None
    assert [key.unit for key in directory.ledgers()] == ["ledger"]


def test_duplicate_changes_nothing(world: World) -> None:
    """A statement that comes twice counts once."""
    statement = stated(status("fr", suspended=True), by=world.registrar)
    first = world.directory.apply(statement)
    head = world.directory.head
    world.apply(status("fr", suspended=False), by=world.registrar)
    again = world.directory.apply(statement)
    assert (first.new, again.new, again.position) == (True, False, first.position)
    assert world.directory.head.size == head.size + 1
    unit = world.directory.unit(FR)
    assert unit is not None
    assert not unit.suspended


def test_head_is_the_merkle_root_of_the_statements(world: World) -> None:
    """Every head there ever was is the RFC 6962 root over the statements so far."""
    leaves = [leaf_hash(statement) for statement in world.directory.snapshot()]
    for size in range(len(leaves) + 1):
        assert world.directory.root_at(size) == root_of(leaves[:size])
    assert world.directory.head.size == len(leaves)
    assert world.directory.head.root == root_of(leaves)
    assert world.directory.root_at(-1) is None


def test_replay_gives_the_same_replica(world: World) -> None:
    """A snapshot, read again, gives the same answers and the same head."""
    world.apply(status("it", suspended=True), by=world.registrar)
    copy = Directory.replay(world.root, world.directory.snapshot())
    assert copy.head == world.directory.head
    assert copy.units() == world.directory.units()
    assert copy.identities(FR) == world.directory.identities(FR)
    assert copy.epochs(IT) == world.directory.epochs(IT)


def test_damaged_snapshot_is_rejected(world: World) -> None:
    """A snapshot is verified like everything else."""
    snapshot = world.directory.snapshot()
    snapshot[1] = snapshot[1][:-1] + bytes([snapshot[1][-1] ^ 1])
    with pytest.raises(Rejected):
        Directory.replay(world.root, snapshot)


def test_changing_a_snapshot_does_not_change_the_replica(world: World) -> None:
    """The list that comes out is a copy."""
    world.directory.snapshot().clear()
    assert world.directory.snapshot()


def test_new_facts_replace_the_old_ones_and_keep_the_status(world: World) -> None:
    """A new version counts from then on, and does not resume a suspended unit by the way."""
    world.apply(status("fr", suspended=True), by=world.registrar)
    world.apply(facts("fr", version=2, name="France", outbox_partitions=4), by=world.registrar)
    unit = world.directory.unit(FR)
    assert unit is not None
    assert (unit.name, unit.suspended) == ("France", True)
    known = world.directory.facts(FR)
    assert known is not None
    assert (known.version, known.outbox_partitions) == (2, 4)


def test_rotation_keeps_the_old_identity_readable(world: World) -> None:
    """After a rotation the unit signs with the new key, and what the old one signed is still checked."""
    later = Millis(NOW + YEAR // 2)
    successor = identity("fr", 2)
    world.apply(
        appointment(StatementType.IDENTITY, successor, not_before=later, not_after=later + YEAR),
        by=world.registrar,
        at=later - 1,
    )
    directory = world.directory
    assert [key.public for key in directory.identities(FR)] == [identity("fr").public, successor.public]
    before, after = directory.current_identity(FR, NOW), directory.current_identity(FR, later)
    assert before is not None and before.public == identity("fr").public
    assert after is not None and after.public == successor.public
    assert directory.current_identity(FR, Millis(later + 2 * YEAR)) is None
    world.apply(revocation("fr", successor.public.kid), by=world.registrar, at=later)
    fallback = directory.current_identity(FR, later)
    assert fallback is not None and fallback.public == identity("fr").public


def test_history_is_what_was_said_about_a_unit(world: World) -> None:
    """The history of a unit has each statement about it, in order, and none about another."""
    world.apply(status("it", suspended=True), by=world.registrar)
    history = world.directory.history(IT)
    assert [type(entry.statement.body).__name__ for entry in history] == [
        "UnitFacts",
        "Appointment",
        *["EpochPublication"] * 3,
        "StatusChange",
    ]
    assert {entry.statement.about for entry in history} == {IT}
    assert world.directory.history(DE) == ()


def test_epoch_keys_follow_the_weeks(world: World) -> None:
    """A unit publishes for the running epoch and the next two, and for no other."""
    week_later = Millis(NOW + 7 * 24 * 3_600_000)
    world.apply(publication("fr", EPOCH_NOW + 3), by=identity("fr"), at=week_later)
    assert [key.epoch for key in world.directory.epochs(FR)] == list(range(EPOCH_NOW, EPOCH_NOW + 4))
    for epoch in (epoch_of(week_later) - 1, epoch_of(week_later) + 3):
        with pytest.raises(Rejected) as caught:
            world.apply(publication("fr", epoch, 7), by=identity("fr"), at=week_later)
        assert caught.value.reason is Code.E_STATEMENT


def test_second_key_for_an_epoch_needs_the_first_revoked(world: World) -> None:
    """Senders never have two keys to choose from; a lost key is revoked and then replaced."""
    with pytest.raises(Rejected):
        world.apply(publication("fr", EPOCH_NOW, 2), by=identity("fr"))
    lost = epoch_key("fr", EPOCH_NOW).kid
    world.apply(revocation("fr", lost), by=identity("fr"))
    assert world.directory.epoch_key_for(FR, EPOCH_NOW) is None
    known = world.directory.epoch_key(FR, lost)
    assert known is not None and known.revoked
    world.apply(publication("fr", EPOCH_NOW, 2), by=identity("fr"))
    live = world.directory.epoch_key_for(FR, EPOCH_NOW)
    assert live is not None and live.public == epoch_key("fr", EPOCH_NOW, 2).public


def test_several_roots_must_agree() -> None:
    """With a threshold of two, one root key alone makes nobody a registrar."""
    world = World(roots=3, threshold=2)
    second = identity("registrar", 2)
    naming = appointment(StatementType.REGISTRAR, second)
    world.apply(naming, by=world.root_keys[0])
    world.apply(naming, by=world.root_keys[0], at=NOW + 1)
    with pytest.raises(Rejected) as caught:
        world.apply(facts("fr"), by=second)
    assert caught.value.reason is Code.E_ISSUER
    world.apply(naming, by=world.root_keys[2])
    world.apply(facts("fr"), by=second)
    assert world.directory.unit(FR) is not None


def test_oversized_statement_is_refused_unread(world: World) -> None:
    """Size is checked before anything is spent on the bytes."""
    with pytest.raises(Rejected) as caught:
        world.directory.apply(bytes(40_000))
    assert caught.value.reason is Code.E_SIZE
