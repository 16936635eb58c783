"""Which certificates `centre status` names: those that end, of who still counts."""

from __future__ import annotations

import pytest

from broker.centre.commands.status_lines import show_status_of_all
from broker.centre.status import exchange_is_well
from broker.centre.wire import given_watch as whole
from broker.centre.wire.given_watch import ending_certificates
from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from protocol.identifiers import Millis
from protocol.limits import DAY
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from tests.cli.test_centre_status import status
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced
from tests.mutants.promises import assert_missed
from tests.sim.world import World

LIFE = 14 * DAY


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def authority(tmp_path, world: World) -> Authority:
    made = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=world.now)
    for party in ("centre", "router", "unit-fr", "unit-it", "unit-nobody", "unit-"):
        made.issue_to(tmp_path / party, party, now=world.now, lifetime=LIFE)
    return made


def told(world: World, tmp_path, at: int) -> list[str]:
    kafka = KafkaAccess("127.0.0.1:9", TlsFiles.below(tmp_path / "centre"))
    rows = ending_certificates(kafka, tmp_path / "ca", world.directory, moment=Millis(at))
    return [f"{row['party']} {row['state']}" for row in rows]


def test_a_third_before_the_end_the_centre_is_told(tmp_path, world, authority) -> None:
    """Its own, the processes', and the units' that are enrolled; of nobody else."""
    start = world.now
    assert told(world, tmp_path, start) == []
    assert told(world, tmp_path, start + 10 * DAY) == [
        "centre ending",
        "router ending",
        "unit-fr ending",
        "unit-it ending",
    ]
    assert told(world, tmp_path, start + LIFE + 1_000)[2] == "unit-fr ended"
    authority.issue_to(tmp_path / "unit-fr", "unit-fr", now=Millis(start + 10 * DAY), lifetime=LIFE)
    assert "unit-fr ending" not in told(world, tmp_path, start + 10 * DAY)


def test_who_does_not_count_is_not_named(tmp_path, world, authority) -> None:
    """A suspended unit, and what ended more than a month ago: its holder is gone, or shows another one."""
    start = world.now
    world.suspend("it")

    assert "unit-it ending" not in told(world, tmp_path, start + 10 * DAY)
    assert told(world, tmp_path, start + LIFE + 31 * DAY) == ["centre ended"]


def test_without_an_authority_here_the_own_one_is_looked_at(tmp_path, world, authority) -> None:
    """In plain there is none at all."""
    kafka = KafkaAccess("127.0.0.1:9", TlsFiles.below(tmp_path / "centre"))
    moment = Millis(world.now + 10 * DAY)

    rows = ending_certificates(kafka, None, world.directory, moment=moment)
    assert [row["party"] for row in rows] == ["centre"]
    assert ending_certificates("127.0.0.1:9", None, world.directory, moment=moment) == []


def test_the_command_names_them_and_the_exchange_is_not_well(capsys) -> None:
    """Each on a line, with where it lies if there may be several; and what a process says of its own."""
    row = {
        "party": "router",
        "place": "/r1",
        "until": 0,
        "days_left": 3,
        "state": "ending",
        "when": "ends in 3 days",
    }
    found = status(None) | {"certificates": [row]}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "ENDS       certificate of router (/r1): ends in 3 days" in capsys.readouterr().out

    found = status(None)
    found["routers"][0]["checks"]["certificate"] = {"ok": True, "ending": True, "hint": "exchange it"}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "its certificate: exchange it" in capsys.readouterr().out


async def test_the_mutant_is_missed(tmp_path, world, authority) -> None:
    """Whoever was suspended would be named for ever."""
    change = Mutant(whole._counts, forced(True, "not unit.suspended"))
    await assert_missed(change, test_who_does_not_count_is_not_named, [tmp_path, world, authority])
