"""Waiting in tests: for a condition, never for a time.

Owns: the one loop that every test waits with. Rules: the bound is generous, since it only decides when a test that
fails says so; whoever waits says what for, and a failure shows what was seen last. A test whose promise is itself
about time measures an order of events or a ratio, and no seconds.
"""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

GENEROUS = 150.0
"""Seconds: many times what the slowest machine has needed so far."""

PAUSE = 0.03
SHOWN = 2000


class NotSeen(AssertionError):
    """What was awaited did not come; the text says what was seen instead."""


def until(
    look: Callable[[], T],
    good: Callable[[T], object] = bool,
    *,
    what: str,
    despite: tuple[type[Exception], ...] = (),
    alive: Callable[[], object] | None = None,
    within: float = GENEROUS,
    pause: float = PAUSE,
) -> T:
    """Look until what is seen is good, and return it.

    An error in `despite` counts as not good yet. `alive` is asked each time and raises where waiting has no more sense.
    """
    end, seen = time.monotonic() + within, None
    while True:
        if alive is not None:
            alive()
        try:
            if good(seen := look()):
                return seen
        except despite as error:
            seen = error
        if time.monotonic() > end:
            raise _not_seen(what, within, seen)
        time.sleep(pause)


async def until_async(
    look: Callable[[], Awaitable[T] | T],
    good: Callable[[T], object] = bool,
    *,
    what: str,
    despite: tuple[type[Exception], ...] = (),
    alive: Callable[[], object] | None = None,
    within: float = GENEROUS,
    pause: float = PAUSE,
) -> T:
    """The same where the event loop must go on meanwhile; `look` may be a coroutine function."""
    end, seen = time.monotonic() + within, None
    while True:
        if alive is not None:
            alive()
        try:
            found = look()
            seen = await found if inspect.isawaitable(found) else found
            if good(seen):
                return seen
        except despite as error:
            seen = error
        if time.monotonic() > end:
            raise _not_seen(what, within, seen)
        await asyncio.sleep(pause)


def ended(process: subprocess.Popen[Any], *, what: str = "the process to end") -> int:
    """The exit code of a process, once it has ended."""
    try:
        return process.wait(GENEROUS)
    except subprocess.TimeoutExpired:
        raise _not_seen(what, GENEROUS, f"{process.args} still runs") from None


def _not_seen(what: str, within: float, seen: object) -> NotSeen:
    return NotSeen(f"waited {within:.0f} s for {what}; last seen: {repr(seen)[:SHOWN]}")
