"""The unit's own keys: made ahead, published, renewed, destroyed in time; and who else speaks in its name."""

from __future__ import annotations

from contextlib import suppress

import pytest

from clients.daemon.api import directory_views
from clients.daemon.directory import own_entry, statements
from clients.daemon.directory.key_end import key_end
from clients.daemon.directory.statements import upkeep
from clients.daemon.errors import DirectoryBehind
from clients.daemon.receiving.deciding import take_decisions
from clients.daemon.sending import waiting
from clients.daemon.store import noted
from keys import lifecycle
from keys.directory import Applied
from keys.enrolment import rotation_statements
from keys.soft_keys import SoftEpochKey, SoftIdentity
from keys.statement_types import EpochPublication, Revocation, Statement, StatementType, StatusChange
from keys.statements import issue
from protocol import topics
from protocol.codes import Classification
from protocol.envelope.wire import parse_submission
from protocol.epochs import epoch_of, to_publish
from protocol.errors import Rejected
from protocol.identifiers import Millis, UnitId, digest
from protocol.limits import DAY, EPOCH
from runtime.kafka.ports import Fetched, InputRecord
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World, facts
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump


def alarms(unit: UnitFixture) -> list[str]:
    return [code for (code,) in unit.rows("SELECT code FROM alarms ORDER BY id")]


def publish(world: World, statements: list[bytes]) -> None:
    for statement in statements:
        world.directory.apply(statement)


def test_keys_of_the_coming_weeks_are_published_ahead(world, es):
    """A week later one more key is due, and after it is published nothing more."""
    assert upkeep(es.context) == []
    world.now = Millis(world.now + EPOCH)
    made = upkeep(es.context)
    assert len(made) == 1
    assert upkeep(es.context) == made, "until the directory has it, the very same statement"
    publish(world, made)
    es.learn()

    assert upkeep(es.context) == []
    assert all(world.directory.epoch_key_for(es.unit, epoch) for epoch in to_publish(world.now))
    assert alarms(es) == []


def test_a_unit_that_nobody_knows_publishes_nothing(world, es):
    """Its statements would be refused by every replica and only litter the topic."""
    es.context.replica.directory = World(seed=2).directory
    assert upkeep(es.context) == []


def test_a_lost_private_key_is_withdrawn_and_replaced(world, es):
    """Restored from an old backup: others must not seal to a key that nobody holds."""
    epoch = epoch_of(world.now)
    lost = world.directory.epoch_key_for(es.unit, epoch).public.kid
    for path in (es.path / "keys").glob("*epoch*"):
        if lost.hex() in path.name:
            path.unlink()
    es.keys.refresh()
    for _ in ("withdrawn", "replaced"):
        publish(world, upkeep(es.context))
        es.learn()

    fresh = world.directory.epoch_key_for(es.unit, epoch)
    assert fresh is not None
    assert fresh.public.kid != lost
    assert fresh.public.kid in es.keys.opener.kids()


def test_a_rotation_changes_the_signature_and_loses_nothing(world, es):
    """Messages on their way under the old identity are accepted, new ones are signed by the next."""
    before = es.submit("it")
    old = es.keys.signer.public.kid
    publish(world, rotation_statements(
        es.keys.rotation_request(world.now), registrar=world.registrar, parties=world.directory, now=world.now
    ))  # fmt: skip
    es.learn()
    after = es.submit("it")
    kids = [parse_submission(raw).header.core.signing_key for raw in es.pending()]
    pump(world, es)

    assert kids[0] == old != kids[1]
    assert (es.state(before.id), es.state(after.id)) == ("accepted", "accepted")
    assert alarms(es) == []
    assert directory_views.own_keys(es.context)["identity"]["kid"] == kids[1].hex()


def rotate(world: World, unit: UnitFixture) -> bytes:
    """The next identity, by the registrar; the one before."""
    old = unit.keys.signer.public.kid
    request = unit.keys.rotation_request(world.now)
    publish(
        world, rotation_statements(request, registrar=world.registrar, parties=world.directory, now=world.now)
    )
    unit.learn()
    return old


