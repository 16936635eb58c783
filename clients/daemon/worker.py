"""The one thread that owns everything that must not be touched by two at once.

SQLite's connection, the replica of the directory, the unit's keys and the numbering of its stream are
used in this thread only, one job after the other. So there are no locks, and what one job decides by
stands still while it runs. The event loop keeps Kafka and HTTP going meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs jobs, first come first served."""

    __slots__ = ("_executor",)

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="contrada-worker")

    async def do(self, job: Callable[[], T]) -> T:
        """Run a job to its end, even if whoever waits for it is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, job)

    def close(self) -> None:
        """Finish the jobs at hand and end the thread."""
        self._executor.shutdown(wait=True)
