"""The worker: one job after the other, each to its end, and every outcome comes back to whoever waits."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

import pytest

from runtime.process.wakeup import Throttle
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import unchecked
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


async def test_a_brief_job_runs_here_while_nothing_is_under_way():
    """It needs no thread, its outcome comes back in the same way, and the loop has a turn behind it."""
    worker, turns = Worker("contrada-test"), []
    asyncio.get_running_loop().call_soon(turns.append, "another")
    ran = await worker.do_briefly(lambda: (threading.current_thread(), list(turns)))
    assert (ran, turns) == ((threading.main_thread(), []), ["another"])
    with pytest.raises(ZeroDivisionError):
        await worker.do_briefly(lambda: 1 // 0)
    worker.close()
    with pytest.raises(RuntimeError):
        await worker.do_briefly(lambda: None)


async def in_order_and_one_at_a_time() -> None:
    worker, under_way, seen = Worker("contrada-test"), [], []

    def job(number: int) -> None:
        under_way.append(number)
        time.sleep(0.001)  # the other thread may have the interpreter here
        seen.append((number, list(under_way)))
        under_way.remove(number)

    # Each of the thread's jobs that ends lets brief ones in between the loop's turns.
    brief = [bool(number % 3) for number in range(30)]
    await asyncio.gather(
        *((worker.do_briefly if each else worker.do)(partial(job, n)) for n, each in enumerate(brief))
    )
    worker.close()
    assert seen == [(number, [number]) for number in range(30)]


async def test_brief_jobs_and_others_run_one_at_a_time_in_their_order():
    """Whatever is asked for while a job of the thread is under way comes behind it."""
    await in_order_and_one_at_a_time()


async def test_a_brief_job_beside_one_of_the_thread_is_noticed():
    """Without the look at what is under way two jobs run at a time."""
    looks = Mutant(Worker.do_briefly, unchecked("self._under_way"))
    with mutated(looks), pytest.raises(AssertionError):
        await in_order_and_one_at_a_time()


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
