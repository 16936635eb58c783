"""A directory that a program of other rules has read is read again, once, and loses nothing by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.daemon.directory.statements import start_of_feed, take_statements
from clients.daemon.state import losses
from clients.daemon.state.losses import tell_losses
from clients.daemon.state.stored_directory import StoredDirectory
from keys.statement_types import LAST_FOUNDING_TYPE, Unread
from keys.statements import issue
from protocol import topics
from protocol.canonical import encode
from protocol.identifiers import Millis, UnitId
from runtime.kafka.ports import Fetched, InputRecord
from runtime.process.directory_file import read_statements
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, returning
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture


@pytest.fixture
def es(tmp_path: Path) -> UnitFixture:
    return UnitFixture(World(), UnitId("es"), tmp_path / "es")


def alarms(unit: UnitFixture) -> list[str]:
    return [code for (code,) in unit.rows("SELECT code FROM alarms ORDER BY id")]


def a_later_statement(world: World, number: int = 1) -> bytes:
    body = Unread(LAST_FOUNDING_TYPE + number, encode(["what a later program says"]))
    return issue(body, signer=world.registrar, issued=Millis(world.now))


def read_topic(unit: UnitFixture, topic: list[bytes], *, upto: int | None = None) -> int:
    """As the daemon does at its start: from where it says, to the end or `upto`; where it began."""
    start = start_of_feed(unit.context, topics.DIRECTORY)
    end = len(topic) if upto is None else upto
    records = tuple(InputRecord(at, 0, topic[at]) for at in range(start, end))
    take_statements(unit.context, Fetched(topics.DIRECTORY, 0, records, end))
    return start


def read_by_an_older_program(unit: UnitFixture, topic: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses what it does not know, as every program did before, and leaves no note of how it read."""
    with monkeypatch.context() as older:
        older.setattr("keys.statements.MAX_TYPE", LAST_FOUNDING_TYPE)
        older.setattr(losses, "remember_reading", lambda *_: None)
        older.setattr("clients.daemon.directory.statements.remember_reading", lambda *_: None)
        older.setattr("clients.daemon.directory.statements.was_read_by_others", lambda *_: False)
        unit.restart()
        read_topic(unit, topic)
        tell_losses(unit.context)


def a_topic(es: UnitFixture) -> list[bytes]:
    """A later statement in the middle, and others behind it."""
    topic = [*es.world.directory.snapshot(), a_later_statement(es.world)]
    es.world.directory.apply(topic[-1])
    es.world.enrol("se")
    return es.world.directory.snapshot()


def test_an_upgraded_daemon_reads_again_what_it_could_not(
    es: UnitFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its view had parted from everybody's. Started with this program on the same home, it is the same again."""
    with es.context.transaction():
        es.context.store.write("DELETE FROM meta WHERE key = 'directory-reading'")
    topic = a_topic(es)
    read_by_an_older_program(es, topic, monkeypatch)
    assert es.context.directory.head.size == len(topic) - 1
    assert es.context.directory.head.root != es.world.directory.root_at(len(topic) - 1)

    es.restart()
    assert read_topic(es, topic) == 0
    tell_losses(es.context)
    assert es.context.directory.head == es.world.directory.head
    assert alarms(es) == []
    es.restart()
    assert read_topic(es, topic) == len(topic), "once"
    assert es.context.directory.head == es.world.directory.head
    assert read_statements(es.path / "directory.log") == topic
    assert not (es.path / "directory.log.before").exists()


def test_back_once_and_on_again(es: UnitFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older program that ran in between, on the home that this one had left, is noticed."""
    topic = a_topic(es)
    es.restart()
    read_topic(es, topic)
    read_by_an_older_program(es, topic, monkeypatch)
    assert es.context.directory.head != es.world.directory.head

    es.restart()
    assert read_topic(es, topic) == 0
    tell_losses(es.context)
    assert es.context.directory.head == es.world.directory.head


def test_where_every_record_has_its_place_nothing_is_read_again(
    es: UnitFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade costs no second reading where no rules could give another directory."""
    es.world.enrol("se")
    topic = es.world.directory.snapshot()
    read_by_an_older_program(es, topic, monkeypatch)
    with es.context.transaction():
        es.context.store.write("DELETE FROM meta WHERE key = 'directory-reading'")
    es.restart()
    assert read_topic(es, topic) == len(topic)


def test_rubbish_in_the_topic_is_read_again_once(es: UnitFixture) -> None:
    """Refused by all: after the first start with a new program nothing more is read twice."""
    topic = [*es.world.directory.snapshot(), b"rubbish"]
    with es.context.transaction():
        es.context.store.write("DELETE FROM meta WHERE key = 'directory-reading'")
    starts = []
    for _ in range(3):
        starts.append(read_topic(es, topic))
        tell_losses(es.context)
        es.restart()
    assert starts == [len(topic) - 1, len(topic), len(topic)]


def test_killed_in_the_middle_it_goes_on(es: UnitFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any record of the second reading, the next start ends with the whole directory and no alarm."""
    topic = a_topic(es)
    read_by_an_older_program(es, topic, monkeypatch)
    with es.context.transaction():
        es.context.store.write("DELETE FROM meta WHERE key = 'directory-reading'")
    es.restart()
    read_topic(es, topic, upto=3)
    es.restart()
    read_topic(es, topic)
    tell_losses(es.context)
    assert es.context.directory.head == es.world.directory.head
    assert alarms(es) == []


def test_what_was_known_must_come_again(es: UnitFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reading is no chance for Kafka to withhold a statement unnoticed, a revocation for example."""
    topic = a_topic(es)
    read_by_an_older_program(es, topic, monkeypatch)
    with es.context.transaction():
        es.context.store.write("DELETE FROM meta WHERE key = 'directory-reading'")
    es.restart()
    withheld = [*topic[:-1], a_later_statement(es.world, 2)]
    read_topic(es, [*withheld, b"rubbish"])
    tell_losses(es.context)
    assert alarms(es) == ["directory_lost"]
    assert "did not come again" in es.rows("SELECT detail FROM alarms")[0][0]


MUTANTS = [
    ("the note of how it was read", "test_back_once_and_on_again", Mutant(losses.was_read_by_others, returning("False"))),
    ("what was known", "test_what_was_known_must_come_again", Mutant(losses._what_is_lost, forced(False, "context.replica.missing"))),
    ("what was put aside", "test_an_upgraded_daemon_reads_again_what_it_could_not", Mutant(StoredDirectory.settled, dropped("self._before"))),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "mutant"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
def test_each_has_a_test_that_misses_it(
    promise: str, mutant: Mutant, es: UnitFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the test fails."""
    with mutated(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        globals()[promise](es, monkeypatch)
