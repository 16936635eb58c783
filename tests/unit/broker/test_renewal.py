"""A process of the centre keeps its key by itself, says when a person is needed, and states nothing with an ended one."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from broker import announcements
from broker.announcements import Stating
from broker.renewal import BY_HAND, ELSEWHERE, Renewal
from broker.replica import Replica
from keys.appointments.own_identity import OwnIdentity
from keys.enrolment import enrolment_statements
from keys.key_files import IDENTITY_FILE, read_identity, write_identity
from keys.lifecycle import ENDING, OVERLAP, ROUTER_LIFETIME
from keys.possession import appoint
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from keys.unit_keys import UnitKeys
from keys.unlock import Credential
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, StreamId, UnitId
from protocol.limits import DAY
from protocol.trail.acts import software_start
from protocol.trail.stated_acts import sign_acts, verify_acts
from runtime.errors import Unavailable
from runtime.process.clock import KAFKA, ClockCheck
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import Party, World, facts
from tests.unit.broker.router.claims import Statements
from tests.waiting import until_async

SECRET = Credential(bytes(32))


@dataclass
class Topic:
    """The directory topic: what is published comes to the world's directory, and to the replica. Or it fails."""

    world: World
    replica: Replica
    published: list[bytes] = field(default_factory=list)
    failing: bool = False

    async def publish(self, statements: list[bytes]) -> None:
        if self.failing:
            raise Unavailable("Kafka is gone")
        for statement in statements:
            self.published.append(statement)
            self.world.directory.apply(statement)
            self.replica.directory.apply(statement)


class Desk:
    """A router's key on disk, its replica, and its upkeep, by the world's clock."""

    def __init__(
        self, folder: Path, world: World, *, key: SoftIdentity | None = None, by_itself: bool = True
    ) -> None:
        folder.mkdir(mode=0o700)
        write_identity(folder / IDENTITY_FILE, key or world.router, secret=SECRET, entropy=world.entropy)
        self.world = world
        self.replica = Replica(Statements([]), world.directory.root, monotonic=lambda: 0.0)
        for statement in world.directory.snapshot():
            self.replica.directory.apply(statement)
        self.topic = Topic(world, self.replica)
        self.renewal = Renewal(
            identity=OwnIdentity(folder / IDENTITY_FILE, secret=SECRET, entropy=world.entropy),
            replica=self.replica,
            topic=self.topic,
            clock=lambda: world.now,
            lifetime=ROUTER_LIFETIME,
            by_itself=by_itself,
        )

    async def days(self, count: int) -> None:
        """So many days pass, with a look in each."""
        for _ in range(count):
            self.world.now = Millis(self.world.now + DAY)
            await self.renewal.look()


@pytest.fixture
def world() -> World:
    return World()


async def test_by_a_wrong_clock_no_key_is_named_or_taken(tmp_path: Path, world: World) -> None:
    """A router that is most of a year ahead would name its next key for a time that has not come, for everybody."""
    desk, right = Desk(tmp_path / "router", world), world.now
    times = ClockCheck(lambda: world.now, lambda: right / 1000)
    times.answered(KAFKA, right, since=times.moment())
    desk.renewal = replace(desk.renewal, times=times)
    world.now = Millis(right + 330 * DAY)
    await desk.renewal.look()
    assert desk.topic.published == []


async def test_without_the_look_at_the_clock_one_is_named(tmp_path: Path, world: World) -> None:
    mutant = Mutant(Renewal.look, unchecked("fault"))
    await assert_missed(mutant, test_by_a_wrong_clock_no_key_is_named_or_taken, [tmp_path, world])


