"""Joining on a real Kafka with certificates: who holds an invitation enrols nobody, and stops nobody."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.centre.joining.admission import MOST_ASKED, MOST_READ
from clients.cli.joining.asking import finish_joining
from clients.cli.joining.joining_home import joining_home
from deploy.kafka.launcher import Cluster
from keys.joining.invitation import ask_enrolment, parse_invitation
from keys.joining.places import answered_topic, asked_topic
from keys.joining.spoken_code import spoken_code
from keys.wire.certificate_requests import new_wire_key, request_certificate
from keys.wire.certificates import read_shown
from protocol.identifiers import UnitId, digest
from protocol.topics import Operation, ResourceKind
from runtime.kafka.partition_log import KafkaLog
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.process.homes import UnitHome
from tests.cli.terminal import Seen, contrada, on_terminal
from tests.integration.enrolment_actions import code_shown, running
from tests.integration.matrix import DENIED, code_of, connected
from tests.unit.keys.joining.joined import enrolment
from tests.waiting import ended, until

pytestmark = pytest.mark.kafka


@dataclass
class Place:
    """A centre with two registrars on its Kafka; nothing of it runs."""

    path: Path
    kafka: str

    @property
    def centre(self) -> Path:
        return self.path / "centre"

    @property
    def second(self) -> tuple[str, ...]:
        return ("--registrar-key", str(self.path / "registrar-2"))

    def says(self, *words: str) -> Seen:
        return contrada("--home", str(self.centre), "centre", *words)

    def does(self, *words: str) -> str:
        seen = self.says(*words)
        assert seen.exit == 0, seen
        return seen.out

    def invited(self, unit: str, *more: str) -> Path:
        file = self.path / f"{unit}-{os.urandom(2).hex()}.invitation"
        self.does("invite", unit, "--out", str(file), *more)
        return file

    def asks(self, file: Path, *, home: str = "") -> UnitHome:
        """A unit that has asked, and waits."""
        path = self.path / (home or f"home-{file.stem}")
        seen = contrada("--home", str(path), "unit", "join", str(file), "--no-run", "--contact", "desk")
        assert seen.exit == 0, seen
        return UnitHome(path)

    def holder(self, file: Path) -> KafkaAccess:
        """The way to Kafka of whoever has got hold of an invitation."""
        made = parse_invitation(file.read_bytes())
        folder = self.path / f"thief-{file.stem}"
        folder.mkdir(exist_ok=True)
        files = TlsFiles.below(folder)
        files.ca.write_bytes(made.terms.authority)
        files.certificate.write_bytes(made.credentials.certificate_pem)
        files.key.write_bytes(made.credentials.key_pem)
        return KafkaAccess(self.kafka, files)

    def units(self) -> set[str]:
        return {row["unit"] for row in json.loads(self.does("units", "--json"))}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("j")
    for party, folder, more in (("broker", "broker", ("--host", "127.0.0.1")), ("centre", "centre-tls", ())):
        words = (
            "centre",
            "certificate",
            party,
            "--authority",
            str(path / "ca"),
            "--out",
            str(path / folder),
            *more,
        )
        assert contrada(*words).exit == 0
    with Cluster(path / "k", tls=path / "broker") as cluster:
        made = Place(path, str(cluster.bootstrap))
        way = ("--kafka", made.kafka, "--kafka-tls", str(path / "centre-tls"))
        founded = contrada(
            "--home", str(made.centre), *way, "centre", "init", "--registrars", "2", "--router-port", "0"
        )
        assert founded.exit == 0, founded
        (made.centre / "keys" / "registrar-2").rename(path / "registrar-2")
        yield made


def code_at(home: UnitHome) -> str:
    waiting = joining_home(home)
    assert waiting is not None
    return waiting.code


def write(access: KafkaAccess, topic: str, *values: bytes) -> None:
    for at in range(0, len(values), 20):
        asyncio.run(KafkaLog(access, topic).append(values[at : at + 20]))


def may(access: KafkaAccess, *names: str) -> set[tuple[str, str]]:
    """What Kafka lets this party do with these topics: read and write, as it answers itself."""

    async def look() -> set[tuple[str, str]]:
        async with connected(access) as client:
            asked = [(name, each) for name in names for each in (Operation.READ, Operation.WRITE)]
            return {
                (name, each.name)
                for name, each in asked
                if await code_of(client, (ResourceKind.TOPIC, name, each)) not in DENIED
            }

    return asyncio.run(look())


def thiefs_request(file: Path, number: int = 1) -> tuple[bytes, str]:
    """A request under this invitation with other keys, and its code."""
    terms = parse_invitation(file.read_bytes()).terms
    wanted = request_certificate(new_wire_key(), f"unit-{terms.unit}")
    made = ask_enrolment(terms, enrolment=enrolment(terms.unit, number), certificate_request=wanted)
    return made, spoken_code(terms.digest, digest(made))


def test_a_stolen_invitation_enrols_nobody(place: Place) -> None:
    """The thief asks first; the unit reads its own code, and that is who is enrolled."""
    file = place.invited("pl")
    theirs, their_code = thiefs_request(file)
    write(place.holder(file), asked_topic(UnitId("pl")), theirs)
    home = place.asks(file)
    code = code_at(home)
    assert code != their_code

    both = place.says("enrol", "pl", "--code", "0000-0000-0000", *place.second)
    assert (both.exit, "no request of pl has this code" in both.err) == (7, True)
    unnamed = place.says("enrol", "pl", *place.second)
    assert unnamed.exit == 7, "nobody is to choose between two by eye"
    nothing_typed = place.says("enrol", "pl", "--yes", *place.second)
    assert nothing_typed.exit == 2, "yes alone compares nothing"
    assert "pl" not in place.units()

    place.does("enrol", "pl", "--code", code.lower().replace("-", " "), *place.second)
    finish_joining(home)
    shown = read_shown((home.path / "tls" / "certificate.pem").read_bytes())
    assert shown.principal == "unit-pl"
    assert not home.joining.exists()
    assert "pl" in place.units()
    assert json.loads(place.does("invited", "--json"))[0]["state"] == "answered"


def test_an_invitation_is_for_one_request_and_for_its_own_topics(place: Place) -> None:
    """Kafka denies everything else; and what is declared for the invited is what Kafka has."""
    file = place.invited("cz")
    thief, cz = place.holder(file), UnitId("cz")
    place.invited("sk")
    others = (
        asked_topic(UnitId("sk")),
        answered_topic(UnitId("sk")),
        "directory",
        "ledger",
        "audit",
        "outbox.cz",
        "inbox.cz",
    )
    own = (asked_topic(cz), answered_topic(cz))
    assert may(thief, *others, *own) == {(own[0], "WRITE"), (own[1], "READ")}
    assert json.loads(place.does("topics", "plan", "--json")) == []

    home = place.asks(file)
    place.does("enrol", "cz", "--code", code_at(home), *place.second)
    assert may(thief, *own) == {(own[1], "READ")}, "it is asked with, once"
    again = place.says("enrol", "cz", "--code", code_at(home), *place.second)
    assert again.exit == 0, "what was done is not done twice"
    place.does("uninvite", "sk")
    place.invited("cz", "--again")
    assert may(thief, *own) == set(), "with another invitation the one before may do nothing"
    assert json.loads(place.does("topics", "plan", "--json")) == []


def test_a_flood_stops_its_own_unit_alone(place: Place) -> None:
    """Of a topic some records are read; what others write costs a hash; another unit's topic is another one."""
    flooded, quiet = place.invited("ro"), place.invited("bg")
    junk = [os.urandom(2_000) for _ in range(MOST_READ + 10)]
    write(place.holder(flooded), asked_topic(UnitId("ro")), *junk)
    place.asks(flooded)
    told = place.says("enrol", "ro", *place.second)
    assert (told.exit, "ro has not asked yet" in told.err) == (8, True)

    home = place.asks(quiet)
    place.does("enrol", "bg", "--code", code_at(home), *place.second)

    home = place.asks(place.invited("ro", "--again"))
    place.does("enrol", "ro", "--code", code_at(home), *place.second)

    many = place.invited("ro", "--again")
    requests = [thiefs_request(many, number)[0] for number in range(MOST_ASKED + 1)]
    write(place.holder(many), asked_topic(UnitId("ro")), *requests)
    told = place.says("enrol", "ro", *place.second)
    assert told.exit == 7
    assert "somebody else has its invitation" in told.err


