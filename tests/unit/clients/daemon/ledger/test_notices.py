"""What two people state reaches every unit: that audit records are gone, that Kafka was put back. One alarm for each."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from clients.daemon.errors import DirectoryBehind
from clients.daemon.ledger import following
from clients.daemon.ledger.following import take_publications
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.store.positions import position
from keys.directory import Directory
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from protocol import topics
from protocol.identifiers import Millis, UnitId
from protocol.trail import stated_acts
from protocol.trail.acts import AuditGap, PutBack, audit_gap, kafka_put_back
from protocol.trail.stated_acts import is_notice
from runtime.kafka.ports import Fetched, InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, rewritten
from tests.sim.one_log import DIRECTORY, SHARD, SimLog, leaves, policy
from tests.sim.two_registrars import TwoRegistrars
from tests.sim.world import World
from tests.unit.broker.router.published import Ledger as RouterLedger
from tests.unit.clients.daemon.unit_contexts import UnitFixture
from tests.unit.protocol.trail.acts import stated


@pytest.fixture
def es(tmp_path: Path) -> UnitFixture:
    made = UnitFixture(World(), UnitId("es"), tmp_path / "es")
    made.context.ledger = Ledger(policy(SHARD, DIRECTORY))
    return made


def notice(world: World, *, role: str = "registrar", first: int = 10, end: int = 17) -> bytes:
    act = audit_gap(
        world.now, UnitId(role), AuditGap(SHARD, first, end), why="retention", by="Costa", second="Smit"
    )
    return stated(world, role, act)


def put_back_notice(world: World, *, leaf: int = 10) -> bytes:
    back = PutBack(SHARD, leaf, Millis(0), Millis(3_600_000))
    act = kafka_put_back(world.now, UnitId("registrar"), back, why="disks", by="Costa", second="Smit")
    return stated(world, "registrar", act)


def take(es: UnitFixture, *values: bytes, start: int = 0) -> list[tuple[str, str]]:
    """What these records of the topic raise."""
    records = tuple(InputRecord(start + at, 0, value) for at, value in enumerate(values))
    fetched = Fetched(topics.LEDGER, 0, records, start + len(records))
    take_publications(es.context, es.context.ledger, fetched, patient=False)
    return es.rows("SELECT code, detail FROM alarms ORDER BY id")


def test_it_is_one_alarm_however_often_it_comes(es: UnitFixture) -> None:
    """Published at every start of the ledger; the detail says which offsets, and no name of a person."""
    made = notice(es.world)
    assert is_notice(made)
    raised = take(es, made, made)
    assert [code for code, _ in raised] == ["ledger_audit_gap"]
    assert raised[0][1] == f"{SHARD}: 7 offsets of the audit topic, from 10 on; signed by registrar alone"
    es.restart()
    es.context.ledger = Ledger(policy(SHARD, DIRECTORY))
    assert len(take(es, made, start=2)) == 1
    assert es.rows("SELECT count FROM alarm_occurrences") == [(1,)]
    assert len(take(es, notice(es.world, first=20, end=21), start=3)) == 2


def test_a_put_back_is_one_alarm_with_both_times(es: UnitFixture) -> None:
    """However often the ledger publishes it; another one is another alarm. No name of a person is in it."""
    made = put_back_notice(es.world)
    assert is_notice(made)
    detail = "to a copy of 1970-01-01T00:00:00Z, on 1970-01-01T01:00:00Z; signed by registrar alone"
    assert take(es, made, made) == [("kafka_put_back", detail)]
    assert es.rows("SELECT count FROM alarm_occurrences") == [(1,)]
    assert len(take(es, put_back_notice(es.world, leaf=11), start=2)) == 2


def test_who_can_only_write_to_the_topic_raises_no_such_alarm(es: UnitFixture) -> None:
    """It takes the registrar's signature. What has none is a damaged record, as ever, and what follows is read."""
    forged = bytearray(notice(es.world))
    forged[-1] ^= 1
    raised = take(
        es,
        bytes(forged),
        b"\x84\x01\x64acts",
        notice(es.world, role="ledger"),
        *SimLog().add(leaves(3)).publish(),
    )
    assert {code for code, _ in raised} == {"ledger_damaged"}
    assert es.context.ledger.logs[SHARD].follower.head.size == 3


@pytest.fixture
def two(tmp_path: Path) -> UnitFixture:
    """A unit of an exchange with two registrars."""
    made = UnitFixture(TwoRegistrars(), UnitId("es"), tmp_path / "es")
    made.context.ledger = Ledger(policy(SHARD, DIRECTORY))
    return made


