"""The end of a process's tasks: nobody is left behind, and what is in hand has its time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import structlog

from runtime.errors import Unavailable
from runtime.process.tasks import Crashed, check_end, end_tasks, note_crash, told_to_stop, waiting_to_stop
from tests.waiting import until_async


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


async def test_a_task_that_is_over_is_a_crash() -> None:
    """It ended without an error, though it never should: that is no orderly end."""
    over = asyncio.create_task(asyncio.sleep(0), name="lanes")
    with pytest.raises(Crashed, match="the daemon ended: its task 'lanes' is over"):
        check_end(await _done(over), program="daemon")


@contextmanager
def hangup(handler: signal.Handlers | Callable[[int, object], None]) -> Iterator[None]:
    """What this process does when its terminal is closed, for a while."""
    before = signal.signal(signal.SIGHUP, handler)
    others = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number in (signal.SIGHUP, *others):
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGHUP, before)
        for number, what in others.items():
            signal.signal(number, what)


async def test_a_closed_terminal_is_a_word_to_stop() -> None:
    """Like SIGTERM: the process ends in order, and is not killed by it."""
    ignored: list[int] = []
    with hangup(lambda number, _: ignored.append(number)):
        stop = told_to_stop()
        signal.raise_signal(signal.SIGHUP)
        await until_async(lambda: stop.is_set() or ignored, what="the word to stop")
        assert ignored == []


async def test_under_nohup_it_is_none() -> None:
    """Whoever starts the process has said so."""
    with hangup(signal.SIG_IGN):
        stop = told_to_stop()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM)
        await until_async(stop.is_set, what="the word to stop")


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
