"""A unit that was put back from a backup learns from its receipts what it had sent, and does not send it again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.daemon.daemon import Daemon
from clients.daemon.receiving import catching_up, deciding
from clients.daemon.receiving.catching_up import CatchingUp
from clients.daemon.sending.waiting import seal_queued
from clients.daemon.store import sealings
from protocol.envelope.core import Position
from protocol.identifiers import StreamId, UnitId, read_id
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, returning, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import Silent, UnitFixture, pump
from tests.waiting import until_async


def backup(unit: UnitFixture) -> Path:
    """The files as they stand now."""
    copy = unit.path.with_name("backup")
    unit.context.store.row("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(unit.path, copy)
    return copy


def restore(unit: UnitFixture, copy: Path, *, read: dict[str, int]) -> None:
    """Put back: what happened since is known to Kafka alone. As a start does, decisions are read first."""
    unit.context.store.close()
    unit.context.replica.close()
    shutil.rmtree(unit.path)
    shutil.copytree(copy, unit.path)
    unit.open()
    unit.read = dict(read)
    unit.learn()


def caught_up(unit: UnitFixture) -> None:
    """Receipts are read, and whatever waits is sealed, before and after; lanes send what is left then."""
    seal_queued(unit.context)
    unit.decisions()
    seal_queued(unit.context)


def waiting(world: World, es: UnitFixture) -> str:
    """A message that waits for an addressee's key of this week."""
    return es.submit("se").id


def accepted(world: World) -> list[bytes]:
    """The ids of the messages that were accepted, once for each time."""
    return [
        decision.header[0]
        for value in world.audit
        for decision in deciding.verify_decisions(value, parties=world.directory).records
        if decision.type is deciding.RecordType.ACCEPTED
    ]


def keyless(world: World, es: UnitFixture) -> None:
    """Sweden is enrolled and has no key for this week yet."""
    world.publish_epochs = lambda _: None
    world.enrol("se")
    del world.publish_epochs
    es.learn()


def test_what_was_queued_in_the_backup_and_accepted_since_is_not_sent_again(
    world: World, es: UnitFixture
) -> None:
    """The message waited when the copy was made; it was sealed and accepted after. The trail has it once."""
    keyless(world, es)
    sent = waiting(world, es)
    assert es.state(sent) == "queued"
    copy, read = backup(es), dict(es.read)
    world.publish_epochs("se")
    es.learn()
    seal_queued(es.context)
    es.post()
    world.route("es")
    es.decisions()
    assert es.state(sent) == "accepted"

    restore(es, copy, read=read)
    assert es.state(sent) == "queued"
    caught_up(es)
    assert (es.state(sent), es.pending()) == ("accepted", [])
    assert accepted(world) == [read_id(sent)]
    assert es.rows("SELECT code FROM alarms") == []


