"""The end of a process's tasks: nobody is left behind, and what is in hand has its time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from runtime.process.tasks import end_tasks


async def test_a_task_that_lost_its_cancellation_is_cancelled_again() -> None:
    """Cancelled in the moment in which what it waits for ends, it goes on as if nothing had been said."""
    connected = asyncio.Event()
    waiting = asyncio.Event()

    async def serve() -> None:
        waiting.set()
        with suppress(asyncio.CancelledError):  # what wait_for of Python 3.11 does
            await connected.wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await waiting.wait()

    await end_tasks({task}, within=0.2)

    assert task.cancelled()


async def test_a_cancellation_that_the_standard_library_loses_ends_the_task_all_the_same() -> None:
    """The same with `wait_for` itself, in whatever version of Python runs this."""
    connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.Event()

    async def serve() -> None:
        waiting.set()
        await asyncio.wait_for(connected, 60)
        await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await waiting.wait()
    connected.set_result(None)

    await end_tasks({task}, within=0.2)

    assert task.cancelled()


async def test_what_is_in_hand_is_finished() -> None:
    """A task that ends by itself after its cancellation is not cancelled a second time."""
    cancellations = 0
    waiting = asyncio.Event()

    async def commit() -> str:
        nonlocal cancellations
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancellations += 1
            await asyncio.sleep(0)
        return "committed"

    task = asyncio.create_task(commit())
    await waiting.wait()

    await end_tasks({task}, within=60)

    assert (task.result(), cancellations) == ("committed", 1)


async def test_a_task_that_does_not_end_holds_up_nobody_for_ever() -> None:
    """After the time is up it is left; so is whoever has no task at all."""
    leave = asyncio.Event()
    waiting = asyncio.Event()

    async def stubborn() -> None:
        waiting.set()
        while not leave.is_set():
            try:
                await leave.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn())
    await waiting.wait()

    await end_tasks([task], within=0.02)

    assert not task.done()
    leave.set()
    await task
    await end_tasks([])


@pytest.mark.parametrize("count", [1, 3])
async def test_all_of_them_are_ended(count: int) -> None:
    """However many there are, and whatever one of them raises meanwhile."""

    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError

    tasks = {asyncio.create_task(failing()) for _ in range(count)}
    await asyncio.sleep(0)

    await end_tasks(tasks)

    assert all(isinstance(task.exception(), OSError) for task in tasks)
