"""An exchange from nothing to its end by command lines alone: real Kafka, real router, real daemons."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clients.demo.free_ports import free_port
from protocol import topics
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import OutputRecord
from runtime.kafka.security.access import KafkaAddress
from tests.cli.terminal import EXAMPLES, Seen, contrada
from tests.cli.test_pipes import QUIET, begin, left
from tests.conftest import Kafka
from tests.guarded import as_party, shows_its_own, words_as, words_of_unit
from tests.waiting import ended, until

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Exchange:
    """Homes, and the Kafka that they share."""

    path: Path
    kafka: KafkaAddress
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def at(self, home: str, *arguments: str, exit_: int = 0) -> Seen:
        """One command line in a home; its exit code is as expected."""
        seen = contrada("--home", str(self.path / home), *arguments)
        assert seen.exit == exit_, seen
        return seen

    def json(self, home: str, *arguments: str, exit_: int = 0) -> Any:
        """The same, and what it printed as JSON."""
        return json.loads(self.at(home, *arguments, "--json", exit_=exit_).out)

    def until(self, home: str, *arguments: str, count: int = 1) -> list[Any]:
        """Ask until the list has so many rows."""
        return until(
            lambda: self.json(home, *arguments),
            lambda rows: len(rows) >= count,
            what=f"{count} rows of {' '.join(arguments)}",
        )


@contextmanager
def _process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CONTRADA")}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        ended(process)


@pytest.fixture
def exchange(empty_kafka: Kafka, tmp_path: Path) -> Exchange:
    """A founded exchange with fr, it and fr-customs enrolled; nothing runs yet."""
    made = Exchange(tmp_path, empty_kafka.bootstrap)
    port = str(free_port())
    made.at("centre", *words_as(made.kafka, "centre"), "centre", "init", "--router-port", port)
    for unit, *options in (
        ["fr"],
        ["it"],
        ["fr-customs", "--kind", "competent-authority", "--national-unit", "fr"],
    ):
        made.at(
            unit,
            *words_of_unit(made.kafka, unit),
            "unit",
            "init",
            unit,
            "--http-port",
            "0",
            "--root",
            str(tmp_path / "centre" / "root.cbor"),
        )
        request = str(tmp_path / unit / "enrolment.cbor")
        made.at("centre", "centre", "enrol", request, "--name", f"Unit {unit}", "--yes", *options)
    shows_its_own(tmp_path / "centre" / "router.toml", "router")
    return made


@pytest.fixture
def running(exchange: Exchange) -> Iterator[Exchange]:
    """The same with its router and daemons."""
    with (
        _process("-m", "broker.router", str(exchange.path / "centre" / "router.toml")) as router,
        _process("-m", "clients.daemon", str(exchange.path / "fr")) as fr,
        _process("-m", "clients.daemon", str(exchange.path / "it")) as it,
    ):
        exchange.processes = {"router": router, "fr": fr, "it": it}
        for unit in ("fr", "it"):
            until((exchange.path / unit / "run" / "api.sock").exists, what=f"the socket of {unit}")
        exchange.until("fr", "units", "ls", count=3)
        yield exchange


def test_the_centre_runs_its_exchange(exchange: Exchange) -> None:
    """Founding, enrolling, suspending, revoking, topics and status, each with its exit code."""
    root = str(exchange.path / "centre" / "root.cbor")
    units = {row["unit"]: row for row in exchange.json("centre", "centre", "units")}
    again = exchange.json("centre", "centre", "topics", "apply")

    assert units.keys() == {"fr", "it", "fr-customs"}
    assert units["fr-customs"]["national_unit"] == "fr"
    assert units["fr"]["identity"] == "active"
    assert {row["action"] for row in again} == {"kept"}
    assert exchange.json("centre", "centre", "topics", "hanging") == []
    assert exchange.json("centre", "centre", "topics", "end-hanging") == []

    # Enrolled already; and a second exchange on the same Kafka is not founded by accident.
    exchange.at("centre", "centre", "enrol", str(exchange.path / "fr" / "enrolment.cbor"), "--yes", exit_=9)
    exchange.at("other", *words_as(exchange.kafka, "centre"), "centre", "init", exit_=9)
    exchange.at(
        "fr-anew",
        *words_of_unit(exchange.kafka, "fr"),
        "unit",
        "init",
        "fr",
        "--http-port",
        "0",
        "--root",
        root,
    )
    anew = ["centre", "enrol", str(exchange.path / "fr-anew" / "enrolment.cbor"), "--yes"]
    *_, command = exchange.at("centre", *anew, exit_=9).err.splitlines()
    exchange.at("centre", *shlex.split(command.removeprefix("hint: contrada")), "--yes")
    exchange.at("centre", *anew)
    exchange.at(
        "fr2", *words_of_unit(exchange.kafka, "no"), "unit", "init", "no", "--http-port", "0", "--root", root
    )
    third = [str(exchange.path / "fr2" / "enrolment.cbor"), "--yes", "--kind", "third-party"]
    exchange.at("centre", "centre", "enrol", *third, exit_=2)
    exchange.at("centre", "centre", "enrol", *third, "--basis", "agreement", "--purpose", "operational")

    enrol_many(exchange, root)
    change_quotas(exchange)

    exchange.at("centre", "centre", "suspend", "it", "--reason", "test", "--yes")
    exchange.at("centre", "centre", "suspend", "it", "--reason", "test", "--yes", exit_=9)
    exchange.at("centre", "centre", "suspend", "xx", "--reason", "test", "--yes", exit_=5)
    refused = exchange.json(
        "centre", "route", "explain", f"{EXAMPLES}/vessel.json", "--from", "fr", "--to", "it", exit_=6
    )
    assert [row["rule"] for row in refused["rules"] if not row["holds"]] == ["parties"]
    exchange.at("centre", "centre", "resume", "it", "--reason", "test", "--yes")

    revoke = ["centre", "revoke", "it", units["it"]["identity_kid"], "--reason", "test", "--yes"]
    exchange.at("centre", *revoke)
    exchange.at("centre", *revoke, exit_=9)
    exchange.at("centre", "centre", "revoke", "it", "0" * 32, "--reason", "test", "--yes", exit_=5)
    exchange.at("centre", *revoke, "--compromised-since", "2026-01-01")
    assert {row["unit"]: row["identity"] for row in exchange.json("centre", "centre", "units")}["it"] is None

    # No router runs: the exchange is not well, and says so.
    status = exchange.json("centre", "centre", "status", exit_=3)
    assert status["topics"]["missing"] == []
    assert [router["ready"] for router in status["routers"]] == [False]
    assert "router_not_ready" in {row["code"] for row in status["troubles"]}
    told = exchange.json("centre", "centre", "watch", "--once")
    assert [row["code"] for row in told] == [row["code"] for row in status["troubles"]]
    assert {row["code"] for row in exchange.json("centre", "centre", "alarms", "ls")} == {
        row["code"] for row in told
    }
    checked = {row["what"]: row["verdict"] for row in exchange.json("centre", "centre", "check", exit_=3)}
    assert (checked["routers"], checked["kafka"], checked["quarantine"]) == ("critical", "ok", "ok")
    assert exchange.at("centre", "centre", "check", "routers", "--form", "nagios", exit_=2).out.startswith(
        "CONTRADA CRIT"
    )


def test_keys_are_renewed_and_routers_added_by_command(exchange: Exchange) -> None:
    """Each party's end is listed; the next keys of router and registrar, a further router, the next root."""
    centre, root = exchange.path / "centre", exchange.path / "centre" / "root.cbor"

    def keys(kind: str) -> list[tuple[str, str]]:
        rows = exchange.json("centre", "centre", "keys")
        return [(row["name"], row["kid"]) for row in rows if row["kind"] == kind]

    before = {kind: keys(kind) for kind in ("router", "registrar")}
    exchange.at("centre", "centre", "renew", "router")
    exchange.at("centre", "centre", "renew", "router", exit_=9)
    exchange.at("centre", "centre", "renew", "router-2", exit_=5)
    exchange.at("centre", "centre", "renew", "registrar")
    assert all(keys(kind) != rows for kind, rows in before.items())

    further = [*words_as(exchange.kafka, "router"), "router", "init", "router-2", "--root", str(root)]
    made = exchange.json("router-2", *further)
    appointed = exchange.json("centre", "centre", "appoint", made["request"], "--yes")
    assert (appointed["name"], appointed["fingerprint"]) == ("router-2", made["fingerprint"])
    exchange.at("centre", "centre", "appoint", made["request"], "--yes", exit_=9)
    exchange.at("centre", "centre", "appoint", str(root), "--yes", exit_=2)
    asked = str(exchange.path / "next.cbor")
    exchange.at("router-2", "router", "renew", "--config", made["config"], "--out", asked)
    exchange.at("centre", "centre", "appoint", asked, "--yes")
    assert [name for name, _ in keys("router")] == ["router", "router-2"]

    following = exchange.path / "root-next.cbor"
    exchange.at("centre", "centre", "renew", "root", "--out", str(following))
    exchange.at("centre", "centre", "renew", "root", exit_=2)
    root.write_bytes(following.read_bytes())
    exchange.at("centre", "centre", "renew", "registrar", exit_=4)
    exchange.at("centre", "centre", "renew", "registrar", "--root-key", str(centre / "keys" / "root-next"))
    exchange.at("centre", "centre", "suspend", "it", "--reason", "test", "--yes")