def withdrawn(world: World, unit: UnitFixture, kid: bytes) -> bool:
    """Whether this key is, after the unit's upkeep."""
    with suppress(Rejected):
        publish(world, upkeep(unit.context))
    unit.learn()
    known = world.directory.identity(unit.unit, kid)
    assert known is not None and known.compromised_since is None
    return known.revoked


def test_a_rotated_identity_ends_when_its_overlap_is_over(world, es):
    """Two weeks after the next one began: by the unit itself, in good order, once, and without an alarm."""
    old = rotate(world, es)
    assert not withdrawn(world, es, old)
    world.now = Millis(world.now + 14 * DAY - 1)
    assert not withdrawn(world, es, old)
    world.now = Millis(world.now + 1)
    assert withdrawn(world, es, old)
    assert (upkeep(es.context), alarms(es)) == ([], [])
    present = world.directory.identity(es.unit, es.keys.signer.public.kid)
    assert present is not None and not present.revoked


def test_what_it_signed_before_is_good_for_ever(world, es, pt):
    """A message of the old identity, accepted and not yet read when it was withdrawn, is opened."""
    sent = es.submit("pt")
    es.post()
    world.route("es")
    old = rotate(world, es)
    world.now = Millis(world.now + 14 * DAY)
    assert withdrawn(world, es, old)
    pt.learn()
    pt.deliveries()
    assert [mid.hex() for (mid,) in pt.rows("SELECT mid FROM inbox")] == [sent.id.replace("-", "")]


def test_a_key_that_is_not_ours_is_not_withdrawn_by_us(world, es):
    """Somebody at the centre looks at it: the alarm was raised when it was appointed."""
    foreign = SoftIdentity.generate(es.unit, world.entropy)
    world.appoint(StatementType.IDENTITY, foreign, by=world.registrar)
    rotate(world, es)
    world.now = Millis(world.now + 14 * DAY)
    assert not withdrawn(world, es, foreign.public.kid)
    assert alarms(es) == ["own_identity_foreign"]


def test_the_next_identity_that_waits_is_not_withdrawn(world, es):
    """Only those before the present one: the next one may be named long before it signs."""
    named = SoftIdentity.generate(es.unit, world.entropy)
    world.appoint(StatementType.IDENTITY, named, by=world.registrar)
    es.learn()
    noted.note(es.context.store, noted.own_identity(named.public.kid))
    world.now = Millis(world.now + 20 * DAY)
    assert not withdrawn(world, es, named.public.kid)
    assert not withdrawn(world, es, es.keys.signer.public.kid)


def test_a_revoked_identity_holds_messages_back(world, es):
    """Nothing is sealed under a key that is withdrawn; what waited goes out under the next one."""
    request = es.keys.rotation_request(world.now)
    publish(
        world, rotation_statements(request, registrar=world.registrar, parties=world.directory, now=world.now)
    )
    first = es.keys.signer.public.kid
    statement = issue(Revocation(es.unit, first, "stolen", None), signer=world.registrar, issued=world.now)
    es.context.replica.apply(statement)
    held_back = es.submit("it")
    assert held_back.state == "queued"
    assert "E_KEY_REVOKED" in es.rows("SELECT reasons FROM outbox")[0][0]
    world.directory.apply(statement)
    es.context.replica.directory = world.directory
    es.keys.adopt_rotation(world.now, directory=world.directory)
    waiting.seal_queued(es.context)

    assert es.state(held_back.id) == "sealed"


