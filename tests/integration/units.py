"""A whole exchange with real processes: founding, topics, a router and the daemons of units, driven over HTTP.

What a test asks of a daemon goes over its unix socket, as the command line's does; what it looks at behind
the daemon's back (rows of the database) is read from another connection.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from clients.daemon.home import make_unit_home
from keys.ceremony import Founding, found_exchange
from keys.enrolment import enrolment_statements
from keys.statement_types import UnitFacts
from keys.store import write_private
from keys.unlock import Credential
from protocol import topics
from protocol.identifiers import Millis, UnitId
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.partition_log import KafkaDirectory
from runtime.kafka.security.access import KafkaAddress
from runtime.process.homes import UnitHome
from tests.guarded import as_unit, grant, lines_as
from tests.sim.world import facts
from tests.waiting import GENEROUS, ended, until

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")

NOT_YET = (OSError, http.client.HTTPException, sqlite3.Error)
"""What a daemon that does not answer yet is met with."""


def now() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def draft(subject: str = "Vessel seen", text: str = "three persons on deck") -> dict[str, Any]:
    return {
        "subject": subject,
        "language": "en",
        "crime_areas": ["migrant-smuggling"],
        "items": [
            {"type": "narrative", "text": text, "purposes": ["operational"], "data_class": "non-personal"}
        ],
    }


class Problem(AssertionError):
    """The daemon's own words."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(json.dumps(body))
        self.body = body


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=GENEROUS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self.path))


@dataclass
class UnitProcess:
    """One unit's home and, while it runs, its daemon."""

    name: str
    home: UnitHome
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *, wait: bool = True) -> None:
        log = (self.home.path / "log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clients.daemon", str(self.home.path)],
            stderr=log,
            stdout=log,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
        )
        if wait:
            self.answers()

    def answers(self) -> None:
        """Wait until its daemon answers."""
        until(
            lambda: self.get("/v1/status"),
            what=f"the daemon of {self.name}",
            despite=NOT_YET,
            alive=self._lives,
        )

    def _lives(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return ended(self.process)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def request(self, method: str, path: str, body: object = None) -> Any:
        connection = _Connection(self.home.socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        shown = json.loads(data) if "json" in answer.headers.get("content-type", "") else data.decode()
        if answer.status >= 400 and path not in ("/readyz",):
            raise Problem(shown)
        return shown

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def send(self, *to: str, kind: str = "information", **more: Any) -> str:
        body = {"kind": kind, "to": list(to), "draft": more.pop("draft", None) or draft(), **more}
        return self.request("POST", "/v1/messages", body)["id"]

    def inbox(self) -> list[dict[str, Any]]:
        return self.get("/v1/inbox?limit=500")["items"]

    def sent(self, message_id: str) -> dict[str, Any]:
        return self.get(f"/v1/outbox/{message_id}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.home.database}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def log(self) -> str:
        return (self.home.path / "log").read_text()


@dataclass
class Site:
    """An exchange below one directory."""

    directory: Path
    bootstrap: KafkaAddress
    founding: Founding
    secret: bytes
    units: dict[str, UnitProcess] = field(default_factory=dict)
    routers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_router(self) -> subprocess.Popen[bytes]:
        number = len(self.routers)
        config = self.directory / f"router-{number}.toml"
        values = {
            **lines_as(self.bootstrap, "router"),
            "name": f"router-{number}",
            "root": str(self.directory / "centre" / "root.pin"),
            "key": f"file:{self.directory}/centre/router/identity.key",
            "secret": str(self.directory / "router.secret"),
        }
        config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        log = (self.directory / f"router-{number}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "broker.router", str(config)],
            stderr=log,
            stdout=log,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.routers.append(process)
        return process

    async def publish(self, *statements: bytes) -> None:
        await KafkaDirectory(self.bootstrap).publish(statements)

    def close(self) -> None:
        for unit in self.units.values():
            unit.stop()
        for process in self.routers:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def start(*units: UnitProcess) -> None:
    """Start daemons side by side, and wait until each knows all of them."""
    for unit in units:
        unit.start(wait=False)
    for unit in units:
        unit.answers()
        eventually(
            lambda unit=unit: unit.get("/v1/units")["items"],
            lambda known: len(known) >= len(units),
            what=f"{unit.name} to know {len(units)} units",
        )


async def found(
    directory: Path,
    bootstrap: KafkaAddress,
    *names: str,
    suffix: str = "",
    changes: dict[str, Any] | None = None,
) -> Site:
    """Keys, topics, directory and homes; nothing runs yet. `suffix` keeps units of several sites apart."""
    secret = os.urandom(32)
    founding = found_exchange(
        directory / "centre", secret=Credential(secret), now=Millis(now() - 1000), entropy=os.urandom
    )
    write_private(directory / "router.secret", secret, entropy=os.urandom)
    site = Site(directory, bootstrap, founding, secret)
    statements = list(founding.statements)
    described: list[UnitFacts] = []
    for name in names:
        unit = UnitId(name + suffix)
        way, root = as_unit(bootstrap, unit), founding.root.encoded()
        home = make_unit_home(directory / name, unit=unit, bootstrap=way, root=root)
        about = facts(unit, **(changes or {}))
        described.append(about)
        statements += enrolment_statements(
            home.enrolment.read_bytes(), registrar=founding.registrar, facts=about, now=now()
        )
        site.units[name] = UnitProcess(name, home)
    wanted = [*topics.shared()]
    for about in described:
        wanted += topics.of_unit(
            about.unit, outbox_partitions=about.outbox_partitions, inbox_partitions=about.inbox_partitions
        )
    await KafkaTopicAdmin(bootstrap).apply(wanted)
    await grant(bootstrap, *(about.unit for about in described))
    await site.publish(*statements)
    return site


def eventually(look: Callable[[], T], good: Callable[[T], object] = bool, *, what: str = "the daemon") -> T:
    """What `look` returns once it is good; a daemon that does not answer yet counts as not good."""
    return until(look, good, what=what, despite=NOT_YET)
