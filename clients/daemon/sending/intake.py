"""The intake: requests that arrive together become one transaction.

Owns their patience: who waits for which answer. Nobody is told that a message was taken before it would
survive a power cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from clients.daemon.jobs import Jobs
from clients.daemon.sending import submitting
from clients.daemon.sending.submissions import SendRequest
from clients.daemon.sending.submitting import Submitted
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.disk import Disk
from protocol.errors import ContradaError
from runtime.process.wakeup import Throttle, Wakeup

AT_MOST: Final = 32
SPACING: Final = 0.008
"""Seconds between the starts of two transactions, at the least: each costs the worker, the disk, Kafka and
the router the same, whatever it holds. While idle a request waits for nothing."""

_Answer = asyncio.Future[Submitted | ContradaError]


class Intake:
    """Requests on their way into the outbox."""

    def __init__(self, context: UnitContext, jobs: Jobs, disk: Disk, *, taken: Callable[[], None]) -> None:
        self._context = context
        self._jobs = jobs
        self._disk = disk
        self._taken = taken
        self._waiting: list[tuple[SendRequest, _Answer]] = []
        self._wakeup = Wakeup()

    async def submit(self, request: SendRequest) -> Submitted:
        """Put a message into the outbox: it is on disk when this returns."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        self._wakeup.wake()
        result = await answer
        if isinstance(result, ContradaError):
            raise result
        return result

    async def run(self) -> None:
        """Take in what comes, until cancelled."""
        throttle = Throttle(SPACING)
        async with asyncio.TaskGroup() as answers:
            while True:
                await self._wakeup.wait()
                while self._waiting:
                    await throttle.wait()
                    batch = self._waiting[:AT_MOST]
                    del self._waiting[:AT_MOST]
                    results = await self._submit([request for request, _ in batch])
                    self._taken()
                    # The next requests are worked on while the disk takes these.
                    answers.create_task(self._tell([answer for _, answer in batch], results))

    async def _submit(self, requests: list[SendRequest]) -> list[Submitted | ContradaError]:
        try:
            return await self._jobs.run("submit", lambda: self._take(requests))
        except ContradaError as error:
            # The disk: nobody's request was taken, and everybody is told.
            return [error] * len(requests)

    def _take(self, requests: list[SendRequest]) -> list[Submitted | ContradaError]:
        """In the worker's thread. Under load the disk has a thread of its own, and the worker goes on."""
        results = submitting.submit_requests(self._context, requests)
        if self._jobs.idle and not self._waiting:
            self._disk.flush_here()
        return results

    async def _tell(self, answers: list[_Answer], results: list[Submitted | ContradaError]) -> None:
        await self._disk.flushed()
        for answer, result in zip(answers, results, strict=True):
            if not answer.done():
                answer.set_result(result)