def test_a_key_in_our_name_that_is_not_ours_is_an_alarm(world, es):
    """Whoever has our identity, or the registrar's ear, is seen at once."""
    thief = SoftIdentity.generate(es.unit, world.entropy)
    world.appoint(StatementType.IDENTITY, thief, by=world.registrar)
    es.learn()
    assert alarms(es) == ["own_identity_foreign"]
    world.now = Millis(world.now + EPOCH)
    epoch = epoch_of(world.now) + 2
    stolen = SoftEpochKey.generate(es.unit, epoch, world.entropy)
    world.publish(EpochPublication(es.unit, epoch, stolen.public), by=thief)
    es.learn()

    assert alarms(es) == ["own_identity_foreign", "own_epoch_foreign"]


def test_every_other_statement_about_us_is_an_alarm_too(world, es):
    """A suspension, other facts, a withdrawal: whoever may state them, we did not, and are told once."""
    kid = es.keys.signer.public.kid
    world.publish(StatusChange(es.unit, True, "for a test"), by=world.registrar)
    world.publish(StatusChange(es.unit, False, "for a test"), by=world.registrar)
    world.publish(facts("es", version=2, clearance=Classification.BPL), by=world.registrar)
    world.publish(Revocation(es.unit, kid, "for a test", None), by=world.registrar)
    world.publish(facts("it", version=2, clearance=Classification.BPL), by=world.registrar)
    es.learn()
    told = ["own_status_changed", "own_status_changed", "own_facts_changed", "own_key_revoked"]
    assert alarms(es) == told
    es.context.replica.close()
    (es.path / "directory.log").unlink()
    es.context.store.close()
    es.open()
    es.learn()

    assert alarms(es) == told


def test_what_falls_with_a_registrars_key_is_told_and_ends_a_suspension(world, es, monkeypatch):
    """A thief of the registrar's key had suspended us: the root's word is about the registrar, and resumes us."""
    owed, world.now = [], Millis(world.now + DAY)
    monkeypatch.setattr(own_entry.inbox, "owe_what_was_refused", owed.append)
    world.publish(StatusChange(es.unit, True, "a lie"), by=world.registrar)
    es.learn()
    assert (alarms(es), owed) == (["own_status_changed"], [])
    kid = world.registrar.public.kid
    world.publish(Revocation(UnitId("registrar"), kid, "stolen", world.now), by=world.root_key)
    es.learn()
    assert (alarms(es), len(owed)) == (["own_status_changed", "own_facts_changed"], 1)
    unit = es.context.directory.unit(es.unit)
    assert unit is not None and not unit.suspended


def test_what_waits_for_another_registrar_is_no_alarm(world, es):
    """It has changed nothing; the statement that makes it count is told."""
    unit = es.context.directory.unit(es.unit)
    made = Statement(world.now, world.registrar.public.kid, StatusChange(es.unit, False, "for a test"))
    for waits, told in ((True, []), (False, ["own_status_changed"])):
        applied = Applied(7, digest(repr(waits).encode()), made, new=True, waits=waits)
        with es.context.transaction():
            own_entry.watch(es.context, own_entry.OwnChange(applied, unit, unit))
        assert alarms(es) == told


def test_what_we_withdraw_ourselves_is_no_alarm(world, es):
    """The daemon knows its own words when they come back."""
    for path in (es.path / "keys").glob("*epoch*"):
        path.unlink()
    es.keys.refresh()
    publish(world, upkeep(es.context))
    es.learn()

    assert "own_key_revoked" not in alarms(es)


def test_a_replica_that_is_built_anew_raises_no_false_alarm(world, es):
    """Old identities and destroyed epoch keys of ours come by again and are known."""
    publish(world, rotation_statements(
        es.keys.rotation_request(world.now), registrar=world.registrar, parties=world.directory, now=world.now
    ))  # fmt: skip
    es.learn()
    world.now = Millis(world.now + 60 * DAY)
    with es.context.transaction():
        es.context.see(world.now)
    publish(world, upkeep(es.context))
    es.context.replica.close()
    (es.path / "directory.log").unlink()
    es.context.store.close()
    es.open()
    es.learn()

    assert es.context.directory.head == world.directory.head
    assert alarms(es) == []


