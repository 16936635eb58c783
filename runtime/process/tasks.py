"""The orderly end of a process's tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

STOP_WITHIN: Final = 12.0
"""Seconds for what is in hand after SIGTERM; closing connections comes on top, 15 s in all."""


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
