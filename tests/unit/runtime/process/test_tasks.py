"""The end of a process's tasks: nobody is left behind, and what is in hand has its time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import structlog

from runtime.errors import Unavailable
from runtime.process.tasks import Crashed, check_end, end_tasks, note_crash, waiting_to_stop


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


async def _fails(*errors: Exception) -> None:
    if len(errors) == 1:
        raise errors[0]
    raise ExceptionGroup("several", errors)


async def _done(*work: asyncio.Task[object]) -> tuple[asyncio.Task[object], ...]:
    await asyncio.wait(work)
    return work


async def test_told_to_stop_nothing_is_wrong() -> None:
    """The one task that may end is the one that waits for it."""
    stop = asyncio.Event()
    stop.set()
    check_end(await _done(waiting_to_stop(stop)), program="daemon")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((Unavailable("gone"),), Unavailable),
        ((Unavailable("gone"), Unavailable("gone, too")), Unavailable),
        ((ValueError("secret"),), Crashed),
        ((Unavailable("gone"), ValueError("secret")), Crashed),
    ],
)
async def test_a_crash_is_told_even_if_the_stop_comes_with_it(
    errors: tuple[Exception, ...], expected: type[Exception]
) -> None:
    """An error of ours as it is, so that its own code counts; any other without its words."""
    stop = asyncio.Event()
    stop.set()
    done = await _done(waiting_to_stop(stop), asyncio.create_task(_fails(*errors)))

    with pytest.raises(expected) as caught:
        check_end(done, program="daemon")
    assert "secret" not in str(caught.value)


async def test_a_crash_beside_the_work_is_logged() -> None:
    """What nobody waits for does not fail unheard; what was cancelled did not fail."""
    with structlog.testing.capture_logs() as said:
        task = asyncio.create_task(_fails(ValueError("secret")), name="start")
        cancelled = asyncio.create_task(asyncio.Event().wait(), name="other")
        cancelled.cancel()
        for each in await _done(task, cancelled):
            note_crash(each)
    assert [(line["event"], line["program"], line["error"]) for line in said] == [
        ("crashed", "start", "ValueError")
    ]
