"""Witnesses as processes: killed at any point, asked by forks at once, alone and inside a unit's daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from broker.ledger.cosigning import Cosigner, places
from clients.daemon.home import make_unit_home
from clients.demo.free_ports import free_port
from clients.witness.head_store import HeadStore
from protocol.identifiers import UnitId
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.cosignatures import accept_cosignatures, with_cosignatures
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry, policy_text
from protocol.tlog.tiles import Tile, TreeWriter
from runtime.process.homes import UnitHome
from tests.cli.homes import world
from tests.cli.terminal import contrada
from tests.integration import failing_witness
from tests.integration.units import UnitProcess
from tests.sim.witnessing import LOG_KEY, SHARD, Branch, logs_policy
from tests.waiting import GENEROUS, ended, until

ROOT = Path(__file__).resolve().parents[2]
log = Branch()
NEXT = SHARD.replace("2026h2", "2027h1")


@dataclass
class Process:
    """A witness's home, and how to run it."""

    home: Path
    port: int
    http_port: int

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """The process, until it ends; killed at last."""
        words = command or ("-m", "clients.cli.main", "--home", str(self.home), "witness", "run")
        with (self.home / "log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", *words],
                stdout=out, stderr=out, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        try:
            until(lambda: self._is_up() or process.poll() is not None, what="the witness to listen")
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            ended(process)

    def _is_up(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=GENEROUS):
            return True
        return False

    def ask(self, data: bytes) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{self.port}/add-checkpoint", content=data, timeout=GENEROUS)

    def own(self, page: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.http_port}{page}", timeout=GENEROUS)

    def cosigners(self, answer: httpx.Response, branch: Branch, size: int) -> int:
        keys = [
            witness.key for witness in parse_policy((self.home / "witness.policy").read_bytes()).witnesses
        ]
        return len(accept_cosignatures(answer.content, branch.checkpoint(size), keys))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy"
    path.write_text(logs_policy(SHARD, NEXT))
    return path


@pytest.fixture
def witness(tmp_path: Path, policy: Path) -> Process:
    made = Process(tmp_path / "w", free_port(), free_port())
    seen = contrada(
        "--home", str(made.home), "witness", "init", "fr.example/witness", "--policy", str(policy),
        "--port", str(made.port), "--http-port", str(made.http_port),
    )  # fmt: skip
    assert seen.exit == 0, seen
    return made


def test_a_witness_serves_and_ends_in_order(witness: Process) -> None:
    """It signs, shows its health, ends with 0 on SIGTERM, and the next process goes on from there."""
    with witness.running() as process:
        assert witness.cosigners(witness.ask(log.request(0, 6)), log, 6) == 2
        assert witness.own("/healthz").text == "ok\n"
        assert witness.own("/readyz").json()["ready"] is True
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0

    with witness.running():
        assert witness.ask(log.request(0, 6)).text == "6\n"
        served = httpx.get(f"http://127.0.0.1:{witness.port}/{sha256(SHARD.encode()).hexdigest()}/checkpoint")
    assert parse_checkpoint(served.content).checkpoint == log.checkpoint(6)


@pytest.mark.parametrize("point", failing_witness.POINTS)
def test_killed_at_any_point_it_signs_one_history(witness: Process, tmp_path: Path, point: str) -> None:
    """kill -9 before or after the commit: what left was stored, what was stored stays, and a fork is refused."""
    script = str(ROOT / "tests" / "integration" / "failing_witness.py")
    with witness.running(script, str(witness.home), point, str(tmp_path / "marker")) as process:
        with pytest.raises(httpx.TransportError):
            witness.ask(log.request(0, 6))
        assert ended(process) == -signal.SIGKILL

    stored = point == "after commit"
    with witness.running():
        fork, again = (
            witness.ask(Branch("other").request(6 if stored else 7, 6)),
            witness.ask(log.request(0, 6)),
        )
        assert fork.status_code == (422 if stored else 400)
        assert (again.status_code, again.text if stored else "") == ((409, "6\n") if stored else (200, ""))
        assert witness.cosigners(witness.ask(log.request(6, 6)), log, 6) == 2
        assert witness.cosigners(witness.ask(log.request(6, 11)), log, 11) == 2


