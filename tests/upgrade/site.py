"""An exchange whose programs are of two releases, each switched from one to the other while messages flow.

Owns: the exchange, founded by the older release with the commands that people use; which program is of which release;
the traffic, and what was acknowledged of it. Whatever a daemon has acknowledged is owed, once and in the order of its
conversation.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clients.demo.exchange import free_port
from runtime.process.homes import UnitHome
from tests.integration.units import NOT_YET, Problem, UnitProcess, draft
from tests.releases import THIS, Release
from tests.waiting import GENEROUS, ended, until

UNITS = ("fr", "it")
BEGUN = '{"event": "--- '
"""How the line begins that stands in a log before what the next process says."""

WAYS = (("fr", "it"), ("it", "fr"))
ORIGIN = "contrada.example"
PROGRAMS = ("centre", "daemon", "ledger", "router")
"""What is upgraded, each by itself. At the centre there is no process: its commands are of one release or the other."""

ENOUGH = 3
"""Messages each way that pass in every mix, sent after the last switch."""


@dataclass
class Traffic:
    """Messages both ways, one after the other, until it is stopped. What is down is asked again."""

    units: dict[str, UnitProcess]
    acknowledged: dict[str, list[str]] = field(default_factory=lambda: {unit: [] for unit in UNITS})
    failed: list[str] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[Traffic]:
        """Send until the block ends."""
        tasks = [threading.Thread(target=self._send, args=way) for way in WAYS]
        for task in tasks:
            task.start()
        try:
            yield self
        finally:
            self._ending.set()
            for task in tasks:
                task.join(GENEROUS)

    def _send(self, sender: str, addressee: str) -> None:
        for number in itertools.count():
            while not self._ending.is_set():
                try:
                    # The same key until it is acknowledged: what was taken and not answered is taken once.
                    made = self._post(sender, addressee, f"{sender}-{number}")
                except NOT_YET:
                    self._ending.wait(0.05)
                except Problem as problem:
                    # A daemon that ends says so; anything else is a refusal that nobody has deserved.
                    if problem.body.get("status", 500) < 500:
                        self.failed.append(str(problem))
                        return
                    self._ending.wait(0.05)
                else:
                    self.acknowledged[sender].append(made)
                    break
            if self._ending.wait(0.05):
                return

    def _post(self, sender: str, addressee: str, key: str) -> str:
        body = {"kind": "information", "to": [addressee], "draft": draft(subject=key)}
        connection = _SocketConnection(self.units[sender].home.socket)
        try:
            headers = {"Idempotency-Key": f'"{key}"', "Content-Type": "application/json"}
            connection.request("POST", "/v1/messages", json.dumps(body), headers)
            answer = connection.getresponse()
            shown = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status >= 400:
            raise Problem(shown | {"status": answer.status})
        return str(shown["id"])


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=GENEROUS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


@dataclass
class MixedSite:
    """The exchange below one directory."""

    directory: Path
    bootstrap: str
    older: Release
    of: dict[str, Release] = field(default_factory=dict)
    units: dict[str, UnitProcess] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _turn: int = 0

    @property
    def centre(self) -> Path:
        return self.directory / "centre"

    # -- Founding ------------------------------------------------------------------------------------

    def found(self) -> None:
        """By the older release: the centre, two units that follow the ledger, and one more to be suspended."""
        self.of = dict.fromkeys(PROGRAMS, self.older)
        self.contrada("--kafka", self.bootstrap, "centre", "init", "--router-port", str(free_port()))
        for unit in (*UNITS, "de"):
            home = self.directory / unit
            self._run(self.older, "--home", str(home), "--kafka", self.bootstrap, "unit", "init", unit,
                      "--root", str(self.centre / "root.cbor"), "--contact", f"officer of {unit}")  # fmt: skip
            self.contrada("centre", "enrol", str(home / "enrolment.cbor"), "--yes", "--name", f"unit {unit}")
            self.units[unit] = UnitProcess(unit, UnitHome(home))
        named = [argument for unit in UNITS for argument in ("--witness", str(self._witness(unit)))]
        port = str(free_port())
        self.contrada("ledger", "init", "--origin", ORIGIN, "--http-port", port, *named, "--quorum", "1")
        for unit in UNITS:
            policy = (self.centre / "ledger" / "policy").read_bytes()
            self.units[unit].home.ledger_policy.write_bytes(policy)
            (self.directory / unit / "witness" / "policy").write_bytes(policy)

    def _witness(self, unit: str) -> Path:
        """A witness inside the unit's daemon, which is upgraded with it; its line of the policy."""
        home = self.directory / unit
        port = str(free_port())
        self._run(
            self.older, "--home", str(home), "witness", "init", f"{unit}.example/witness", "--port", port
        )
        return home / "witness" / "witness.policy"

    def start(self) -> None:
        """Every process, of the release that it has now."""
        for name in ("router", "ledger", *UNITS):
            self._launch(name)
        for unit in UNITS:
            self._answers(unit)

    # -- Programs ------------------------------------------------------------------------------------

    def switch(self, program: str, to: Release) -> None:
        """Stop it as a service manager does, and start it of the other release, on the home as it is."""
        self.of[program] = to
        match program:
            case "centre":
                return
            case "daemon":
                # One after the other: meanwhile the two units are of two releases.
                for unit in UNITS:
                    self._stop(unit)
                    self._launch(unit)
                    self._answers(unit)
            case _:
                self._stop(program)
                self._launch(program)

    def centre_states(self) -> None:
        """One command at the centre, of its release: the third unit is suspended, and the next time resumed."""
        self._turn += 1
        if self._turn % 2:
            self.contrada("centre", "suspend", "de", "--reason", "an exercise", "--yes")
        else:
            self.contrada("centre", "resume", "de", "--reason", "the exercise is over", "--yes")

    def contrada(self, *arguments: str) -> str:
        """A command at the centre."""
        return self._run(self.of["centre"], "--home", str(self.centre), *arguments)

    def _run(self, release: Release, *arguments: str) -> str:
        done = subprocess.run(
            release.command(*arguments), env=release.environment, cwd=release.tree, capture_output=True, text=True,
            timeout=GENEROUS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"{release.name}: {' '.join(arguments)} ended with {done.returncode}: {done.stderr}"
        )
        return done.stdout

    def _launch(self, name: str) -> None:
        release = self._of(name)
        home = self.directory / name if name in UNITS else self.centre
        if name == "router":
            arguments = ["router", "run", "--config", str(home / "router.toml")]
        else:
            arguments = ["--home", str(home), "unit" if name in UNITS else "ledger", "run"]
        with (self.directory / f"{name}.log").open("ab") as log:
            log.write(f'{BEGUN}{release.name}"}}\n'.encode())
            log.flush()
            self.running[name] = subprocess.Popen(
                release.command(*arguments), env=release.environment, cwd=release.tree, stdout=log, stderr=log
            )

    def _stop(self, name: str) -> None:
        # Who is still importing has no handler of signals, and ends by one.
        until(lambda: self._has_begun(name), what=f"{name} to say something")
        process = self.running[name]
        process.send_signal(signal.SIGTERM)
        code = ended(process, what=f"{name} to end")
        assert code == 0, f"{name} ended with {code}: {self.said(name)}"

    def _answers(self, unit: str) -> None:
        until(
            lambda: self.units[unit].get("/v1/status"),
            what=f"the daemon of {unit}",
            despite=NOT_YET,
            alive=self.lives,
        )

    def said(self, name: str) -> str:
        """The end of a log."""
        return (self.directory / f"{name}.log").read_text()[-3000:]

    def _has_begun(self, name: str) -> bool:
        said = (self.directory / f"{name}.log").read_text().splitlines()
        return not said[-1].startswith(BEGUN)

    def _of(self, name: str) -> Release:
        return self.of["daemon" if name in UNITS else name]

    def lives(self) -> None:
        """Whether every process still runs."""
        for name, process in self.running.items():
            assert process.poll() is None, f"{name} ended with {process.poll()}: {self.said(name)}"

    def close(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    # -- What is owed --------------------------------------------------------------------------------

    def passes(self, traffic: Traffic) -> None:
        """What is sent from now on arrives, whatever the mix."""
        for sender, addressee in WAYS:
            self._passes(traffic, sender, addressee)

    def _passes(self, traffic: Traffic, sender: str, addressee: str) -> None:
        sent = traffic.acknowledged[sender]
        enough = len(sent) + ENOUGH
        until(lambda: len(sent) >= enough or traffic.failed, what=f"{sender} to send", alive=self.lives)
        assert not traffic.failed
        last = sent[enough - 1]
        what = f"{last} at {addressee} ({self._mix()})"
        until(lambda: self._has(addressee, last), what=what, alive=self.lives)

    def _has(self, unit: str, message_id: str) -> bool:
        with suppress(*NOT_YET, Problem):
            self.units[unit].get(f"/v1/inbox/{message_id}")
            return True
        return False

    def _mix(self) -> str:
        return ", ".join(f"{program} of {release.name}" for program, release in self.of.items())

    def all_is_well(self, traffic: Traffic) -> None:
        """Each message that was acknowledged is accepted and delivered once; one directory; no alarm; a ledger that holds."""
        for sender, addressee in WAYS:
            self._all_came(traffic.acknowledged[sender], sender, addressee)
        for unit in UNITS:
            self._is_proved(self.units[unit])
        sizes = {len(self.units[unit].home.replica.read_bytes()) for unit in UNITS}
        assert len(sizes) == 1, "both replicas have the same statements"
        self.stop_all()
        for program in PROGRAMS:
            self.of[program] = THIS
        found = json.loads(
            self.contrada(
                "audit", "fsck", str(self.centre / "ledger"), "--live", "--root", str(self.centre / "root.cbor"),
                "--policy", str(self.centre / "ledger" / "policy"), "--json",
            )
        )  # fmt: skip
        # One of both is enough while the other one's daemon is started anew; at rest both have cosigned.
        for log in found["logs"]:
            assert {name.partition(".")[0] for name in log["witnesses"]} == set(UNITS), log

    def _all_came(self, owed: list[str], sender: str, addressee: str) -> None:
        waiting = "SELECT id FROM outbox WHERE state <> 'accepted'"
        until(
            lambda: self.units[sender].rows(waiting),
            lambda left: not left,
            what=f"every message of {sender} to be accepted",
            despite=NOT_YET,
            alive=self.lives,
        )
        until(
            lambda: set(owed) <= set(self._received(addressee)),
            what=f"{sender}'s at {addressee}",
            alive=self.lives,
        )
        came = Counter(self._received(addressee))
        assert set(came.values()) == {1}
        # One at the most was taken in and not answered, when the traffic ended.
        assert len(set(came) - set(owed)) <= 1

    def _is_proved(self, unit: UnitProcess) -> None:
        status = until(
            lambda: unit.get("/v1/status"),
            lambda shown: shown["ledger"]["promised"] == 0 and shown["ledger"]["read"],
            what=f"every leaf to be proved to {unit.name}",
            alive=self.lives,
        )
        assert status["ledger"]["wrong"] == []
        # Homes of 0.9.0 do not say how Kafka is spoken to: they go on, and are told.
        hint = status["checks"]["kafka"]["hint"]
        assert "the settings do not say so" in hint
        assert hint in (self.directory / f"{unit.name}.log").read_text().replace('\\"', '"')
        assert status["alarms"] == [], status["alarms"]

    def _received(self, unit: str) -> list[str]:
        found = self.units[unit].rows("SELECT lower(hex(mid)) FROM inbox WHERE kind <> 5 ORDER BY id")
        return [f"{m[:8]}-{m[8:12]}-{m[12:16]}-{m[16:20]}-{m[20:]}" for (m,) in found]

    def stop_all(self) -> None:
        for name in list(self.running):
            self._stop(name)
        self.running.clear()


def environment_wants_every_order() -> bool:
    """Whether `make upgrade` asks for what takes minutes."""
    return bool(os.environ.get("EVERY_ORDER"))
