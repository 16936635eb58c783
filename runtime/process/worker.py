"""The worker: runs jobs one after the other, and they alone use what is not thread-safe.

SQLite's connection, the replica of the directory, the unit's keys and the numbering of its stream are
used in jobs only. So there are no locks, and what a job reads does not change while it runs.

A job runs in a thread of the worker's own, and the event loop serves Kafka and HTTP meanwhile. A brief one
runs in the event loop, if nothing else is under way: two changes of thread cost more than most of them do,
since each finds the processor's caches cold and waits for the interpreter's lock. Brief is what computes for
some milliseconds and waits for nothing, the disk least of all.

Why no two jobs run at a time: only the event loop begins one, and `_under_way` counts those of the thread
until the loop has heard of their end. A brief job ends before the loop does anything else.

Its own thread and queue: the executor of the standard library makes a second future for each job,
with a lock and a condition, and at some hundred jobs a second that costs more than the smaller jobs do.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs jobs, one at a time, in their order."""

    __slots__ = ("_closed", "_jobs", "_thread", "_under_way")

    def __init__(self, name: str = "contrada-worker") -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False
        self._under_way = 0
        # A daemon thread: a process that ends without `close` ends as if it had been killed, which is safe.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[], T]) -> T:
        """Run a job to its end, even if its caller is cancelled."""
        self._check_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._under_way += 1
        self._jobs.put(lambda: _run(job, loop, partial(self._ended, future)))
        return await future

    async def do_briefly(self, job: Callable[[], T]) -> T:
        """The same for a brief job, which runs at once and here if nothing is under way."""
        if self._under_way:
            return await self.do(job)
        self._check_open()
        try:
            return job()
        finally:
            # Whoever has one brief job after another leaves the loop a turn between them.
            await asyncio.sleep(0)

    def close(self) -> None:
        """Finish the jobs at hand and end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the worker has been closed")

    def _ended(self, future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
        """In the event loop: a job of the thread has ended."""
        self._under_way -= 1
        if future.done():
            return
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # What the job held, content perhaps, is not kept until the next one comes.
            del job


def _run(
    job: Callable[[], Any],
    loop: asyncio.AbstractEventLoop,
    ended: Callable[[Any, BaseException | None], None],
) -> None:
    result: Any = None
    failure: BaseException | None = None
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
        failure = error
    # No task waits on a loop that is closed.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(ended, result, failure)
    # The error's traceback holds this frame: without the name there is no circle.
    del failure
