"""A whole exchange on one machine: Kafka, the centre, a router, a ledger, and the units' daemons.

Set up with the commands that people use (`contrada centre init`, `unit init`, `centre enrol`), each part a
process of its own under one directory. It is started again from there by the commands that started it: all
that it remembers is in its homes and in Kafka's directory. Owns the layout of that directory:

    kafka/      the broker's data           centre/     the centre's keys: root, registrar, router, ledger
    units/fr/   a unit's home, and so on    centre/ledger/   the ledger, as an auditor copies it
    logs/       what each process says      copies/     the copies that the last acts tamper with
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from clients.cli.local_api import DaemonClient
from clients.demo.console import console_in, found_console_of, start_console
from clients.demo.directory import claim_directory, keep_directory, note_founded
from clients.demo.errors import DemoError
from clients.demo.free_ports import free_port
from clients.demo.monitoring import give_port, port_in, scrape_settings, targets
from clients.demo.processes import TETHERED, Processes, eventually, run_contrada
from clients.demo.wire import BROKER, SAID, found_authority, issue_all, makes_its_own
from protocol import topics
from runtime.cli.render import say
from runtime.files import replace_file
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.process.homes import CentreHome, UnitHome, check_socket_path
from runtime.process.lock import HomeLock

CHECKOUT = Path(__file__).resolve().parents[2]
LAUNCHER = CHECKOUT / "deploy" / "kafka" / "launcher.py"
EXAMPLES = CHECKOUT / "examples"

UNITS: dict[str, tuple[str, ...]] = {
    "fr": ("--name", "France"),
    "it": ("--name", "Italy"),
    "de": ("--name", "Germany"),
    "centre": ("--kind", "centre", "--name", "Centre Against Migrant Smuggling"),
    # Enrolled under a working arrangement: it may not have personal data (ER 23(4)). It runs no daemon.
    "nz": ("--kind", "third-party", "--basis", "working-arrangement", "--purpose", "operational",
           "--purpose", "cross-check", "--name", "New Zealand"),
}  # fmt: skip
WITH_DAEMON = ("fr", "it", "de", "centre")
WITNESSES = ("fr", "it")
"""Units that cosign the ledger's checkpoints; both must, before a unit accepts one."""

ORIGIN = "contrada.example"


