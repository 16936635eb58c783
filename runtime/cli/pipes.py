"""The end of a pipe: `contrada ... | head -1` ends at once, quietly, whatever the command is waiting for.

Owns noticing that nobody reads stdout any more. A write finds out by itself; a command that only reads may
wait for minutes without a write, and is watched meanwhile. One that changes something is not: it does what it
was asked for, and ends when it writes.

Rule: `ReaderLeft` is a `SystemExit`, so that no handler of errors takes it for a fault of Kafka or a socket,
and asyncio lets it through from any task.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from runtime.cli.exits import Exit

if TYPE_CHECKING:
    import asyncio

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class ReaderLeft(SystemExit):
    """Nobody reads what this command writes; not all of it is written.

    Raised once: a write that fails and the signal that comes with it are the same news, and what a command
    does to end in order must not be broken off by the second.
    """

    on_its_way: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(int(Exit.READER_LEFT))
        ReaderLeft.on_its_way = True


@contextmanager
def reader_watched() -> Iterator[None]:
    """While stdout is a pipe: raise `ReaderLeft` in the main thread as soon as its reader leaves."""
    number = _pipe_of_stdout()
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def left(_: int, __: object) -> None:
        # The system sends the same signal for a socket whose other side is gone: that is not for us.
        if not _has_left(number):
            return
        loop = _running_loop()
        if loop is None:
            _leave()
        else:
            # In a callback of its own, so that it ends the loop and not whichever task has its turn.
            loop.call_soon_threadsafe(_leave)

    ReaderLeft.on_its_way = False
    before = signal.signal(signal.SIGPIPE, left)
    ended, end = os.pipe()
    watcher = threading.Thread(target=_watch, args=(number, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.close(end)
        watcher.join()
        os.close(ended)
        signal.signal(signal.SIGPIPE, before)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    if "asyncio" not in sys.modules:  # importing it takes longer than most commands
        return None
    import asyncio  # noqa: PLC0415

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _leave() -> None:
    if not ReaderLeft.on_its_way:
        raise ReaderLeft


def _pipe_of_stdout() -> int | None:
    try:
        number = sys.stdout.fileno()
        mode = os.fstat(number).st_mode
    except (OSError, ValueError, AttributeError):
        return None
    return number if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _watch(number: int, ended: int) -> None:
    """Until the pipe's reader leaves, or the command ends."""
    waiting = select.poll()
    waiting.register(number, 0)
    waiting.register(ended, 0)
    if any(each == number for each, _ in waiting.poll()):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGPIPE)


def _has_left(number: int) -> bool:
    asked = select.poll()
    asked.register(number, 0)
    return any(event & _GONE for _, event in asked.poll(0))
