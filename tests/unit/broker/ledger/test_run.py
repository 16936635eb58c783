"""The ledger's parts around the sequencer: what is judged when, what is served, founded, set and measured."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx
import pytest

from broker import announcements
from broker.announcements import Stating
from broker.errors import RolledBack
from broker.ledger import read_api as reading
from broker.ledger import record_judge
from broker.ledger.admin import ledger_founding
from broker.ledger.app import ready
from broker.ledger.batching import BatchLimits
from broker.ledger.cosigning import Cosigner
from broker.ledger.directory_sequencer import DirectorySequencer
from broker.ledger.log_storage import LogStorage
from broker.ledger.metrics import LedgerMetrics
from broker.ledger.publishing import Publisher
from broker.ledger.pulse import Pulse
from broker.ledger.record_judge import JudgedRecord, RecordJudge
from broker.ledger.run import LedgerRun
from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import RecordStore
from broker.replica import Replica
from keys.ceremony import found_exchange
from keys.directory import Directory
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from keys.store import write_private
from keys.unlock import Credential
from protocol import topics
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import ledger_policy
from protocol.trail.records import RecordType
from runtime.errors import Conflict, Misconfigured
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, returning
from tests.sim.world import NOON, World
from tests.unit.broker.ledger.rig import (
    AUDIT,
    DIRECTORY,
    KEYS,
    NAME,
    MemoryMarks,
    MemoryTopics,
    Rig,
    world_of,
)
from tests.waiting import until_async


class LateFeed:
    """A directory topic whose last statement comes late: implements `broker.statement_feed.StatementFeed`."""

    def __init__(self, statements: list[bytes]) -> None:
        self.first, self.last = statements[:-1], statements[-1]
        self.is_due = lambda: False

    async def run(self, take, caught_up) -> None:
        for statement in self.first:
            take(statement)
        while True:
            caught_up()
            await asyncio.sleep(0.01)
            if self.is_due():
                take(self.last)


def ledger_run_of(rig: Rig, bus: MemoryTopics, replica: Replica) -> LedgerRun:
    """The process's parts on a rig, with Kafka in memory."""
    policy = parse_policy(ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys))
    sequencer, metrics = rig.writer(), LedgerMetrics.create()
    publisher = Publisher(
        name=NAME,
        store=rig.store,
        policy=policy,
        cosigner=Cosigner(httpx.AsyncClient(), policy),
        reader=sequencer.reader,
        metrics=metrics,
        monotonic=lambda: 0.0,
    )
    return LedgerRun(
        name=NAME,
        topics=bus,
        replica=replica,
        stating=Stating(replica, rig.world.ledger, lambda: NOON, os.urandom),
        records=rig.records,
        store=rig.store,
        keys=KEYS,
        policy=policy,
        sequencer=sequencer,
        directory_log=DirectorySequencer(LogStorage(rig.records, rig.store, NAME), KEYS.signers),
        publisher=publisher,
        pulse=Pulse(
            records=rig.records,
            store=rig.store,
            publisher=publisher,
            marks=MemoryMarks(),
            clock=lambda: NOON,
            monotonic=time.monotonic,
        ),
        metrics=metrics,
        clock=lambda: NOON,
        monotonic=time.monotonic,
        limits=BatchLimits(wait=0.01),
    )


async def until(condition, *tasks) -> None:
    def alive() -> None:
        for task in tasks:
            if task.done():
                task.result()

    await until_async(condition, what="the ledger", alive=alive)