def test_two_registrars_agree_by_command(empty_kafka: Kafka, tmp_path: Path) -> None:
    """Enrolled by two, with keys that lie in two places; suspended by one, and resumed by two."""
    made = Exchange(tmp_path, empty_kafka.bootstrap)
    port = str(free_port())
    made.at(
        "centre",
        *words_as(made.kafka, "centre"),
        "centre",
        "init",
        "--registrars",
        "2",
        "--router-port",
        port,
    )
    second = tmp_path / "elsewhere"
    (tmp_path / "centre" / "keys" / "registrar-2").rename(second)
    root, centre = str(tmp_path / "centre" / "root.cbor"), "centre"
    made.at("fr", *words_of_unit(made.kafka, "fr"), "unit", "init", "fr", "--http-port", "0", "--root", root)

    def agreed() -> None:
        names = [row["ballot"] for row in made.json(centre, "centre", "agree", "ls")]
        done = made.json(centre, "centre", "agree", "to", *names, "--registrar-key", str(second), "--yes")
        assert [row["waits"] for row in done] == [False] * len(names)
        made.at(centre, "centre", "agree", "to", *names, "--registrar-key", str(second), "--yes", exit_=5)

    asked = made.json(centre, "centre", "enrol", str(tmp_path / "fr" / "enrolment.cbor"), "--yes")
    assert (asked["waits"], asked["topics"], made.json(centre, "centre", "units")) == (True, [], [])
    assert "hint: fr: not in yet, or no unit" in made.at(centre, "centre", "units").err
    with _process("-m", "clients.daemon", str(tmp_path / "fr")):
        assert made.json(centre, "centre", "status", exit_=3)["directory"]["waiting"] == 2
        agreed()
        made.until(centre, "centre", "units")
        until(
            lambda: made.json(centre, "centre", "units")[0]["epochs"],
            lambda epochs: len(epochs) == 3,
            what="the keys of the unit, by its daemon",
        )
    assert not made.json(centre, "centre", "suspend", "fr", "--reason", "test", "--yes")["waits"]
    told = made.at(centre, "centre", "resume", "fr", "--reason", "test", "--yes").err
    assert "no effect before another registrar agrees" in told
    [row] = made.json(centre, "centre", "units")
    assert (row["suspended"], row["waits"]) == (True, ["status"])
    agreed()
    [row] = made.json(centre, "centre", "units")
    assert (row["suspended"], row["waits"]) == (False, [])
    assert (
        made.json(centre, "centre", "quota", "set", "fr", "--messages", "9000", "--yes")["messages"] == 6000
    )


