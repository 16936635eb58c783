"""What a daemon tells of its reading, and what it makes of Kafka's answer."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from clients.daemon.api.status import KAFKA_RECENT, readiness_checks
from clients.daemon.daemon import Daemon
from clients.daemon.receiving import position_marks
from clients.daemon.receiving.position_marks import PositionMarks, positions_of
from clients.daemon.store.positions import set_position
from protocol import topics
from protocol.identifiers import UnitId
from runtime.errors import Unavailable
from tests.waiting import GENEROUS, until_async

INBOX, RECEIPTS = (topics.inbox(UnitId("es")), 0), (topics.receipts(UnitId("es")), 0)


class Teller:
    """Takes what it is told, unless it is to refuse."""

    def __init__(self) -> None:
        self.told: list[dict] = []
        self.refuses = False

    async def tell(self, marks: dict) -> None:
        if self.refuses:
            raise Unavailable("Kafka is away")
        self.told.append(marks)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_marks, "SPACING", 0.01)
    monkeypatch.setattr(position_marks, "TELL_EVERY", 0.03)


def test_a_unit_that_has_read_nothing_yet_tells_so(es) -> None:
    """Both topics from the beginning: a unit that was just enrolled is heard too."""
    assert positions_of(es.context) == {INBOX: 0, RECEIPTS: 0}
    with es.context.transaction():
        set_position(es.context.store, INBOX[0], 0, 7)
        set_position(es.context.store, topics.LEDGER, 0, 9)
    assert positions_of(es.context) == {INBOX: 7, RECEIPTS: 0}


async def test_marks_go_on_while_nothing_comes_and_each_answer_is_a_proof_of_kafka(
    daemon: Daemon, soon
) -> None:
    """Taken: Kafka was heard. Refused: it was not, and the next mark is told all the same."""
    teller, heard = Teller(), []
    marks = PositionMarks(daemon.context, daemon.jobs, teller, heard=lambda: heard.append(True))
    task = asyncio.create_task(marks.run())
    await until_async(lambda: len(teller.told) > 2, what="three marks")
    teller.refuses = True
    await asyncio.sleep(0.1)
    before = len(heard)
    await asyncio.sleep(0.1)
    assert len(heard) == before == len(teller.told)
    teller.refuses = False
    await until_async(lambda: len(teller.told) > before, what="a mark after the outage")
    task.cancel()
    await asyncio.wait([task])


async def test_a_worker_that_stands_still_tells_nothing(daemon: Daemon, soon) -> None:
    """Whatever else of the process runs: its event loop is no sign of life to others."""
    teller, go_on = Teller(), threading.Event()
    marks = PositionMarks(daemon.context, daemon.jobs, teller, heard=lambda: None)
    task = asyncio.create_task(marks.run())
    await until_async(lambda: teller.told, what="the first mark")
    busy = asyncio.create_task(daemon.worker.do(partial(go_on.wait, GENEROUS)))
    await asyncio.sleep(0.1)
    before = len(teller.told)
    await asyncio.sleep(0.2)
    assert len(teller.told) == before
    go_on.set()
    await busy
    await until_async(lambda: len(teller.told) > before, what="a mark of the worker that goes on")
    task.cancel()
    await asyncio.wait([task])


async def test_a_daemon_is_ready_only_while_kafka_has_answered_lately(daemon: Daemon) -> None:
    """Not before it was heard, and not for long after that."""
    now = [100.0]
    daemon.kafka._monotonic = lambda: now[0]

    async def kafka() -> object:
        return (await readiness_checks(daemon))["kafka"]["ok"]

    assert await kafka() is False
    daemon.kafka.heard()
    assert await kafka() is True
    now[0] += KAFKA_RECENT + 1
    assert await kafka() is False