async def test_a_verdict_waits_for_the_newest_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions of a router whose appointment comes later than they do are no UNVERIFIED; garbage is one."""
    world = World()
    world.router = SoftIdentity.generate(UnitId("router-new"), world.entropy)
    world.appoint(StatementType.ROUTER, world.router, by=world.registrar)
    world.submit("fr", world.compose("fr", ["it"]))
    world.route("fr")
    rig, bus = Rig(tmp_path, world), MemoryTopics()
    bus.records[topics.AUDIT] = [*world.audit, b"garbage"]
    feed = LateFeed(world.directory.snapshot())
    replica = Replica(feed, world.directory.root, monotonic=lambda: 0.0)
    ledger = ledger_run_of(rig, bus, replica)
    doubted = []

    class Doubting(RecordJudge):
        def read(self, record: InputRecord, *, first: int) -> JudgedRecord:
            try:
                return super().read(record, first=first)
            except Rejected:
                doubted.append(record.offset)
                raise

    monkeypatch.setattr("broker.ledger.run.RecordJudge", Doubting)
    feed.is_due = lambda: bool(doubted)
    tasks = [asyncio.create_task(replica.run()), asyncio.create_task(ledger.attempt())]
    statements = world.directory.head.size
    await until(
        lambda: rig.state().directory_next == statements and len(bus.records.get(topics.LEDGER, ())) > 2,
        *tasks,
    )
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    types = [row.type for row in rig.records.rows(AUDIT)]
    assert types.count(RecordType.ACCEPTED) == 1
    assert types.count(RecordType.UNVERIFIED) == 1
    assert types.count(RecordType.DIRECTORY_STATEMENT) == statements
    assert rig.state(DIRECTORY).root == world.directory.head.root
    assert not ledger.working


def a_fault_of_ours_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    world = world_of(1)
    judge = RecordJudge(world.directory, UnitId("ledger"), world.entropy)
    record = InputRecord(0, 0, world.audit[0])
    assert judge.read(record, first=0).entries
    with patch.context() as faulty:
        faulty.setattr(record_judge, "leaves_of_decisions", lambda *_, **__: 1 // 0)
        with pytest.raises(Rejected) as refused:
            judge.read(record, first=0)
    assert refused.value.reason is Code.E_SCHEMA


def test_a_fault_of_ours_over_a_record_ends_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised: the record becomes a leaf UNVERIFIED, and those behind it are read."""
    a_fault_of_ours_is_a_refusal(monkeypatch)


def test_that_a_fault_ends_no_log_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the ledger would end at that record, and at every start again."""
    mutant = Mutant(RecordJudge.read, returning("self._read(record, first=first)"))
    with mutated(mutant), pytest.raises(ZeroDivisionError):
        a_fault_of_ours_is_a_refusal(monkeypatch)


async def test_a_key_that_is_not_appointed_keeps_no_ledger(tmp_path: Path) -> None:
    """The directory must appoint the ledger's identity, or everything that it states would be refused."""
    rig = Rig(tmp_path, world_of(1))
    replica = Replica(
        LateFeed(rig.world.directory.snapshot()), rig.world.directory.root, monotonic=lambda: 0.0
    )
    ledger = ledger_run_of(rig, MemoryTopics(), replica)
    ledger.stating = Stating(replica, rig.world.root_key, lambda: NOON, os.urandom)
    following = asyncio.create_task(replica.run())
    with pytest.raises(Misconfigured):
        await ledger.attempt()
    following.cancel()
    await asyncio.wait([following])