def change_quotas(exchange: Exchange) -> None:
    """A quota is the default until it is stated; what is not named stays, and what is too small is not stated."""
    before = {row["unit"]: row for row in exchange.json("centre", "centre", "quota", "ls")}
    assert before["fr"]["since"] is None
    exchange.at("centre", "centre", "quota", "set", "fr", "--messages", "60", "--yes")
    exchange.at("centre", "centre", "quota", "set", "fr", "--messages", "60", "--yes", exit_=9)
    exchange.at("centre", "centre", "quota", "set", "xx", "--messages", "60", "--yes", exit_=5)
    exchange.at("centre", "centre", "quota", "set", "fr", "--yes", exit_=2)
    exchange.at("centre", "centre", "quota", "set", "fr", "--bytes", "1000", "--yes", exit_=2)
    after = {row["unit"]: row for row in exchange.json("centre", "centre", "quota", "ls")}
    assert after["fr"] == before["fr"] | {"messages": 60, "since": after["fr"]["since"]}
    assert after["fr"]["since"] is not None
    assert after["it"] == before["it"]


def enrol_many(exchange: Exchange, root: str) -> None:
    """A directory of requests is enrolled by one command; the same again states nothing."""
    folder = exchange.path / "requests"
    folder.mkdir()
    for unit in ("be", "nl"):
        exchange.at(
            unit,
            *words_of_unit(exchange.kafka, unit),
            "unit",
            "init",
            unit,
            "--http-port",
            "0",
            "--root",
            root,
        )
        (exchange.path / unit / "enrolment.cbor").rename(folder / f"{unit}.cbor")
    (folder / "names.csv").write_text("unit,name\nbe,Belgium\n")
    many = ["centre", "enrol", str(folder), "--names", str(folder / "names.csv"), "--yes"]
    done = exchange.json("centre", *many)
    assert ([one["unit"] for one in done["requests"]], done["statements"]) == (["be", "nl"], 10)
    assert len(done["topics"]) == 6
    assert exchange.json("centre", *many)["statements"] == 0
    names = {row["unit"]: row["name"] for row in exchange.json("centre", "centre", "units")}
    assert (names["be"], names["nl"]) == ("Belgium", "nl")
    exchange.at("centre", *many[:3], "--name", "both", "--yes", exit_=2)


