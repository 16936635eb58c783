"""How many actions it takes from an empty host to the first verified delivery: each is done, and counted.

An exchange stands: Kafka with certificates, two registrars, a cooling-off time, a router, a ledger and a witness, all real
processes. Then a unit that nobody has heard of joins it, by the commands that its people and the centre's type. `make actions`
prints the list; a test runs the same and holds it to five.

Counted is what a person does: a command, or installing the package. What goes with an action is named with it: a file that is
carried, a code that is read aloud. By the way of counting before (commands, files carried, comparisons by voice, each as one)
the sum is printed as well. The first check is made by the unit's own `join`; that a person can make it again is tried, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clients.cli.joining.checking import HOLDS
from clients.demo.free_ports import free_port
from deploy.kafka.launcher import Cluster
from tests.waiting import ended, until

ROOT = Path(__file__).resolve().parents[2]
MOST_ACTIONS = 5
COOLING_OFF = "3s"


@dataclass
class Actions:
    """What people did."""

    lines: list[str] = field(default_factory=list)
    commands: int = 0
    carried: int = 0
    by_voice: int = 0

    def did(self, what: str, *, who: str, command: bool = True, carried: str = "", voice: str = "") -> None:
        more = [*([f"one file carried: {carried}"] if carried else []), *([voice] if voice else [])]
        self.lines.append(
            f"{len(self.lines) + 1}. {who}: {what}" + (f"  ({'; '.join(more)})" if more else "")
        )
        self.commands += command
        self.carried += bool(carried)
        self.by_voice += bool(voice)

    @property
    def summary(self) -> str:
        each = self.commands + self.carried + self.by_voice
        return (
            f"{len(self.lines)} actions ({self.commands} commands, {self.carried} file carried, {self.by_voice} comparison by "
            f"voice: {each} if each of these is counted by itself, which was 22)"
        )


@contextmanager
def running(
    log: Path, *words: str, stdin: int | None = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """A command line that stays, ended by its own id."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clients.cli.main", *words],
            cwd=ROOT,
            stdout=out,
            stderr=out,
            stdin=stdin,
            env=_clean(),
        )
    try:
        yield process
    finally:
        process.terminate()
        ended(process)


def typed(*words: str, exits: int = 0) -> str:
    """What a command line says on both streams, once it has ended as it should."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "clients.cli.main", *words],
        cwd=ROOT, capture_output=True, text=True, env=_clean(), stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == exits, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def _clean() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CONTRADA", "CREDENTIALS"))
    }
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}


@dataclass
class StandingExchange:
    """An exchange that waits for a unit."""

    place: Path
    kafka: str
    registrars: int = 2

    @property
    def centre(self) -> Path:
        return self.place / "centre"

    @property
    def second(self) -> Path:
        """The second registrar's medium."""
        return self.place / "registrar-2"

    def at_centre(self, *words: str, exits: int = 0) -> str:
        return typed("--home", str(self.centre), "centre", *words, exits=exits)

    def found(self, *, cooling_off: str) -> None:
        way = ("--kafka", self.kafka, "--kafka-tls", str(self.place / "centre-tls"))
        said = ("--registrars", str(self.registrars), "--cooling-off", cooling_off, "--router-port", "0")
        typed("--home", str(self.centre), *way, "centre", "init", *said)
        if self.registrars > 1:
            (self.centre / "keys" / "registrar-2").rename(self.second)
        court = self.place / "court"
        typed(
            "--home",
            str(court),
            "witness",
            "init",
            "court.example/witness",
            "--port",
            str(free_port()),
            "--http-port",
            "0",
        )
        witness = court / "witness.policy"
        if not witness.exists():
            witness = court / "witness" / "witness.policy"
        named = ("--origin", "x.example", "--witness", str(witness), "--quorum", "1", "--http-port", "0")
        typed("--home", str(self.centre), "ledger", "init", *named)
        (witness.parent / "policy").write_bytes((self.centre / "ledger" / "policy").read_bytes())

    @contextmanager
    def processes(self) -> Iterator[None]:
        with ExitStack() as started:
            start = started.enter_context
            start(running(self.place / "witness.log", "--home", str(self.place / "court"), "witness", "run"))
            start(
                running(
                    self.place / "router.log", "router", "run", "--config", str(self.centre / "router.toml")
                )
            )
            start(running(self.place / "ledger.log", "--home", str(self.centre), "ledger", "run"))
            yield


@contextmanager
def standing_exchange(
    place: Path, *, registrars: int = 2, cooling_off: str = COOLING_OFF
) -> Iterator[StandingExchange]:
    """Kafka with certificates, and an exchange on it."""
    ca = str(place / "ca")
    for party, more in (("broker", ("--host", "127.0.0.1")), ("centre", ())):
        out = str(place / ("broker" if party == "broker" else "centre-tls"))
        typed("centre", "certificate", party, "--authority", ca, "--out", out, *more)
    with Cluster(place / "k", tls=place / "broker") as cluster:
        made = StandingExchange(place, str(cluster.bootstrap), registrars)
        made.found(cooling_off=cooling_off)
        with made.processes():
            yield made


def code_shown(log: Path) -> str:
    """The code as the person at the unit sees it."""
    shown = re.search(r"\b([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b", log.read_text())
    return shown.group(1) if shown else ""


def from_nothing_to_a_delivery(exchange: StandingExchange, unit: str = "pl") -> Actions:
    """Everything that people do, in order; what a process does by itself is not counted."""
    done, host = Actions(), exchange.place / f"host-{unit}"
    host.mkdir()
    done.did("install the package (apt install ./contrada.deb)", who="unit")

    file = exchange.place / f"{unit}.invitation"
    exchange.at_centre("invite", unit, "--out", str(file))
    done.did(f"contrada centre invite {unit}", who="centre")

    home, log = host / "home", exchange.place / f"{unit}.log"
    with running(log, "--home", str(home), "unit", "join", str(file), "--contact", "duty desk") as joining:

        def joins() -> None:
            assert joining.poll() is None, log.read_text()

        done.did(f"contrada unit join {file.name}", who="unit", carried=file.name)
        code = until(lambda: code_shown(log), what="the code at the unit", alive=joins)
        until(lambda: "the request is with the centre" in log.read_text(), what="the request to be sent")

        second = ("--registrar-key", str(exchange.second)) if exchange.registrars > 1 else ()
        exchange.at_centre("enrol", unit, "--code", code, *second)
        done.did(
            f"contrada centre enrol {unit}" + (", both registrars at the machine" if second else ""),
            who="centre",
            voice="one code compared by voice",
        )

        until(lambda: HOLDS in log.read_text(), what="the daemon to start and to check by itself")
        typed("--home", str(home), "unit", "check")  # and not counted: it says the same once more
    return done


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ca-") as place, standing_exchange(Path(place)) as exchange:
        done = from_nothing_to_a_delivery(exchange)
    print("\n".join((*done.lines, done.summary)))
    if len(done.lines) > MOST_ACTIONS:
        raise SystemExit(f"at most {MOST_ACTIONS} were to do")


if __name__ == "__main__":
    main()
