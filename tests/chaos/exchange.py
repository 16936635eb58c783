"""The exchange under test: real brokers, routers, daemons and a real ledger, each a process of its own.

Founded by the same functions that `contrada centre init`, `unit init` and `centre enrol` call; only quicker.
Everything lies under one short directory and is gone afterwards.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clients.daemon.home import make_unit_home
from deploy.kafka.cluster import Cluster
from keys.ceremony import found_exchange, write_pin
from keys.directory import Directory
from keys.enrolment import enrolment_statements
from keys.key_files import IDENTITY_FILE, read_identity
from keys.soft_keys import SoftIdentity
from keys.store import read_credential, write_private
from keys.unlock import Credential
from protocol import topics
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.identifiers import Millis, UnitId
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.partition_log import KafkaDirectory
from runtime.process.homes import UnitHome
from tests.chaos.ledger_site import LedgerKind, LedgerSite
from tests.chaos.processes import Process
from tests.guarded import as_unit, cluster_of, grant, lines_as
from tests.sim.world import facts
from tests.waiting import until

RouterKind = Literal["real", "naive"]

UNITS: dict[str, dict[str, object]] = {
    "fr": {},
    "it": {},
    "de": {},
    "centre": {"kind": UnitKind.CENTRE},
}
OUTSIDER = "nz"
"""A party that may not have personal data, enrolled and without a daemon: what goes there is refused."""

HOSTILE = "hostile"
"""A national unit without a daemon, whose holder writes into its outbox by hand (hostile_unit.py)."""

OUTSIDE: dict[str, object] = {
    "kind": UnitKind.THIRD_PARTY,
    "basis": LegalBasis.WORKING_ARRANGEMENT,
    "clearance": Classification.BPL,
    "purposes": frozenset({Purpose.STRATEGIC, Purpose.OPERATIONAL}),
}


def present() -> Millis:
    """The wall clock."""
    return Millis(time.time_ns() // 1_000_000)


@dataclass
class Exchange:
    """Brokers, routers and daemons, and the directory that they share."""

    place: Path
    units: tuple[str, ...] = tuple(UNITS)
    brokers: int = 3
    routers: int = 2
    kind: RouterKind = "real"
    router_env: dict[str, str] = field(default_factory=dict)
    ledger_kind: LedgerKind = "real"
    ledger_env: dict[str, str] = field(default_factory=dict)
    guarded: bool = True
    """Whether Kafka knows its clients by certificates, each of the parties with one of its own."""

    cluster: Cluster = field(init=False)
    directory: Directory = field(init=False)
    router_processes: list[Process] = field(default_factory=list)
    daemons: dict[str, Process] = field(default_factory=dict)
    ledger: LedgerSite | None = None

    def __post_init__(self) -> None:
        """Nothing runs yet."""
        self.cluster = cluster_of(self.place / "kafka", plain=not self.guarded, brokers=self.brokers)

    def home(self, unit: str) -> UnitHome:
        """The home of a unit."""
        return UnitHome(self.place / unit)

    @property
    def hostile_identity(self) -> SoftIdentity:
        """The signing key of the hostile unit."""
        home = self.home(HOSTILE)
        return read_identity(home.keys / IDENTITY_FILE, secret=read_credential(home.secret))

    @property
    def logs(self) -> Path:
        """What the processes say."""
        return self.place / "logs"

    async def start(self) -> None:
        """Build all of it; returns when every daemon has its socket."""
        self.cluster.start()
        await self._found()
        for number in range(self.routers):
            self.router_processes.append(self._router(number))
        for unit in self.units:
            command = [sys.executable, "-P", "-m", "clients.daemon", str(self.home(unit).path)]
            self.daemons[unit] = Process(f"unit-{unit}", command, self.logs / f"unit-{unit}.log")
        for process in self.processes():
            process.start()
        if self.ledger is not None:
            await self.ledger.relay.start()
        self._wait_for_sockets()

    def processes(self) -> list[Process]:
        """Routers, daemons and the ledger; not the second ledger, which is only there for some seconds."""
        ledger = [] if self.ledger is None else [self.ledger.process]
        return [*self.router_processes, *self.daemons.values(), *ledger]

    @property
    def fallen(self) -> list[str]:
        """Processes that ended without being told to or killed, and how."""
        second = [] if self.ledger is None else [self.ledger.second]
        every = [*self.processes(), *second]
        return [f"{process.name}: {code}" for process in every for code in process.fallen]

    def heal(self) -> None:
        """Everything runs again, and nothing is paused or there twice."""
        if self.ledger is not None:
            self.ledger.second.stop()
        for index in range(self.brokers):
            self.cluster.resume(index)
            if not self.cluster.alive(index):
                self.cluster.restart(index, wait=False)
        for number in range(self.routers):
            self.set_clock(number, 0)
        for process in self.processes():
            process.resume()
            process.start()
        self.cluster.wait()
        self._wait_for_sockets()

    def set_clock(self, router: int, off_ms: int) -> None:
        """From now on this router's clock is ahead by so much."""
        self._clock(router).write_text(str(off_ms))

    def _clock(self, router: int) -> Path:
        return self.place / f"router-{router}.clock"

    def stop(self) -> None:
        """End all of it; what it wrote stays until its directory goes."""
        self.stop_processes()
        if self.ledger is not None:
            self.ledger.relay.close()
        self.cluster.stop(timeout=0)

    def stop_routers(self) -> None:
        """End the routers in good order: nothing more is decided."""
        for process in self.router_processes:
            process.ask_to_stop()
        for process in self.router_processes:
            process.stop()

    def stop_processes(self) -> dict[str, int | None]:
        """End daemons, routers and the ledger in good order; their exit codes."""
        if self.ledger is not None:
            self.ledger.second.stop()
        for process in self.processes():
            process.ask_to_stop()
        return {process.name: process.stop() for process in self.processes()}

    async def _found(self) -> None:
        secret = os.urandom(32)
        centre = self.place / "centre-home"
        founding = found_exchange(
            centre, secret=Credential(secret), now=Millis(present() - 60_000), entropy=os.urandom
        )
        write_private(centre / "secret", secret, entropy=os.urandom)
        write_pin(self.place / "root.pin", founding.root, entropy=os.urandom)
        self.directory = Directory(founding.root)
        statements = list(founding.statements)
        described = [(unit, UNITS[unit]) for unit in self.units]
        described += [(OUTSIDER, OUTSIDE), (HOSTILE, {})]
        for unit, changes in described:
            home = make_unit_home(
                self.home(unit).path,
                unit=UnitId(unit),
                bootstrap=as_unit(self.cluster.bootstrap, unit),
                root=(self.place / "root.pin").read_bytes(),
            )
            request = home.enrolment.read_bytes()
            statements += enrolment_statements(
                request, registrar=founding.registrar, facts=facts(unit, **changes), now=present()
            )
        for statement in statements:
            self.directory.apply(statement)
        if self.ledger_kind != "none":
            self.ledger = LedgerSite(
                self.place, self.cluster.bootstrap, kind=self.ledger_kind, env=self.ledger_env
            )
            homes_of_units = {unit: self.home(unit) for unit in self.units}
            self.ledger.found(homes_of_units, secret=Credential(secret), now=present())
        wanted = topics.all_topics(UnitId(unit) for unit, _ in described)
        await KafkaTopicAdmin(self.cluster.bootstrap).apply(wanted)
        await grant(self.cluster.bootstrap, *(unit for unit, _ in described))
        await KafkaDirectory(self.cluster.bootstrap).publish(statements)

    def _router(self, number: int) -> Process:
        name = f"router-{number}"
        config = self.place / f"{name}.toml"
        values = {
            **lines_as(self.cluster.bootstrap, "router"),
            "name": name,
            "root": str(self.place / "root.pin"),
            "key": f"file:{self.place}/centre-home/router/identity.key",
            "secret": str(self.place / "centre-home" / "secret"),
        }
        config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        module = "broker.router" if self.kind == "real" else "tests.chaos.naive_router"
        self.set_clock(number, 0)
        # Not -P: what lies in tests/ is no installed package.
        wrapped = ["tests.integration.off_clock", str(self._clock(number)), module]
        command = [sys.executable, "-m", *wrapped, str(config)]
        return Process(name, command, self.logs / f"{name}.log", env=self.router_env)

    def _wait_for_sockets(self) -> None:
        for unit, process in self.daemons.items():
            until(self.home(unit).socket.exists, what=f"the socket of {process.name}", alive=process.check)
