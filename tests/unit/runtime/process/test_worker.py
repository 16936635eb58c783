"""The worker: one job after the other, each to its end, and every outcome comes back to whoever waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from runtime.process.wakeup import Throttle
from runtime.process.worker import Worker
from tests.waiting import GENEROUS


async def test_jobs_run_in_one_thread_in_their_order():
    """Twenty jobs at once: one thread runs them, in the order in which they were asked for."""
    worker = Worker("contrada-test")
    ran: list[tuple[int, str]] = []
    await asyncio.gather(
        *(worker.do(lambda n=n: ran.append((n, threading.current_thread().name))) for n in range(20))
    )
    worker.close()

    assert ran == [(n, "contrada-test") for n in range(20)]


async def test_what_a_job_raises_comes_out_where_it_was_asked_for():
    """An error is the caller's, and the worker goes on."""
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0)

    assert await worker.do(lambda: "still here") == "still here"
    worker.close()


async def test_a_job_runs_to_its_end_whoever_has_gone_away():
    """Both the running job and the one behind it are done, though nobody waits for them any more."""
    worker = Worker()
    gate, done = threading.Event(), []
    running = asyncio.create_task(worker.do(lambda: (gate.wait(GENEROUS), done.append("running"))))
    queued = asyncio.create_task(worker.do(lambda: done.append("queued")))
    await asyncio.sleep(0)
    running.cancel()
    queued.cancel()
    await asyncio.wait([running, queued])
    gate.set()
    await worker.do(lambda: None)
    worker.close()

    assert done == ["running", "queued"]


async def test_a_closed_worker_takes_no_job():
    """Closing waits for what is in hand; a job after it is refused and does not wait for ever."""
    worker, done = Worker(), []
    last = asyncio.create_task(worker.do(lambda: done.append("last")))
    await asyncio.sleep(0)
    worker.close()
    await last
    with pytest.raises(RuntimeError):
        await worker.do(lambda: done.append("late"))

    assert done == ["last"]


async def test_a_throttle_holds_back_the_second_and_not_the_first():
    """Starts lie apart by the interval; what comes after a pause starts at once."""
    clock = asyncio.get_running_loop().time
    throttle, before = Throttle(0.05), clock()
    starts = []
    for _ in range(3):
        await throttle.wait()
        starts.append(clock())
    early = asyncio.create_task(Throttle(1000).wait())
    await asyncio.wait_for(early, GENEROUS)

    assert starts[0] >= before
    # A timer of the loop may fire early by its resolution.
    assert starts[1] - starts[0] >= 0.049
    assert starts[2] - starts[1] >= 0.049
