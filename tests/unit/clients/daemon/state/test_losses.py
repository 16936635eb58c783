"""What a unit had and has no more is told apart from a first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.cli.unit_status import unit_is_well
from clients.daemon.api.ledger_views import ledger_status
from clients.daemon.app import check_daemon, open_context
from clients.daemon.directory.statements import start_of_feed, take_statements
from clients.daemon.errors import UnitStateLost
from clients.daemon.home import make_unit_home
from clients.daemon.ledger import following
from clients.daemon.settings import UnitSettings
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.state.losses import is_policy_gone, tell_losses
from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.ports import Fetched, InputRecord
from runtime.process.directory_file import write_statements
from tests.cli.homes import world as homes_world
from tests.sim.one_log import DIRECTORY, SHARD, SimLog, leaves, policy
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture


@pytest.fixture
def es(tmp_path: Path) -> UnitFixture:
    return UnitFixture(World(), UnitId("es"), tmp_path / "es")


def alarms(unit: UnitFixture) -> list[str]:
    return [code for (code,) in unit.rows("SELECT code FROM alarms ORDER BY id")]


def test_a_home_without_its_database_does_not_start_as_if_it_were_new(tmp_path: Path) -> None:
    """It would take every message for a new one, and trust the first ledger that it is shown."""
    home = make_unit_home(
        tmp_path / "fr", unit=UnitId("fr"), bootstrap="127.0.0.1:9", root=homes_world().root.encoded()
    )
    settings = UnitSettings.load(home.settings)
    first = open_context(home, settings)
    first.store.close()
    first.replica.close()
    # Begun and never filled: as a first start that was interrupted leaves it.
    home.database.unlink()
    again = open_context(home, settings)
    again.store.close()
    again.replica.close()

    write_statements(home.replica, homes_world().statements)
    for path in tmp_path.glob("fr/state.sqlite*"):
        path.unlink()
    for start in (lambda: open_context(home, settings), lambda: check_daemon(home.path)):
        with pytest.raises(UnitStateLost, match="does not remember") as told:
            start()
        assert told.value.code == "E_STATE_LOST"
    assert not home.database.exists()
    home.replica.unlink()  # said on purpose: begin without it
    check_daemon(home.path)


def test_a_directory_that_comes_back_shorter_is_an_alarm(es: UnitFixture) -> None:
    """Its file is gone, it is read again, and Kafka has less of it, or another."""
    known = es.context.directory.head.size
    tell_losses(es.context)
    assert alarms(es) == []

    (es.path / "directory.log").unlink()
    es.restart()
    assert start_of_feed(es.context, topics.DIRECTORY) == 0
    for statement in es.world.directory.snapshot()[: known - 1]:
        es.context.replica.apply(statement)
    tell_losses(es.context)
    assert alarms(es) == ["directory_lost"]
    assert es.rows("SELECT detail FROM alarms") == [
        (f"{known} statements were known here, of {known - 1} that there are now",)
    ]
    es.learn()
    tell_losses(es.context)
    assert alarms(es) == ["directory_lost"]


def test_an_older_directory_is_read_from_the_beginning(es: UnitFixture) -> None:
    """Put back from a copy, it lacks what lies before the place where reading would go on."""
    older = (es.path / "directory.log").read_bytes()
    es.world.enrol("se")
    es.learn()
    place = start_of_feed(es.context, topics.DIRECTORY)
    assert place == es.world.directory.head.size
    (es.path / "directory.log").write_bytes(older)
    es.restart()
    assert start_of_feed(es.context, topics.DIRECTORY) == 0


def test_a_topic_of_statements_that_lost_records_is_told(es: UnitFixture) -> None:
    """As for inbox and receipts."""
    take_statements(es.context, Fetched(topics.DIRECTORY, 0, (), 0, lost=7))
    assert alarms(es) == ["feed_lost"]


def test_a_policy_that_is_gone_is_an_alarm_and_no_wish(es: UnitFixture) -> None:
    """A unit that followed logs does not stop it in silence because a file is missing."""
    es.context.ledger = None
    tell_losses(es.context)
    assert (alarms(es), is_policy_gone(es.context)) == ([], False)

    es.context.ledger = Ledger(policy(SHARD, DIRECTORY))
    log = SimLog().add(leaves(3))
    records = tuple(InputRecord(i, 0, value) for i, value in enumerate(log.publish()))
    following.take_publications(
        es.context, es.context.ledger, Fetched(topics.LEDGER, 0, records, len(records)), patient=False
    )
    tell_losses(es.context)
    assert alarms(es) == []

    es.context.ledger = None
    tell_losses(es.context)
    assert alarms(es) == ["ledger_not_followed"]
    status = ledger_status(es.context, read=False)
    assert status == {"followed": False, "policy_gone": True}
    assert not unit_is_well({"ready": True, "open_alarms": 0, "ledger": status})
    assert unit_is_well({"ready": True, "open_alarms": 0, "ledger": {"followed": False}})
