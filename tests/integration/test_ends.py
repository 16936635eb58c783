"""How the four programs end: told to stop, left by their terminal, or by a crash of one of their jobs. Without Kafka."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.ledger.admin.ledger_founding import LedgerPlan, found_ledger
from clients.daemon.home import make_unit_home
from deploy.kafka.ports import free
from keys.ceremony import found_exchange
from keys.store import write_private
from keys.unlock import Credential
from protocol.identifiers import UnitId
from runtime.process.clock import now
from tests.cli.homes import world
from tests.cli.terminal import contrada
from tests.sim.witnessing import logs_policy
from tests.unit.broker.files import write_router
from tests.waiting import ended, until

ROOT = Path(__file__).resolve().parents[2]
RUN = "from clients.cli.main import main; main()"


def unit(tmp: Path) -> list[str]:
    """A unit whose Kafka is never there."""
    home = tmp / "fr"
    make_unit_home(home, unit=UnitId("fr"), bootstrap="127.0.0.1:9", root=world().root.encoded())
    return ["--home", str(home), "unit", "run"]


def witness(tmp: Path) -> list[str]:
    policy, home = tmp / "policy", str(tmp / "w")
    policy.write_text(logs_policy())
    (port,) = free(1)
    init = ["witness", "init", "fr.example/witness", "--policy", str(policy), "--port", str(port)]
    init += ["--http-port", "0"]
    assert contrada("--home", home, *init).exit == 0
    return ["--home", home, "witness", "run"]


def router(tmp: Path) -> list[str]:
    return ["router", "run", "--config", str(write_router(tmp / "router"))]


def ledger(tmp: Path) -> list[str]:
    home, secret = tmp / "centre", os.urandom(32)
    home.mkdir(mode=0o700)
    write_private(home / "centre.secret", secret, entropy=os.urandom)
    found_exchange(home / "keys", secret=Credential(secret), now=now(), entropy=os.urandom)
    (home / "keys" / "root.pin").rename(home / "root.cbor")
    (home / "centre.toml").write_text('kafka = "127.0.0.1:9"\nsecret = "centre.secret"\n')
    plan = LedgerPlan(
        home=home, origin="contrada.example", kafka=None, http_port=0, witnesses=(), quorum=0
    )  # fmt: skip
    found_ledger(plan, now=now())
    return ["--home", str(home), "ledger", "run"]


@dataclass(frozen=True)
class Program:
    """How it is set up, one of its jobs, and what it logs when it runs."""

    name: str
    made: Callable[[Path], list[str]]
    module: str
    job: str
    ready: str


PROGRAMS = (
    Program("daemon", unit, "clients.daemon.daemon", "Daemon._mark_sent", '"event": "started"'),
    Program("witness", witness, "clients.witness.app", "serve", '"event": "witness_started"'),
    Program("router", router, "broker.replica", "Replica.run", '"event": "started"'),
    Program("ledger", ledger, "broker.ledger.app", "_work", '"event": "started"'),
)
each = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


@contextmanager
def running(
    arguments: list[str], log: Path, *, before: str = "", wrapper: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """The command line in a process of its own; killed at last."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-P", "-c", f"{before}\n{RUN}", *arguments],
            stdout=out, stderr=out, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        ended(process)


def up(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it says that it runs."""

    def alive() -> None:
        assert process.poll() is None, log.read_text()

    until(lambda: program.ready in log.read_text(), what=f"the {program.name} to start", alive=alive)


FAILING = """
async def fail(*_, **__):
    raise KeyError("Wanda-1984")
import {module} as place
owner, _, name = "{job}".rpartition(".")
setattr(getattr(place, owner) if owner else place, name, fail)
"""

ENDING = FAILING.replace('raise KeyError("Wanda-1984")', "return None")


@each
def test_a_crash_of_a_job_ends_in_an_error_with_one_line_why(program: Program, tmp_path: Path) -> None:
    """Not in 0: whoever started it learns that it crashed, and where. What the error quotes is not repeated."""
    log = tmp_path / "log"
    before = FAILING.format(module=program.module, job=program.job)
    with running(program.made(tmp_path), log, before=before) as process:
        code = ended(process)

    lines = [line for line in log.read_text().splitlines() if not line.startswith("{")]
    assert code == 1
    assert lines[0].startswith(f"contrada: the {program.name} ended: KeyError in fail (")
    assert lines[0].endswith("(E_CRASHED)")
    assert lines[1].startswith("hint: ")
    assert "Wanda" not in log.read_text()
    logged = [json.loads(line) for line in log.read_text().splitlines() if '"crashed"' in line]
    assert [line["error"] for line in logged] == ["KeyError"]


@pytest.mark.parametrize("program", PROGRAMS[1:], ids=lambda program: program.name)
def test_a_job_that_is_over_is_a_crash(program: Program, tmp_path: Path) -> None:
    """A task that should never end, and did without an error, does not pass as an orderly end."""
    log = tmp_path / "log"
    before = ENDING.format(module=program.module, job=program.job)
    with running(program.made(tmp_path), log, before=before) as process:
        assert ended(process) == 1
    assert f"contrada: the {program.name} ended: its task '" in log.read_text()


@pytest.mark.parametrize(
    "program",
    # A router ends by itself where there is no Kafka: the others are there without one.
    [program for program in PROGRAMS if program.name != "router"],
    ids=lambda program: program.name,
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_told_to_stop_it_ends_with_0(program: Program, number: signal.Signals, tmp_path: Path) -> None:
    """By the service manager, by Ctrl-C, or because the terminal was closed: an orderly end each time."""
    log = tmp_path / "log"
    with running(program.made(tmp_path), log) as process:
        up(program, process, log)
        process.send_signal(number)
        assert ended(process) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_nohup_keeps_it_from_ending_with_the_terminal(tmp_path: Path) -> None:
    """What whoever starts it has told it to ignore, it ignores."""
    program, log = PROGRAMS[0], tmp_path / "log"
    with running(program.made(tmp_path), log, wrapper=("nohup",)) as process:
        up(program, process, log)
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0
    assert int(ignored, 16) & 1 << signal.SIGHUP - 1


def listens(home: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as client, suppress(OSError):
        client.connect(str(home / "run" / "api.sock"))
        return True
    return False


def test_removing_the_lock_lets_no_second_daemon_in(tmp_path: Path) -> None:
    """The second ends with 9 and says who is there; the first goes on, and keeps its address."""
    program, log, second = PROGRAMS[0], tmp_path / "log", tmp_path / "second"
    arguments = program.made(tmp_path)
    with running(arguments, log) as first:
        up(program, first, log)
        (tmp_path / "fr" / "lock").unlink()
        with running(arguments, second) as other:
            assert ended(other) == 9
        assert f"another daemon works on {tmp_path / 'fr'}" in second.read_text()
        assert listens(tmp_path / "fr")
        first.send_signal(signal.SIGTERM)
        assert ended(first) == 0
    assert not (tmp_path / "fr" / "run" / "api.sock").exists()


def test_a_killed_daemons_home_is_free(tmp_path: Path) -> None:
    """Neither its lock nor its socket keeps the next one from starting."""
    program, log, second = PROGRAMS[0], tmp_path / "log", tmp_path / "second"
    arguments = program.made(tmp_path)
    with running(arguments, log) as first:
        up(program, first, log)
        first.kill()
        ended(first)
    assert (tmp_path / "fr" / "run" / "api.sock").exists()
    with running(arguments, second) as next_one:
        up(program, next_one, second)
        assert listens(tmp_path / "fr")
