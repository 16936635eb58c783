"""Jobs of the worker: timed, and tried again while the disk refuses them.

Owns which of them are brief, and so need no thread (runtime/process/worker.py): those on the way of a
message, up to a size. What waits for the disk is none of them. So SQLite's log is copied into the database by
a job of the thread, before SQLite would do it at the end of a transaction. And where the key is in a token,
no job is brief: a token may take its time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final, TypeVar

import structlog

from clients.daemon.errors import StoreUnavailable
from clients.daemon.state.unit_context import UnitContext
from keys.errors import KeyAway
from runtime.kafka.feeds import Backoff
from runtime.kafka.ports import Fetched
from runtime.process.wakeup import Wakeup
from runtime.process.worker import Worker

log = structlog.get_logger()

T = TypeVar("T")

BRIEF_BYTES: Final = 16_384
"""A job that reads so many bytes of records takes a few milliseconds. A larger batch is worth its two changes
of thread, and Kafka and HTTP are served beside it."""

BRIEF_ADDRESSEES: Final = 4
"""So does one that seals to so many; an attachment counts as `ATTACHMENT_WEIGHT`."""

ATTACHMENT_WEIGHT: Final = 16


class Jobs:
    """Runs jobs of the event loop."""

    __slots__ = ("_key_is_apart", "_seconds", "_store", "_timers", "_worker", "log_is_long")

    def __init__(self, context: UnitContext, worker: Worker) -> None:
        self._seconds = context.metrics.job_seconds
        self._timers: dict[str, Callable[[float], None]] = {}
        self._store = context.store
        self._key_is_apart = context.keys.is_apart
        self._worker = worker
        self.log_is_long = Wakeup()
        """Rings when SQLite's log is to be copied into the database."""

    async def run(self, name: str, work: Callable[[], T], *, brief: bool = False) -> T:
        """Run a job once."""
        timed = partial(self._timed, name, work)
        if not brief or self._key_is_apart:
            return await self._worker.do(timed)
        try:
            return await self._worker.do_briefly(timed)
        finally:
            if self._store.log_is_long:
                self.log_is_long.wake()

    def _timed(self, name: str, work: Callable[[], T]) -> T:
        began = perf_counter()
        try:
            return work()
        finally:
            self._timer(name)(perf_counter() - began)

    def _timer(self, name: str) -> Callable[[float], None]:
        timer = self._timers.get(name)
        if timer is None:
            timer = self._timers[name] = self._seconds.labels(name).observe
        return timer

    async def until_stored(self, name: str, work: Callable[[], T], *, brief: bool = False) -> T:
        """Run a job until it is stored."""
        backoff = Backoff(first=0.2, most=5.0)
        while True:
            try:
                return await self.run(name, work, brief=brief)
            except StoreUnavailable as error:
                log.error("store_unavailable", step=name, error=str(error))  # noqa: TRY400 - no traceback
                await backoff.wait()
            except KeyAway as error:
                # As a disk: what was read and could not be answered is read again, and nothing is skipped.
                log.error("key_away", step=name, code=error.code, hint=error.hint)  # noqa: TRY400
                await backoff.wait()


def is_brief(fetched: Fetched) -> bool:
    """Whether a job that reads these records is brief."""
    return sum(len(record.value) for record in fetched.records) <= BRIEF_BYTES