def test_what_was_sealed_before_its_acceptance_was_read_does_not_go_out(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """One batch of receipts settles the first message, so the second is sealed; the next batch knows it already."""
    first = es.submit("pt")
    second = es.submit("pt", thread=first.thread)
    es.post()
    copy, read = backup(es), dict(es.read)
    pump(world, es, pt)
    assert es.state(second.id) == "accepted"
    restore(es, copy, read=read)
    es.submit("pt")
    (new,) = es.pending()[1:]
    there = list(world.receipts["es"])
    world.receipts["es"] = there[:-1]
    es.decisions()
    assert (es.state(second.id), len(es.pending())) == ("sealed", 2)
    world.receipts["es"] = there
    es.decisions()
    assert (es.state(second.id), es.pending()) == ("accepted", [new])
    # Nor from memory: a lane that has sent the new one would go on behind it.
    assert es.context.recent_sealings.take(0, 2) is None


def test_an_acknowledgement_of_what_was_learned_is_known(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """The sealing that the copy did not have is one of ours: no alarm, and it counts as delivered."""
    first = es.submit("pt")
    second = es.submit("pt", thread=first.thread)
    assert es.state(second.id) == "queued"
    copy, read = backup(es), dict(es.read)
    pump(world, es, pt)
    assert es.state(second.id) == "accepted"
    restore(es, copy, read=read)
    caught_up(es)
    es.deliveries()
    assert (es.state(first.id), es.state(second.id), es.pending()) == ("accepted", "accepted", [])
    assert len(accepted(world)) == len(set(accepted(world)))
    assert es.rows("SELECT code FROM alarms") == []


def test_a_refusal_that_another_sealing_cured_sends_nothing(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """The copy has the first sealing as sent; it was refused since, sealed anew and accepted."""
    sent = es.submit("pt").id
    es.post()
    world.route("es", crash=True)
    copy, read = backup(es), dict(es.read)
    world.states["es"].advance(
        sealings_position(es), created=world.now, now=world.now
    )  # the router takes it for one that was sent before
    world.route("es")
    es.decisions()
    es.post()
    world.route("es")
    es.decisions()
    assert (es.state(sent), accepted(world)) == ("accepted", [read_id(sent)])
    restore(es, copy, read=read)
    caught_up(es)
    assert (es.state(sent), es.pending(), accepted(world)) == ("accepted", [], [read_id(sent)])


def sealings_position(unit: UnitFixture) -> Position:
    stream, seq = unit.rows("SELECT stream, seq FROM sealings")[0]
    return Position(StreamId(stream), seq)


def test_anothers_acceptance_teaches_nothing(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """A member uses the id of a message of ours, and its decision is put into our receipts: it is not about ours."""
    sent = es.submit("pt").id
    assert world.send("it", ["es"], message_id=read_id(sent)) == []
    world.receipts["es"] += world.receipts["it"]
    es.decisions()
    assert es.state(sent) == "sealed"
    assert es.rows("SELECT code FROM alarms") == [("decision_unverified",)]


# -- When a start may send ----------------------------------------------------------------------------


class Outbox(Silent):
    """A Kafka in which the outbox ends somewhere."""

    def __init__(self, end: int) -> None:
        self.at = end

    async def partitions(self, topic: str) -> int:
        return 1

    async def end(self, topic: str, partition: int) -> int:
        return self.at


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Daemon]:
    worker = Worker()
    unit = await worker.do(lambda: UnitFixture(World(), UnitId("es"), tmp_path / "started"))
    made = Daemon(unit.context, worker, log_=None, feeds=Outbox(0), directory=None, marks=Silent())
    yield made
    made.disk.close()
    await worker.do(unit.context.store.close)
    worker.close()


async def caught(daemon: Daemon, *, end: int) -> tuple[CatchingUp, asyncio.Task[None]]:
    made = CatchingUp(daemon.context, daemon.jobs, Outbox(end))
    return made, asyncio.create_task(made.run())


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_nothing_goes_out_before_the_receipts_were_read(started: Daemon) -> None:
    """Whatever is in the outbox."""
    catching, task = await caught(started, end=0)
    await turns()
    assert not catching.done.is_set()
    catching.receipts_read.set()
    await task
    assert catching.done.is_set()


async def test_mail_is_taken_in_when_the_receipts_were_read(started: Daemon) -> None:
    """An acknowledgement of what was sent after the backup is a stranger's before its acceptance is known."""
    catching, task = await caught(started, end=0)
    ready = asyncio.create_task(catching.for_deliveries(started.directory_read))
    started.directory_read.set()
    await turns()
    assert not ready.done()
    catching.receipts_read.set()
    await asyncio.gather(task, ready)


async def test_without_its_receipts_a_unit_takes_its_mail_in_all_the_same(
    started: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somewhat later."""
    monkeypatch.setattr(catching_up, "PATIENCE", 0.05)
    catching, task = await caught(started, end=0)
    started.directory_read.set()
    await catching.for_deliveries(started.directory_read)
    assert not catching.receipts_read.is_set()
    task.cancel()


async def test_what_stands_in_the_outbox_and_is_not_known_here_is_decided_first(started: Daemon) -> None:
    """It may be a message that this copy has as waiting."""
    catching, task = await caught(started, end=8)
    catching.receipts_read.set()
    await turns()
    catching.decided({0: 5})
    await turns()
    assert not catching.done.is_set()
    catching.decided({0: 7})
    await task
    assert catching.done.is_set()


async def test_a_router_that_stands_still_holds_up_nobody_for_ever(
    started: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody decides is sent again: addressees take it once."""
    monkeypatch.setattr(catching_up, "PATIENCE", 0.05)
    catching, task = await caught(started, end=8)
    catching.receipts_read.set()
    await until_async(catching.done.is_set, what="an end of the waiting")
    await task


async def test_a_start_of_every_day_waits_for_nothing(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """What this store has put into the outbox itself, it knows."""
    es.submit("pt")
    es.post()
    world.route("es")
    es.decisions()
    es.submit("pt")
    with es.context.transaction():
        newest = es.rows("SELECT max(id) FROM sealings")[0][0]
        sealings.mark_sent(es.context.store, {newest: 1}, now=world.now)
    assert sealings.last_known_place(es.context.store, 0) == 1
    assert sealings.last_known_place(es.context.store, 3) == -1


MUTANTS = [
    (Mutant(deciding._settle, dropped("context.recent_sealings.forget")),
     test_what_was_sealed_before_its_acceptance_was_read_does_not_go_out),
    (Mutant(deciding._learned, returning("None")), test_what_was_queued_in_the_backup_and_accepted_since_is_not_sent_again),
    (Mutant(deciding.take_decisions, unchecked("decision.source.unit")), test_anothers_acceptance_teaches_nothing),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Without it a message is accepted twice."""
    await assert_missed(mutant, promise, world=world, es=es, pt=pt)


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (Mutant(CatchingUp.run, dropped("self.receipts_read.wait")), test_nothing_goes_out_before_the_receipts_were_read),
        (Mutant(CatchingUp.for_deliveries, dropped("self.receipts_read.wait")), test_mail_is_taken_in_when_the_receipts_were_read),
        (Mutant(CatchingUp.run, dropped("self._until_decided")),
         test_what_stands_in_the_outbox_and_is_not_known_here_is_decided_first),
    ],
)  # fmt: skip
async def test_each_wait_taken_away_is_noticed(mutant: Mutant, promise, started: Daemon) -> None:
    """Without it a restored unit sends before it knows."""
    await assert_missed(mutant, promise, started=started)