def test_the_second_registrar_may_come_later(place: Place) -> None:
    """One registrar's half waits; the second one is shown the code, too, and the unit is answered by that command."""
    file = place.invited("hu")
    home = place.asks(file)
    at = ("--home", str(place.centre), "centre")
    declined, shown = on_terminal(*at, "enrol", "hu", answer=b"n\n")
    assert (declined, code_at(home) in shown) == (1, True)
    assert json.loads(place.does("agree", "ls", "--json")) == [], "who says no has done nothing"

    ended, shown = on_terminal(*at, "enrol", "hu", answer=b"y\n")
    assert (ended, "no effect before another registrar" in shown) == (0, True), shown
    assert "hu" not in place.units()
    rows = json.loads(place.does("agree", "ls", "--json"))
    ended, shown = on_terminal(
        *at, "agree", "to", *(row["ballot"] for row in rows), *place.second, answer=b"y\n"
    )
    assert (ended, code_at(home) in shown) == (0, True), shown
    finish_joining(home)
    assert "hu" in place.units()


def test_killed_while_it_waits_it_goes_on(place: Place) -> None:
    """The code stays the one that was read; a service that is started again waits, and runs with the answer."""
    file = place.invited("hr")
    home, log = UnitHome(place.path / "hr"), place.path / "hr.log"
    at = ("--home", str(home.path), "unit")
    with running(log, *at, "join", str(file)) as process:
        until(lambda: "the request is with the centre" in log.read_text(), what="the request to be sent")
        code = code_shown(log)
        process.kill()
        ended(process)
    assert contrada(*at, "run", "--check-config").err == f"hr waits to be enrolled; its code is {code}\n"
    with running(log, *at, "run"):
        until(lambda: code in log.read_text(), what="the same code")
        place.does("enrol", "hr", "--code", code, *place.second)
        until(home.socket.exists, what="the daemon to run")
    assert not home.joining.exists()
    assert "its daemon" not in contrada(*at, "run", "--check-config").err


def test_all_keys_lost_stopped_by_one_and_let_in_by_two(place: Place) -> None:
    """One registrar stops the unit and withdraws all it had; with other keys it comes back, by two."""
    home = place.asks(place.invited("si"))
    place.does("enrol", "si", "--code", code_at(home), *place.second)
    place.does("suspend", "si", "--reason", "keys lost", "--yes")
    place.does("lost-keys", "si", "--reason", "keys lost", "--yes")
    row = next(row for row in json.loads(place.does("units", "--json")) if row["unit"] == "si")
    assert (row["suspended"], row["identity"], row["epochs"]) == (True, None, [])

    other = place.asks(place.invited("si", "--again"))
    assert code_at(other)
    place.does("enrol", "si", "--code", code_at(other), *place.second)
    finish_joining(other)
    resumed = place.says("resume", "si", "--reason", "new keys", "--yes")
    assert "no effect before another registrar" in resumed.err
    rows = json.loads(place.does("agree", "ls", "--json"))
    place.does("agree", "to", *(row["ballot"] for row in rows), *place.second, "--yes")
    row = next(row for row in json.loads(place.does("units", "--json")) if row["unit"] == "si")
    assert (row["suspended"], row["identity"]) == (False, "active")
