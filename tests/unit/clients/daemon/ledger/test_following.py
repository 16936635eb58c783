"""Whoever follows the inbox by long polling asks the database only when there is something to show."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.requests import Request

from clients.daemon.api.routes import LocalApi
from clients.daemon.daemon import Daemon
from clients.daemon.receiving.deliveries import Received
from protocol.identifiers import UnitId
from runtime.process.worker import Worker
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture
from tests.waiting import GENEROUS


@pytest.fixture
async def followed(tmp_path: Path):
    """An inbox with one message in it, taken in by this run; its daemon, and what was read of it."""
    worker, world = Worker(), World()
    es = await worker.do(lambda: UnitFixture(world, UnitId("es"), tmp_path / "es"))
    pt = await worker.do(lambda: UnitFixture(world, UnitId("pt"), tmp_path / "pt"))
    daemon = Daemon(pt.context, worker, log_=None, feeds=None, directory=None, marks=None)

    def send() -> None:
        es.learn()
        es.submit("pt")
        es.post()
        world.route("es")

    async def receive() -> Received:
        await worker.do(send)
        await daemon._on_deliveries(await worker.do(lambda: pt._feed("inboxes")))

    await receive()
    yield daemon, receive
    daemon.disk.close()
    await worker.do(lambda: (es.context.store.close(), pt.context.store.close()))
    worker.close()


def follow(daemon: Daemon, after: int, wait: int):
    scope = {"type": "http", "method": "GET", "headers": []}
    return LocalApi(daemon, None).inbox(Request(scope), after=after, wait=wait)


def looks(daemon: Daemon) -> float:
    return daemon.context.metrics.registry.get_sample_value(
        "contrada_unit_job_duration_seconds_count", {"work": "inbox"}
    )


async def test_who_has_seen_all_is_woken_by_what_comes(followed):
    """Nothing is looked up while nothing is there; the next message is looked up once, and shown."""
    daemon, receive = followed
    waiting = asyncio.create_task(follow(daemon, daemon.newest, 20))
    await asyncio.sleep(0.1)
    assert looks(daemon) is None
    seen = daemon.newest
    await receive()
    answer = await asyncio.wait_for(waiting, GENEROUS)

    assert f'"cursor":"{daemon.newest}"'.encode() in answer.body
    assert daemon.newest > seen
    assert looks(daemon) == 1


async def test_who_has_not_seen_all_is_answered_at_once(followed):
    """A cursor before the newest message, or a daemon that has taken nothing in yet, asks the database first."""
    daemon, _ = followed
    newest, daemon.newest = daemon.newest, None
    first = await asyncio.wait_for(follow(daemon, 0, 20), GENEROUS)
    daemon.newest = newest
    second = await asyncio.wait_for(follow(daemon, newest - 1, 20), GENEROUS)

    assert first.body == second.body
    assert f'"cursor":"{newest}"'.encode() in second.body