async def test_the_key_renews_itself_well_before_its_end(tmp_path: Path, world: World) -> None:
    """Named when two thirds of its life are over, it signs from the next day on; nobody was asked."""
    desk, first = Desk(tmp_path / "key", world), world.router.public
    await desk.days(242)
    assert desk.topic.published == []
    assert desk.renewal.check() == {
        "ok": True,
        "until": world.directory.routers()[0].not_after,
        "days_left": 123,
    }
    await desk.days(1)
    assert len(desk.topic.published) == 1
    assert desk.renewal.identity.public == first
    assert desk.renewal.check()["days_left"] == 365
    await desk.days(OVERLAP // DAY)
    assert desk.renewal.identity.public != first
    await desk.days(60)
    assert len(desk.topic.published) == 1


async def test_a_topic_that_is_away_is_tried_again_with_the_same_statement(
    tmp_path: Path, world: World
) -> None:
    """Nothing stops for it, and one key is named, not many."""
    desk = Desk(tmp_path / "key", world)
    desk.topic.failing = True
    await desk.days(250)
    desk.topic.failing = False
    await desk.days(1)
    assert len(desk.topic.published) == 1
    assert len(world.directory.routers()) == 2


async def test_where_it_may_not_by_itself_a_person_is_told(tmp_path: Path, world: World) -> None:
    """Sixty days before the end, in /readyz; the router stays ready, since it can work."""
    desk = Desk(tmp_path / "key", world, by_itself=False)
    await desk.days(365 - ENDING // DAY - 1)
    assert "ending" not in desk.renewal.check()
    await desk.days(1)
    found = desk.renewal.check()
    assert (found["ok"], found["ending"], found["days_left"], found["hint"]) == (True, True, 60, BY_HAND)
    assert desk.renewal.left_seconds() == 60 * 86_400
    await desk.days(70)
    assert desk.renewal.left_seconds() == 0
    assert desk.topic.published == []


async def test_a_successor_that_lies_elsewhere_is_told_of(tmp_path: Path, world: World) -> None:
    """A second holder of the key named its own: a copy on another machine, or a thief."""
    desk = Desk(tmp_path / "key", world)
    foreign = SoftIdentity.generate(world.router.name, world.entropy)
    made = appoint(
        StatementType.SUCCESSION, foreign.name, signer=foreign,
        not_before=world.now, not_after=Millis(world.now + 700 * DAY),
    )  # fmt: skip
    world.publish(made, by=world.router)
    desk.replica.directory.apply(world.directory.snapshot()[-1])
    await desk.days(250)
    found = desk.renewal.check()
    assert (found["ending"], found["hint"], found["days_left"]) == (True, ELSEWHERE, 115)
    assert desk.topic.published == []
    assert desk.renewal.identity.public == world.router.public


async def test_a_process_states_nothing_with_an_ended_key(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be an unverified record; once its next key is appointed, it states it with that one."""
    monkeypatch.setattr(announcements, "LOOK_AT_KEY", 0.001)
    desk = Desk(tmp_path / "key", world, by_itself=False)
    stating = Stating(desk.replica, desk.renewal.identity, lambda: world.now, os.urandom)
    await stating.valid()
    world.now = Millis(world.now + 366 * DAY)
    assert stating.fault() is Code.E_KEY_EXPIRED
    waiting = asyncio.create_task(stating.valid())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    made = desk.renewal.identity.appointment(StatementType.ROUTER, now=world.now, lifetime=ROUTER_LIFETIME)
    registrar = SoftIdentity.generate(world.registrar.name, world.entropy)
    world.appoint(StatementType.REGISTRAR, registrar, by=world.root_key)
    world.publish(made, by=registrar)
    for statement in world.directory.snapshot()[-2:]:
        desk.replica.directory.apply(statement)
    await desk.renewal.look()
    await until_async(waiting.done, what="the process to go on")
    assert stating.fault() is None


class Member:
    """A unit with its keys on disk, as its daemon keeps them (clients/daemon/directory/statements.py)."""

    def __init__(self, folder: Path, world: World, name: str) -> None:
        self.world, self.name = world, UnitId(name)
        self.keys = UnitKeys.create(folder, unit=self.name, secret=SECRET, entropy=world.entropy)
        request = self.keys.enrolment_request(world.now, contact="desk")
        for statement in enrolment_statements(
            request, registrar=world.registrar, facts=facts(name), now=world.now
        ):
            world.directory.apply(statement)
        world.parties[name] = Party(self.keys.signer, self.keys.opener, StreamId(world.entropy(8)))

    def upkeep(self) -> None:
        """What the daemon does every hour."""
        now, directory = self.world.now, self.world.directory
        following = self.keys.succession(now, directory=directory)
        if following is not None:
            directory.apply(following)
        self.keys.adopt_rotation(now, directory=directory)
        self.keys.destroy_expired(now)
        for statement in self.keys.ensure_epochs(now, parties=directory):
            directory.apply(statement)
        self.world.parties[self.name].identity = self.keys.signer


async def an_exchange_lasts(folder: Path, *, months: int) -> World:
    """Every four weeks each unit writes to the other, and the ledger states something: all of it is taken."""
    world = World()
    router = Desk(folder / "router", world)
    ledger = Desk(folder / "ledger", world, key=world.ledger)
    units = [Member(folder / name, world, name) for name in ("at", "be")]
    world.router = router.renewal.identity
    for _ in range(months):
        world.now = Millis(world.now + 28 * DAY)
        for unit in units:
            unit.upkeep()
        for desk in (router, ledger):
            for statement in world.directory.snapshot()[desk.replica.directory.head.size :]:
                desk.replica.directory.apply(statement)
            await desk.renewal.look()
        for sender, addressee in (("at", "be"), ("be", "at")):
            assert world.send(sender, [addressee]) == []
            assert world.open(addressee).delivery.header.core.sender == sender
        act = software_start(world.now, world.ledger.name, program="ledger", version="1")
        signer = ledger.renewal.identity
        stated = sign_acts([act], actor=act.actor, now=world.now, signer=signer, entropy=world.entropy)
        assert verify_acts(stated, parties=world.directory).acts == (act,)
    return world


async def test_an_exchange_lasts_three_years_without_a_person(tmp_path: Path) -> None:
    """Over three ends of a year: keys of units, router and ledger follow one another, and no message is lost."""
    world = await an_exchange_lasts(tmp_path, months=3 * 13)
    # A line of keys has its end, and is told of before: then a registrar appoints, whom the root has appointed.
    assert len(world.directory.routers()) == 4
    assert len(world.directory.identities(UnitId("at"))) == 3
    router = Desk(
        tmp_path / "again", world, key=read_identity(tmp_path / "router" / IDENTITY_FILE, secret=SECRET)
    )
    world.now = Millis(world.now - 30 * DAY)
    assert router.renewal.check()["hint"] == BY_HAND


@pytest.mark.slow
async def test_without_renewal_it_does_not_last_a_year(tmp_path: Path) -> None:
    """The test of years would have found that no key followed another."""
    with (
        mutated(Mutant(Renewal.look, forced(False, "self.by_itself"))),
        pytest.raises((AssertionError, Rejected)),
    ):
        await an_exchange_lasts(tmp_path, months=14)