def test_a_case_by_command_line(running: Exchange) -> None:
    """Sent, opened, acknowledged, asked, answered, refused, traced, audited: what one side says the other sees."""
    sent = running.json("fr", "send", "--to", "it", f"{EXAMPLES}/vessel.json", "--wait")
    received = running.until("it", "inbox", "ls")
    opened = running.json("it", "inbox", "show", sent["id"])

    assert sent["state"] == "accepted"
    assert [(row["id"], row["sender"], row["state"]) for row in received] == [(sent["id"], "fr", "new")]
    assert opened["body"]["subject"] == json.loads(Path(f"{EXAMPLES}/vessel.json").read_text())["subject"]

    running.at("it", "inbox", "ack", sent["id"], "--stage", "accepted", "--case-ref", "IT-1")
    followed = running.at("fr", "outbox", "show", sent["id"], "--follow", "--json").out.splitlines()
    assert json.loads(followed[-1])["deliveries"][0]["unit"] == "it"

    asked = running.json("fr", "request", "--to", "it", f"{EXAMPLES}/urgent-request.json", "--wait")
    running.until("it", "inbox", "ls", count=2)
    running.at("it", "inbox", "answer", asked["id"], "--file", f"{EXAMPLES}/answer.json", "--wait")
    refuse = ["inbox", "refuse", asked["id"], "--ground", "not-available", "--reasons", "no record", "--wait"]
    # Plain information is neither answered nor refused; what was answered in part is refused in part.
    running.at("it", *refuse[:2], sent["id"], *refuse[3:], exit_=9)
    running.at("it", *refuse, exit_=9)
    running.at("it", *refuse, "--concerns", "the owner")
    replies = running.until("fr", "inbox", "ls", count=2)
    assert [(row["kind"], row["reply_to"]) for row in replies] == [
        ("answer", asked["id"]),
        ("refusal", asked["id"]),
    ]

    # Refused by the router's rules, and by the daemon, which knows the directory too.
    restricted = ["--classification", "eu-restricted", f"{EXAMPLES}/vessel.json"]
    refused = running.at("fr", "send", "--to", "it", "--wait", *restricted, exit_=6)
    assert "it is cleared for bpl at most" in refused.err and "E_CLASS_CLEARANCE" in refused.err
    running.at("fr", "send", "--to", "nobody", "--wait", f"{EXAMPLES}/vessel.json", exit_=6)
    running.at("fr", "send", "--to", "it", "--handling", "H0", f"{EXAMPLES}/vessel.json", exit_=6)

    steps = [step["event"] for step in running.json("fr", "message", "trace", sent["id"])["steps"]]
    assert steps[:3] == ["submitted", "sealed", "accepted"]
    traced = running.json("centre", "message", "trace", sent["id"])
    assert [step["event"] for step in traced["steps"]] == ["created", "accepted", "delivered"]
    rejected = running.json("centre", "centre", "audit", "--decision", "rejected")
    assert [row["reasons"][0]["code"] for row in rejected] == ["E_CLASS_CLEARANCE"]
    assert rejected[0]["id"] == refused.out.strip()
    lines = running.at("centre", "centre", "audit", "--jsonl", "--unit", "fr").out.splitlines()
    assert json.loads(lines[0])["id"] == sent["id"]
    # Acknowledgements of delivery are still decided meanwhile: each answer is the trail as it was at some moment.
    before = running.json("centre", "centre", "audit")
    newest = running.json("centre", "centre", "audit", "--limit", "2")
    dated = running.json("centre", "centre", "audit", "--since", "yesterday", "--until", "today")
    asked = running.json("centre", "centre", "audit", "--reason", rejected[0]["reasons"][0]["code"])
    assert [row["audit_offset"] for row in asked] == [row["audit_offset"] for row in rejected]
    assert running.json("centre", "centre", "audit", "--message", before[0]["id"])[0] == before[0]
    after = running.json("centre", "centre", "audit")
    moments = [after[:size] for size in range(len(before), len(after) + 1)]
    assert before == moments[0]
    assert newest in [trail[-2:] for trail in moments]
    assert dated in moments
    short = running.json("it", "inbox", "ls", "--state", "acknowledged", "--limit", "1")[0]["short"]
    assert sent["id"].startswith(short) and short != sent["id"]
    for home in ("fr", "it", "centre"):
        assert running.json(home, "message", "trace", short)["id"] == sent["id"]
    assert running.json("centre", "centre", "quarantine", "ls") == []
    running.at("centre", "centre", "quarantine", "show", "0", exit_=5)
    top = {row["unit"]: row for row in running.json("centre", "centre", "top", "--sort", "deadline")}
    assert set(top) == {"fr", "it", "fr-customs"} and top["fr"]["refused"] <= 1
    until(
        lambda: running.json("centre", "centre", "status")["backlog"],
        lambda rows: (
            {row["unit"]: (row["end"] > 0, row["lag"]) for row in rows}
            == {"fr": (True, 0), "it": (True, 0), "fr-customs": (False, 0)}
        ),
        what="every outbox to be decided",
    )