@pytest.mark.parametrize("point", failing_witness.POINTS)
def test_killed_as_a_half_year_begins_it_knows_all_of_it_or_nothing(
    witness: Process, tmp_path: Path, point: str
) -> None:
    """kill -9 before or after the commit: the new head, and that the one before has ended, are one."""
    after = log.followed_by(NEXT, at=6)
    script = str(ROOT / "tests" / "integration" / "failing_witness.py")
    with witness.running():
        assert witness.ask(log.request(0, 6)).status_code == 200
        assert witness.ask(after.request(0, 5)).text == "1\n"
    with witness.running(script, str(witness.home), point, str(tmp_path / "marker")) as process:
        with pytest.raises(httpx.TransportError):
            witness.ask(after.request(1, 5))
        assert ended(process) == -signal.SIGKILL

    stored = point == "after commit"
    with witness.running():
        assert witness.ask(log.request(6, 8)).status_code == (422 if stored else 200)
        assert witness.ask(after.request(1, 5)).status_code == (409 if stored else 422)
    seen = json.loads(contrada("--home", str(witness.home), "witness", "status", "--json").out)
    assert [each["continues"] for each in seen["logs"]] == ([None, SHARD] if stored else [None])


@pytest.mark.slow
def test_killed_at_random_it_signs_one_history(witness: Process) -> None:
    """Many requests of two forks, and kill -9 between them: all that was ever signed is one history."""
    branches = (log, Branch("other", forked_at=2))
    signed: dict[int, set[bytes]] = {}

    def ask(number: int) -> None:
        branch, size = branches[number % 2], 3 + number // 4
        with suppress(httpx.TransportError):
            told = witness.ask(branch.request(0, size))
            known = int(told.text) if told.status_code == 409 else 0
            answer = witness.ask(branch.request(known, size)) if known <= size else told
            for each in (told, answer):
                if each.status_code == 200 and witness.cosigners(each, branch, size):
                    signed.setdefault(size, set()).add(branch.checkpoint(size).root)

    for round_ in range(4):
        with witness.running() as process, ThreadPoolExecutor(4) as pool:
            done = [pool.submit(ask, 12 * round_ + number) for number in range(12)]
            done[5].result(GENEROUS)
            process.kill()
            ended(process)

    histories = {
        branch.name
        for branch in branches
        if all(roots == {branch.checkpoint(size).root} for size, roots in signed.items())
    }
    assert signed
    assert len(histories) == 1
    heads = HeadStore(witness.home / "heads.sqlite")
    assert heads.head(SHARD).size >= max(signed)
    heads.close()


def test_two_forks_at_once(witness: Process) -> None:
    """Whichever comes first: of two roots of one size one is signed, and the fork is shown by `status`."""
    branches = (log, Branch("other")) * 8
    with witness.running(), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda branch: witness.ask(branch.request(0, 6)), branches))
        metrics = witness.own("/metrics").text

    signed = {
        branch.name for branch, answer in zip(branches, answers, strict=True) if answer.status_code == 200
    }
    assert len(signed) == 1
    assert 'contrada_witness_evidence{kind="fork"} 1.0' in metrics
    assert '"code": "fork"' in (witness.home / "log").read_text()
    seen = contrada("--home", str(witness.home), "witness", "status", "--json")
    assert seen.exit == 7
    [piece] = json.loads(seen.out)["evidence"]
    both = [
        parse_checkpoint(Path(piece["folder"], name).read_bytes())
        for name in ("offered.note", "cosigned.note")
    ]
    for note in both:
        parse_policy(logs_policy()).signed_by_log(note)
    assert {note.checkpoint.size for note in both} == {6}
    assert len({note.checkpoint.root for note in both}) == 2