def test_a_unit_sees_both_who_signed(two: UnitFixture) -> None:
    """It verifies both by its own directory."""
    assert isinstance(two.world, TwoRegistrars)
    act = audit_gap(
        two.world.now,
        UnitId("registrar"),
        AuditGap(SHARD, 10, 17),
        why="retention",
        by="Costa",
        second="Smit",
    )
    assert take(two, two.world.both(act)) == [
        (
            "ledger_audit_gap",
            f"{SHARD}: 7 offsets of the audit topic, from 10 on; signed by registrar and registrar-2",
        )
    ]


def test_where_it_takes_two_one_tells_a_unit_nothing(two: UnitFixture) -> None:
    """It is no notice for it, but a damaged record: whoever has one registrar's key writes no gap into its alarms."""
    for made in (notice(two.world), put_back_notice(two.world)):
        assert {code for code, _ in take(two, made)} == {"ledger_damaged"}


def test_a_second_registrar_that_is_not_here_yet_is_waited_for(two: UnitFixture) -> None:
    """The root may have appointed it a moment ago: nobody is accused."""
    world = two.world
    assert isinstance(world, TwoRegistrars)
    known = copy.deepcopy(two.context.directory)
    third = SoftIdentity.generate("registrar-3", world.entropy)
    world.appoint(StatementType.REGISTRAR, third, by=world.root_key)
    act = audit_gap(world.now, UnitId("registrar"), AuditGap(SHARD, 1, 2), why="w", by="Costa", second="Smit")
    made = world.agreed(world.half(act), t=world.now, by=third)
    two.context.replica.directory = known
    fetched = Fetched(topics.LEDGER, 0, (InputRecord(0, 0, made),), 1)
    with pytest.raises(DirectoryBehind):
        take_publications(two.context, two.context.ledger, fetched, patient=True)
    two.context.replica.directory = world.directory
    take_publications(two.context, two.context.ledger, fetched, patient=True)
    assert two.rows("SELECT code FROM alarms") == [("ledger_audit_gap",)]


def test_without_the_second_one_it_would_be_told(two: UnitFixture) -> None:
    mutant = Mutant(stated_acts.check_stated, rewritten("not takes_two(entries, parties)", "agreed is None"))
    with mutated(mutant), pytest.raises(AssertionError):
        test_where_it_takes_two_one_tells_a_unit_nothing(two)


def test_one_by_a_key_that_is_not_here_yet_waits_for_the_directory(es: UnitFixture) -> None:
    """Nobody is accused, and nothing is passed over, because the directory arrives later than the ledger."""
    made, known = notice(es.world), es.context.directory
    es.context.replica.directory = Directory(known.root)
    fetched = Fetched(topics.LEDGER, 0, (InputRecord(0, 0, made),), 1)
    with pytest.raises(DirectoryBehind) as behind:
        take_publications(es.context, es.context.ledger, fetched, patient=True)
    assert behind.value.size == 1
    assert es.rows("SELECT code FROM alarms") == []
    assert position(es.context.store, topics.LEDGER, 0) == 0
    es.context.replica.directory = known
    take_publications(es.context, es.context.ledger, fetched, patient=True)
    assert es.rows("SELECT code FROM alarms") == [("ledger_audit_gap",)]


def test_a_forged_one_is_waited_for_by_nobody_for_long(es: UnitFixture) -> None:
    """What is damaged in another way is judged at once."""
    fetched = Fetched(topics.LEDGER, 0, (InputRecord(0, 0, b"\x84\x01\x64acts"),), 1)
    take_publications(es.context, es.context.ledger, fetched, patient=True)
    assert es.rows("SELECT code FROM alarms") == [("ledger_damaged",)]


def test_a_router_passes_it_over() -> None:
    """It is no publication, and no reason to say that one was refused."""
    ledger = RouterLedger()
    ledger.feed.take(notice(World()))
    assert ledger.refused() == {}


def test_publications_are_no_notices() -> None:
    """No publication begins as one does, whatever its log is called."""
    assert not any(is_notice(value) for value in SimLog().add(leaves(300)).publish())


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    "promise", [test_it_is_one_alarm_however_often_it_comes, test_a_put_back_is_one_alarm_with_both_times]
)
def test_each_rule_has_a_test_that_misses_it(es: UnitFixture, promise, value: bool) -> None:
    """Raised each time, or never."""
    with mutated(Mutant(following.take_notice, forced(value, "note"))), pytest.raises(AssertionError):
        promise(es)


def test_without_patience_the_ledger_is_accused(es: UnitFixture) -> None:
    """A daemon that read the ledger faster than the directory raised `ledger_damaged` for good."""
    with (
        mutated(Mutant(following._judge, forced(False, "patient"))),
        pytest.raises(pytest.fail.Exception),
    ):
        test_one_by_a_key_that_is_not_here_yet_waits_for_the_directory(es)