@dataclass(slots=True)
class Exchange:
    """The demo's exchange. `start` builds it, `stop` ends its processes and leaves its files."""

    directory: Path
    kafka: str = ""
    profile: str = "test"
    daemons: tuple[str, ...] = WITH_DAEMON
    with_ledger: bool = True
    with_console: bool = False
    guarded: bool = False
    """Whether its own Kafka knows its clients by certificates; one that was founded stays what it is."""

    processes: Processes = field(init=False)
    _held: HomeLock | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Nothing is started yet."""
        self.processes = Processes(self.directory / "logs")

    def home(self, unit: str) -> Path:
        """The home of a unit."""
        return self.directory / "units" / unit

    @property
    def centre(self) -> Path:
        """The home of the centre."""
        return self.directory / "centre"

    @property
    def ledger(self) -> Path:
        """What an auditor copies."""
        return self.centre / "ledger"

    def witness(self, unit: str) -> str:
        """Where a unit's witness listens."""
        with (self.home(unit) / "witness" / "witness.toml").open("rb") as file:
            return f"http://127.0.0.1:{tomllib.load(file)['port']}"

    def daemon(self, unit: str) -> DaemonClient:
        """The local API of a unit's daemon."""
        return DaemonClient(UnitHome(self.home(unit)))

    @property
    def certificates(self) -> Path:
        """Where they are, where Kafka asks for them."""
        return self.directory / "tls"

    def access(self, party: str) -> KafkaAccess:
        """The way to Kafka as this party."""
        files = TlsFiles.below(self.certificates / party) if self.guarded else None
        return KafkaAccess(self.kafka, files)

    def start(self) -> None:
        """Build everything, from nothing. That a daemon has no place for its socket is said first."""
        for unit in self.daemons:
            check_socket_path(UnitHome(self.home(unit)).socket)
        held = claim_directory(self.directory)
        self.guarded = makes_its_own(guarded=self.guarded)
        if self.guarded:
            found_authority(self.certificates)
        self._begin(held)
        say(f"founding the exchange on {self.kafka}, with new keys")
        self._found()
        self._enrol()
        if self.with_ledger:
            self._found_ledger()
        if self.with_console:
            found_console_of(self.centre, port=free_port(), http_port=free_port())
        self._tell_prometheus()
        note_founded(self.directory)
        self._run()

    def resume(self) -> None:
        """Start what an earlier demo has left: its homes, its keys, its Kafka. Nothing is founded."""
        held = keep_directory(self.directory)
        self.guarded = self.certificates.is_dir()
        self._begin(held)
        if self.kafka != (known := self._known_kafka()):
            raise DemoError(
                f"the homes in {self.directory} know the exchange at {known}, and Kafka is at {self.kafka}",
                hint="name that one with CONTRADA_KAFKA, or unset it where the demo ran a Kafka of its own",
            )
        self._run()

    def _begin(self, held: HomeLock) -> None:
        self._held = held
        self.processes.inherited = held.descriptors
        if self.guarded:
            issue_all(self.certificates, UNITS)
        say("starting Kafka" if self.guarded else "starting Kafka, in plain")
        self.kafka = os.environ.get("CONTRADA_KAFKA") or self._start_kafka()

    def _known_kafka(self) -> str:
        with UnitHome(self.home(self.daemons[0])).settings.open("rb") as file:
            return str(tomllib.load(file)["kafka"])

    def _run(self) -> None:
        say(f"starting {self._centre_processes}, and the daemons of {', '.join(self.daemons)}")
        self._start_centre()
        self._wait()
        # Last: what it finds while others are starting would be alarms.
        watch = ["--home", str(self.centre), "centre", "watch", "--every", "10s"]
        self.processes.start("watch", [*TETHERED, *watch])

    @property
    def _centre_processes(self) -> str:
        return "the router, the ledger" if self.with_ledger else "the router"

    def stop(self) -> None:
        """End every process, and leave the directory to the next demo."""
        self.processes.stop()
        if self._held is not None:
            self._held.close()
            self._held = None

    def _start_kafka(self) -> str:
        if not LAUNCHER.exists():
            raise DemoError(
                "this installation has no Kafka to start",
                hint="run the demo from a checkout ('make demo'), or name a cluster with CONTRADA_KAFKA",
            )
        command = [
            sys.executable,
            str(LAUNCHER),
            "up",
            "--dir",
            str(self.directory / "kafka"),
            "--profile",
            self.profile,
            *(("--tls", str(self.certificates / BROKER)) if self.guarded else ("--plain",)),
        ]
        process = self.processes.start("kafka", command, piped=True)
        assert process.popen.stdout is not None
        line = process.popen.stdout.readline()
        if not line:
            process.popen.wait(10)
            process.check()
        return str(json.loads(line)["bootstrap"])

    def _found(self) -> None:
        port = str(free_port())
        run_contrada(
            "--home", str(self.centre), *self._way("centre"), "centre", "init", "--router-port", port
        )
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._init, UNITS))

    def _way(self, party: str) -> tuple[str, ...]:
        """The options of a command that founds something: where Kafka is, and as whom."""
        if self.guarded:
            return ("--kafka", self.kafka, "--kafka-tls", str(self.certificates / party))
        # Of a cluster that is somebody else's, the environment may know more.
        said = SAID & os.environ.keys()
        return ("--kafka", self.kafka, *(() if said else ("--kafka-security", "plain")))

    def _init(self, unit: str) -> None:
        run_contrada(
            "--home", str(self.home(unit)), *self._way(topics.UNIT_PREFIX + unit), "unit", "init", unit,
            "--root", str(self.centre / "root.cbor"), "--contact", f"demo officer of {unit}",
        )  # fmt: skip

    def _enrol(self) -> None:
        for unit, facts in UNITS.items():
            request = self.home(unit) / "enrolment.cbor"
            run_contrada("--home", str(self.centre), "centre", "enrol", str(request), "--yes", *facts)

    def _found_ledger(self) -> None:
        """Two units make a witness each; the centre makes the ledger, and its policy goes to everybody."""
        named: list[str] = []
        for unit in WITNESSES:
            run_contrada("--home", str(self.home(unit)), "witness", "init", f"{unit}.example/witness",
                     "--port", str(free_port()), "--http-port", str(free_port()))  # fmt: skip
            named += ["--witness", str(self.home(unit) / "witness" / "witness.policy")]
        run_contrada("--home", str(self.centre), "ledger", "init", "--origin", ORIGIN, *named,
                 "--quorum", str(len(WITNESSES)), "--http-port", str(free_port()))  # fmt: skip
        policy = (self.ledger / "policy").read_bytes()
        for unit in self.daemons:
            replace_file(self.home(unit) / "ledger-policy", policy)
        for unit in WITNESSES:
            replace_file(self.home(unit) / "witness" / "policy", policy)
        router = CentreHome(self.centre).router_settings
        line = f"ledger_policy = {json.dumps(str(self.ledger / 'policy'))}\n"
        replace_file(router, router.read_bytes() + line.encode())

    def _tell_prometheus(self) -> None:
        """Ports for the daemons and the watch, and the settings of a Prometheus that asks all processes."""
        homes = [(unit, self.home(unit)) for unit in self.daemons]
        for _, home in homes:
            give_port(home, free_port())
        settings = CentreHome(self.centre).settings
        replace_file(settings, settings.read_bytes() + f"watch_port = {free_port()}\n".encode())
        asked = targets(centre=self.centre, homes=homes, witnesses=WITNESSES if self.with_ledger else ())
        replace_file(self.directory / "prometheus.yml", scrape_settings(asked).encode())

    def _start_centre(self) -> None:
        self.processes.start(
            "router", [*TETHERED, "router", "run", "--config", str(self.centre / "router.toml")]
        )
        if self.with_ledger:
            self.processes.start("ledger", [*TETHERED, "--home", str(self.centre), "ledger", "run"])
        start_console(self.processes, self.centre)
        for unit in self.daemons:
            self.processes.start(f"unit-{unit}", [*TETHERED, "--home", str(self.home(unit)), "unit", "run"])

    def _wait(self) -> None:
        for name in ("router", "ledger") if self.with_ledger else ("router",):
            self.processes.wait_until(f"the {name}", partial(_is_ready, self.centre / f"{name}.toml"))
        if console_in(self.centre).exists():
            self.processes.wait_until("the console", partial(_is_ready, console_in(self.centre)))
        for unit in self.daemons:
            self.processes.wait_until(f"the daemon of {unit}", partial(_daemon_ready, self.daemon(unit)))


def _is_ready(settings: Path) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port_in(settings)}/readyz", timeout=2) as answer:
            return bool(json.load(answer)["ready"])
    except (URLError, OSError, ValueError):
        return False


def _daemon_ready(daemon: DaemonClient) -> bool:
    return eventually(lambda: bool(daemon.get("/readyz")["ready"]), within=0)


def example(name: str) -> bytes:
    """A file of examples/."""
    path = EXAMPLES / name
    if not path.exists():
        raise DemoError(f"the example {path} is not there", hint="run the demo from a checkout")
    return path.read_bytes()
