"""Jobs in the worker's thread: timed, and tried again while the disk refuses them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import structlog

from clients.daemon.errors import StoreUnavailable
from clients.daemon.state.unit_context import UnitContext
from runtime.kafka.feeds import Backoff
from runtime.process.worker import Worker

log = structlog.get_logger()

T = TypeVar("T")


class Jobs:
    """Runs jobs of the event loop in the worker's thread."""

    __slots__ = ("_seconds", "_worker")

    def __init__(self, context: UnitContext, worker: Worker) -> None:
        self._seconds = context.metrics.job_seconds
        self._worker = worker

    @property
    def idle(self) -> bool:
        """Whether no job waits."""
        return self._worker.idle

    async def run(self, name: str, work: Callable[[], T]) -> T:
        """Run a job once."""
        began = perf_counter()
        try:
            return await self._worker.do(work)
        finally:
            self._seconds.labels(name).observe(perf_counter() - began)

    async def until_stored(self, name: str, work: Callable[[], T]) -> T:
        """Run a job until it is stored."""
        backoff = Backoff(first=0.2, most=5.0)
        while True:
            try:
                return await self.run(name, work)
            except StoreUnavailable as error:
                log.error("store_unavailable", step=name, error=str(error))  # noqa: TRY400 - no traceback
                await backoff.wait()
