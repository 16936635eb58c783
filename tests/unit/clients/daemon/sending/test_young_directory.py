"""A daemon that has just started and has not read the directory: who is not in it yet may be in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clients.daemon.daemon import Daemon
from protocol.errors import Code, Rejected
from protocol.identifiers import UnitId
from runtime.process.worker import Worker
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, wish


async def test_nobody_is_unknown_before_the_directory_was_read(tmp_path: Path) -> None:
    """The request waits for the directory and is judged again; once it is read, a stranger is refused at once."""
    worker, world = Worker(), World()
    unit = await worker.do(lambda: UnitFixture(world, UnitId("es"), tmp_path / "es"))
    daemon = Daemon(unit.context, worker, log_=None, feeds=None, directory=None, marks=None)
    intake = asyncio.create_task(daemon.intake.run())
    try:
        asked = asyncio.create_task(daemon.intake.submit(wish("pt")))
        while not daemon.directory_read._waiters:
            assert not asked.done(), "it was judged by a directory that nobody has read"
            await asyncio.sleep(0)
        other = await worker.do(lambda: UnitFixture(world, UnitId("pt"), tmp_path / "pt"))
        await worker.do(unit.learn)
        daemon.directory_read.set()
        assert (await asked).state == "sealed"
        with pytest.raises(Rejected) as refused:
            await daemon.intake.submit(wish("zz"))
        assert refused.value.reason is Code.E_RCPT_UNKNOWN
        await worker.do(other.context.store.close)
    finally:
        intake.cancel()
        await asyncio.wait([intake])
        daemon.disk.close()
        await worker.do(unit.context.store.close)
        worker.close()