async def announces_nothing_with_an_ended_key(folder: Path) -> None:
    """The logs go on; what it would state of the directory waits for a key that is valid."""
    folder.mkdir()
    rig, bus, moment = Rig(folder, world_of(1)), MemoryTopics(), [Millis(NOON + 366 * DAY)]
    replica = Replica(
        LateFeed(rig.world.directory.snapshot()), rig.world.directory.root, monotonic=lambda: 0.0
    )
    ledger = ledger_run_of(rig, bus, replica)
    ledger.stating = Stating(replica, rig.world.ledger, lambda: moment[0], os.urandom)
    statements = rig.world.directory.head.size - 1
    tasks = [asyncio.create_task(replica.run()), asyncio.create_task(ledger.attempt())]
    try:
        await until(lambda: ledger.working and rig.state(DIRECTORY).size == statements, *tasks)
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not bus.records.get(topics.AUDIT)
        assert ready(ledger)["appointed"] == {"ok": False, "code": "E_KEY_EXPIRED"}
        moment[0] = NOON
        await until(lambda: len(bus.records.get(topics.AUDIT, ())) == statements, *tasks)
        assert ready(ledger)["appointed"] == {"ok": True}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_it_announces_nothing_with_an_ended_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it says; without the wait it would state what nobody takes."""
    monkeypatch.setattr(announcements, "LOOK_AT_KEY", 0.001)
    await announces_nothing_with_an_ended_key(tmp_path / "one")
    with mutated(Mutant(LedgerRun._directory, dropped("self.stating.valid"))), pytest.raises(AssertionError):
        await announces_nothing_with_an_ended_key(tmp_path / "other")


class EmptyFeed:
    """A directory topic without a record: implements `broker.statement_feed.StatementFeed`."""

    async def run(self, take, caught_up) -> None:
        while True:
            caught_up()
            await asyncio.sleep(0.01)


async def test_a_directory_that_lost_what_was_logged_of_it_is_no_wrong_setting(tmp_path: Path) -> None:
    """Empty, it appoints nobody. The log knows better: Kafka lost its statements, or is another one."""
    rig = Rig(tmp_path, world_of(1))
    root = rig.world.directory.root
    ledger = ledger_run_of(rig, MemoryTopics(), Replica(EmptyFeed(), root, monotonic=lambda: 0.0))
    following = asyncio.create_task(ledger.replica.run())
    with pytest.raises(Misconfigured):  # a ledger that has logged nothing may be at a wrong Kafka
        await ledger.attempt()
    ledger.directory_log.resume(Directory(root))
    ledger.directory_log.advance(rig.world.directory, now=NOON)

    with pytest.raises(RolledBack, match=f"has 0 statements, and {rig.world.directory.head.size} are logged"):
        await ledger.attempt()
    following.cancel()
    await asyncio.wait([following])


# What is served.


async def test_tiles_and_checkpoints_are_served_and_nothing_else(tmp_path: Path) -> None:
    """The paths of tlog-tiles, with their types; the database beside them is not reachable by any path."""
    rig = Rig(tmp_path, world_of(12))
    state = rig.run(rig.writer())
    rig.store.replace("audit/2026h2/checkpoint", state.checkpoint)
    app = reading.ledger_pages(rig.store, LedgerMetrics.create().registry, lambda: {"ledger": {"ok": True}})
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ledger")
    checkpoint = await client.get("/audit/2026h2/checkpoint")
    assert (checkpoint.status_code, checkpoint.content) == (200, state.checkpoint)
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    tile = await client.get(f"/audit/2026h2/tile/0/000.p/{state.size}")
    assert (tile.status_code, len(tile.content)) == (200, 32 * state.size)
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"]
    for path in (
        "/records.sqlite", "/audit/../records.sqlite", "/audit/2026h2/../../records.sqlite", "/policy",
        "/audit/%2e%2e/records.sqlite", "/directory/..%2frecords.sqlite", "/audit/2026h2/tile/0/999",
        "/audit/2026h2/checkpoint.new", "/directory/checkpoint",
    ):  # fmt: skip
        assert (await client.get(path)).status_code == 404, path
    for path in ("/healthz", "/readyz"):
        assert (await client.get(path)).status_code == 200


# What is founded.


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    """A centre's home as `contrada centre init` leaves it."""
    secret = os.urandom(32)
    home = tmp_path / "centre"
    home.mkdir(mode=0o700)
    write_private(home / "centre.secret", secret, entropy=os.urandom)
    found_exchange(home / "keys", secret=Credential(secret), now=NOON, entropy=os.urandom)
    (home / "keys" / "root.pin").rename(home / "root.cbor")
    (home / "centre.toml").write_text('kafka = "localhost:9092"\nsecret = "centre.secret"\n')
    return home


def plan(home: Path, **changes) -> ledger_founding.LedgerPlan:
    return ledger_founding.LedgerPlan(
        **{
            "home": home,
            "origin": NAME,
            "kafka": None,
            "http_port": 0,
            "witnesses": (),
            "quorum": 0,
            **changes,
        }
    )


def test_a_ledger_is_founded_once(centre: Path) -> None:
    """Keys, policy, two signed and empty logs, settings that load; a second time it is refused."""
    made = ledger_founding.found_ledger(plan(centre), now=NOON)
    assert made["logs"] == [AUDIT, DIRECTORY]
    settings = LedgerSettings.load(centre / "ledger.toml")
    states = RecordStore(settings.records_url, read_only=True).states()
    policy = parse_policy(settings.policy.read_bytes())
    for state in states:
        assert policy.signed_by_log(parse_checkpoint(state.checkpoint)).size == 0
    with pytest.raises(Conflict):
        ledger_founding.found_ledger(plan(centre), now=NOON)


def test_an_interrupted_founding_goes_on_with_the_same_keys(centre: Path) -> None:
    """Whatever is there already is kept: a policy that was given away stays true."""
    ledger_founding.found_ledger(plan(centre), now=NOON)
    before = (centre / "ledger" / "policy").read_bytes()
    (centre / "ledger.toml").unlink()
    made = ledger_founding.found_ledger(plan(centre), now=Millis(NOON + 400 * 86_400_000))
    assert made["logs"] == []
    assert (centre / "ledger" / "policy").read_bytes() == before


@pytest.mark.parametrize("wrong", [{"origin": "Not A Name"}, {"quorum": 1}, {"quorum": -1}])
def test_a_wrong_plan_makes_no_ledger(centre: Path, wrong: dict) -> None:
    """A name that cannot be a log's, a quorum that nobody can reach: said before anything counts."""
    with pytest.raises((Misconfigured, Rejected)):
        ledger_founding.found_ledger(plan(centre, **wrong), now=NOON)
    assert not (centre / "ledger.toml").exists()