def test_decisions_of_a_router_that_we_do_not_know_yet_are_waited_for(world, es):
    """A new router's key may come a moment later than its first decision."""
    es.submit("it")
    es.post()
    world.route("es")
    fetched = Fetched(topics.receipts(es.unit), 0, (InputRecord(0, 0, world.receipts["es"][-1]),), 1)
    known, es.context.replica.directory = es.context.replica.directory, World(seed=3).directory
    with pytest.raises(DirectoryBehind):
        take_decisions(es.context, fetched, patient=True)
    es.context.replica.directory = known
    take_decisions(es.context, fetched, patient=True)
    assert es.rows("SELECT state FROM outbox") == [("accepted",)]


def test_the_identity_renews_itself_when_it_is_due(world, es):
    """Two thirds of its life are over: the daemon names the next one, signs with it, and nobody is alarmed."""
    before = es.keys.signer.public.kid
    world.now = Millis(world.now + 480 * DAY)
    publish(world, upkeep(es.context))
    es.learn()
    assert es.keys.signer.public.kid == before
    world.now = Millis(world.now + 7 * DAY)
    made = upkeep(es.context)
    assert upkeep(es.context) == made, "until the directory has it, the very same statement"
    publish(world, made)
    es.learn()
    assert es.keys.signer.public.kid != before
    publish(world, upkeep(es.context))
    es.learn()
    assert upkeep(es.context) == []
    assert [key.public.kid for key in world.directory.identities(es.unit)] == [
        before,
        es.keys.signer.public.kid,
    ]
    assert alarms(es) == []
    assert es.submit("it").state in ("sealed", "queued")


def test_a_unit_that_may_not_by_itself_is_told_in_time(world, es):
    """Sixty days before, once; a key that has ended fills the topic with nothing."""
    es.context.renews_key = False
    start = world.now
    for day in (600, 668, 669, 671, 690):
        world.now = Millis(start + day * DAY)
        publish(world, upkeep(es.context))
        es.learn()
        assert alarms(es) == ([] if day < 670 else ["own_key_ending"])
    end = key_end(es.context)
    assert end is not None
    assert "ends in 40 days" in end.advice()
    world.now = Millis(start + 731 * DAY)
    assert upkeep(es.context) == []
    assert "has ended" in key_end(es.context).advice()


def test_a_successor_that_somebody_else_named_is_an_alarm(world, es):
    """Whoever has our key can name one; the daemon names no second one, and goes on with its own."""
    thief = SoftIdentity.generate(es.unit, world.entropy)
    world.appoint(StatementType.SUCCESSION, thief, by=es.keys.signer, life=900 * DAY)
    es.learn()
    assert alarms(es) == ["own_identity_foreign"]
    own = es.keys.signer.public.kid
    world.now = Millis(world.now + 500 * DAY)
    publish(world, upkeep(es.context))
    es.learn()
    assert es.keys.signer.public.kid == own
    assert len(world.directory.identities(es.unit)) == 2


MUTANTS = [
    (Mutant(own_entry.watch, forced(False, "applied.waits")), test_what_waits_for_another_registrar_is_no_alarm),
    (Mutant(lifecycle.rotated_away, forced(False, "ROTATED_ENDS")), test_a_rotated_identity_ends_when_its_overlap_is_over),
    (Mutant(lifecycle.rotated_away, rewritten("not key.revoked and now <= key.not_after", "True")),
     test_a_rotated_identity_ends_when_its_overlap_is_over),
    (Mutant(lifecycle.rotated_away, rewritten("party[:at]", "party")), test_the_next_identity_that_waits_is_not_withdrawn),
    (Mutant(statements._withdrawals, rewritten("is_noted(context.store, own_identity(kid))", "True")),
     test_a_key_that_is_not_ours_is_not_withdrawn_by_us),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, world: World, es: UnitFixture
) -> None:
    await assert_missed(mutant, promise, world=world, es=es)
