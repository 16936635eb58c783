"""The worker: one thread that runs jobs, and alone uses what is not thread-safe.

SQLite's connection, the replica of the directory, the unit's keys and the numbering of its stream are
used in this thread only, one job after the other. So there are no locks, and what a job reads does not change
while it runs. The event loop serves Kafka and HTTP meanwhile.

Its own thread and queue: the executor of the standard library makes a second future for each job,
with a lock and a condition, and at some hundred jobs a second that costs more than the smaller jobs do.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs jobs, one at a time, in their order."""

    __slots__ = ("_closed", "_jobs", "_thread")

    def __init__(self, name: str = "contrada-worker") -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False
        # A daemon thread: a process that ends without `close` ends as if it had been killed, which is safe.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[], T]) -> T:
        """Run a job to its end, even if its caller is cancelled."""
        if self._closed:
            raise RuntimeError("the worker has been closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(lambda: _run(job, loop, future))
        return await future

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the worker. Any thread may ask; the next moment may answer otherwise."""
        return self._jobs.empty()

    def close(self) -> None:
        """Finish the jobs at hand and end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # What the job held, content perhaps, is not kept until the next one comes.
            del job


def _run(job: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
    result: Any = None
    failure: BaseException | None = None
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
        failure = error
    # No task waits on a loop that is closed.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_answer, future, result, failure)
    # The error's traceback holds this frame: without the name there is no circle.
    del failure


def _answer(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)