def test_a_reader_of_the_trail_may_leave(running: Exchange) -> None:
    """`centre audit | head -1` ends at once and quietly, while Kafka has more and while it has nothing more."""
    running.at("fr", "send", "--to", "it", f"{EXAMPLES}/vessel.json", "--wait")
    for more in ([], ["--follow"]):
        process = begin("--home", str(running.path / "centre"), "centre", "audit", "--jsonl", *more)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["decision"] == "accepted"
        code, said = left(process)
        # All of a short trail may be in the pipe before its reader leaves.
        assert (code, said) == QUIET or (not more and (code, said) == (0, b""))


def test_who_stands_still_is_named_and_who_goes_on_is_not(
    running: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is stopped with mail before it, and a router with mail to decide: 3, with their names; then 0."""
    monkeypatch.setattr("broker.centre.progress.STILL", -1)
    monkeypatch.setattr("broker.centre.progress.PATIENCE", 2.0)
    vessel = f"{EXAMPLES}/vessel.json"
    running.at("fr", "send", "--to", "it", vessel, "--wait")
    running.until("it", "inbox", "ls")
    running.processes["it"].send_signal(signal.SIGSTOP)
    running.at("fr", "send", "--to", "it", vessel, "--wait")
    running.processes["router"].send_signal(signal.SIGSTOP)
    running.at("fr", "send", "--to", "it", vessel)
    until(lambda: standing(running), lambda names: names >= {"unit it", "routers"}, what="both to be named")
    for name in ("router", "it"):
        running.processes[name].send_signal(signal.SIGCONT)
    monkeypatch.undo()
    running.until("it", "inbox", "ls", count=3)
    until(lambda: standing(running), lambda names: not names, what="nobody to stand still")
    running.json("centre", "centre", "status")


def standing(exchange: Exchange) -> set[str]:
    seen = contrada("--home", str(exchange.path / "centre"), "centre", "status", "--json")
    found = json.loads(seen.out)
    assert (seen.exit == 3) >= bool(found["standing"])
    return {one["name"] for one in found["standing"]}


def test_an_identity_is_renewed(running: Exchange) -> None:
    """The daemon makes the next identity, the centre appoints it without a call, and messages go on."""
    made = running.json("fr", "keys", "rotate")
    enrolled = running.json("centre", "centre", "enrol", made["request"])
    now = until(
        lambda: running.json("fr", "keys", "show")["identity"],
        lambda shown: shown["kid"] != made["kid"],
        what="the next identity",
    )

    assert enrolled["request"] == "renewal"
    assert now["state"] == "active"
    running.at("fr", "send", "--to", "it", f"{EXAMPLES}/vessel.json", "--wait")


async def _forge(kafka: KafkaAddress) -> None:
    async with KafkaTopics(as_party(kafka, "router")).writing() as writer:
        await writer.write([OutputRecord(topics.AUDIT, b"", b"\x83\x01\x80\x40")])


def test_what_does_not_verify_is_not_believed(running: Exchange, tmp_path: Path) -> None:
    """A batch that nobody signed ends the audit in 7, and what does verify is shown all the same."""
    running.at("fr", "send", "--to", "it", f"{EXAMPLES}/vessel.json", "--wait")
    asyncio.run(_forge(running.kafka))
    seen = running.at("centre", "centre", "audit", exit_=7)

    assert "information" in seen.out
    assert "do not verify" in seen.err