def test_a_log_that_went_back(witness: Process) -> None:
    """A log whose disk was put back goes on from there: refused, kept, shown."""
    with witness.running():
        for old, size in ((0, 4), (4, 20)):
            witness.ask(log.request(old, size))
        assert witness.ask(log.request(4, 9, after=1)).text == "20\n"

    seen = contrada("--home", str(witness.home), "witness", "status")
    assert seen.exit == 3
    assert "older" in seen.out


def test_one_home_has_one_witness(witness: Process) -> None:
    """A second process is refused, with another exit code than a wrong setting."""
    with witness.running():
        assert contrada("--home", str(witness.home), "witness", "run").exit == 9


def test_without_memory_it_does_not_start(witness: Process) -> None:
    """Somebody removed what it signed: it stays off, and says what to do."""
    (witness.home / "heads.sqlite").unlink()

    seen = contrada("--home", str(witness.home), "witness", "run")

    assert seen.exit == 7
    assert "E_STATE_LOST" in seen.err
    assert not (witness.home / "heads.sqlite").exists()


def test_a_unit_is_a_witness_as_well(tmp_path: Path, policy: Path) -> None:
    """The witness of a unit's home runs inside its daemon, whether or not Kafka is there."""
    home = tmp_path / "fr"
    make_unit_home(home, unit=UnitId("fr"), bootstrap="127.0.0.1:1", root=world().root.encoded())
    made = Process(home / "witness", free_port(), free_port())
    seen = contrada(
        "--home", str(home), "witness", "init", "fr.example/witness", "--policy", str(policy),
        "--port", str(made.port), "--http-port", str(made.http_port), "--json",
    )  # fmt: skip
    assert seen.exit == 0, seen
    assert not (made.home / "witness.secret").exists()
    assert contrada("--home", str(home), "unit", "run", "--check-config").exit == 0

    with made.running("-m", "clients.daemon", str(home)) as process:
        assert made.cosigners(made.ask(log.request(0, 6)), log, 6) == 2
        assert made.own("/readyz").status_code == 200
        assert contrada("--home", str(home), "witness", "run").exit == 9
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0
    assert contrada("--home", str(home), "witness", "status").exit == 0


def test_a_unit_works_without_its_witness(tmp_path: Path, policy: Path) -> None:
    """A witness that lost its memory is an alarm, and does not keep the unit from its messages."""
    home = tmp_path / "fr"
    make_unit_home(home, unit=UnitId("fr"), bootstrap="127.0.0.1:1", root=world().root.encoded())
    contrada("--home", str(home), "witness", "init", "fr.example/witness", "--policy", str(policy))
    (home / "witness" / "heads.sqlite").unlink()
    assert contrada("--home", str(home), "unit", "run", "--check-config").exit == 7

    unit = UnitProcess("fr", UnitHome(home))
    unit.start()
    try:
        assert unit.get("/v1/status")["unit"] == "fr"
        assert '"code": "witness_not_started"' in unit.log()
        assert unit.kill(signal.SIGTERM) == 0
    finally:
        unit.stop()


async def test_the_ledger_gets_its_cosignatures(witness: Process) -> None:
    """The ledger's own client and this witness understand each other: from nothing, and after a kill."""
    keys = parse_policy((witness.home / "witness.policy").read_bytes()).witnesses
    entry = WitnessEntry("fr", tuple(each.key for each in keys), keys[0].url)
    policy = parse_policy(policy_text(LOG_KEY.vkeys(SHARD), witnesses=[entry], quorum=1))
    tree, files = TreeWriter(), {}

    def read(tile: Tile) -> bytes:
        return files[tile.path]

    async with httpx.AsyncClient(timeout=GENEROUS, trust_env=False) as client:
        for size in (3, 300):
            for index in range(tree.size, size):
                tree.append(log.entry(index))
            files.update(tree.take())
            signed = parse_checkpoint(log.note(size))
            with witness.running():
                lines = await Cosigner(client, policy).ask(places(policy), signed, read)
            cosigned = parse_checkpoint(with_cosignatures(signed.data, lines))
            assert policy.trusted(cosigned).checkpoint.size == size
