"""The course of a process's tasks: what tells them to stop, their orderly end, and what is said of a crash.

Rule: a process that was not told to stop has not ended well, whatever its tasks say. It ends in an error
with one line why.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import structlog

from protocol.errors import ContradaError
from runtime.errors import ProcessError
from runtime.process.notify import keep_watchdog, notify

log = structlog.get_logger()

STOP_WITHIN: Final = 12.0
"""Seconds for what is in hand after SIGTERM; closing connections comes on top, 15 s in all."""

STOP: Final = "stop"
"""The name of the task that ends when the process is told to stop."""


class Crashed(ProcessError):
    """A task of a process failed, or ended though it never should."""

    code = "E_CRASHED"


def told_to_stop() -> asyncio.Event:
    """Set by SIGTERM, by Ctrl-C, and when the terminal is closed, unless `nohup` said to stay."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def waiting_to_stop(stop: asyncio.Event) -> asyncio.Task[Any]:
    """The task that ends when the process is told to stop: `check_end` knows it by its name."""
    return asyncio.create_task(stop.wait(), name=STOP)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, within: float = STOP_WITHIN) -> None:
    """Cancel the tasks and wait until they have ended, or for this many seconds.

    Half of the time is for what is in hand. A task that still runs then is cancelled again: a cancellation
    can be lost, as in `asyncio.wait_for` of Python 3.11 where what it waits for ends in the same moment, and
    client libraries wait in this way for their connections. A task that lost it would continue, and delay the
    end until the service manager kills the process.
    """
    left = set(tasks)
    for _ in range(2):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=within / 2)


async def run_until_end(
    tasks: set[asyncio.Task[Any]],
    *,
    serving: set[asyncio.Task[Any]],
    beside: Iterable[asyncio.Task[Any]] = (),
) -> set[asyncio.Task[Any]]:
    """Wait until one of `tasks` or of the servers ends, then end all; which ended first, for `check_end`.

    Servers end first, what answers their requests after them. Nothing waits for what runs `beside`. The
    service manager is told of the begin and of the end, and in between that the loop still turns.
    """
    for task in beside:
        task.add_done_callback(note_crash)
    watchdog = asyncio.create_task(keep_watchdog(), name="watchdog")
    notify("READY=1")
    # Objects that exist now stay: the garbage collector skips them from here on, and runs less often.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    done, pending = await asyncio.wait(tasks | serving, return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    await end_tasks(pending & serving)
    await end_tasks((pending - serving) | {*beside, watchdog})
    return done


def note_crash(task: asyncio.Task[Any]) -> None:
    """Log the crash of a task that nothing waits for: a callback for when it is done."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log(task.get_name(), _leaves(error))


def check_end(done: Iterable[asyncio.Task[Any]], *, program: str) -> None:
    """Raise why a process ended, if it was not told to. `done` are the tasks that ended first.

    An error of ours is raised as it is, so that its code decides how the process ends (runtime/cli/exits.py);
    anything else as `Crashed`. Of what such an error says nothing is repeated: its type and places only.
    """
    crash: BaseException | None = None
    for task in done:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            crash = crash or _told(program, error)
        elif task.get_name() != STOP:
            log.error("crashed", program=program, step=task.get_name())
            crash = crash or Crashed(
                f"the {program} ended: its task '{task.get_name()}' is over",
                hint="see its log, and report it",
            )
    if crash is not None:
        raise crash


def _told(program: str, error: BaseException) -> BaseException:
    found = list(_leaves(error))
    foreign = [one for one in found if not isinstance(one, ContradaError)]
    _log(program, foreign)
    if not foreign:
        return found[0]
    place = next(iter(_places(foreign[0])), "a task")
    crash = Crashed(
        f"the {program} ended: {type(foreign[0]).__name__} in {place}",
        hint="see its log; with CONTRADA_TRACEBACK=1 the whole of it is shown",
    )
    crash.__cause__ = error
    return crash


def _log(program: str, errors: Iterable[BaseException]) -> None:
    for one in errors:
        log.error("crashed", program=program, error=type(one).__name__, step=" < ".join(_places(one)))


def _places(error: BaseException) -> list[str]:
    """Where it happened, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return [f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" for frame in reversed(frames)]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
