"""Cancelling and closing around a library that leaks cancellations and may never end its close.

Owns these two questions and nothing of Kafka: the answers hold for any client library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

CLOSE_TIMEOUT: Final = 5.0


def is_task_cancelled() -> bool:
    """Whether a cancellation is meant for this task: aiokafka leaks those of its own tasks."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def close(closing: Coroutine[Any, Any, None]) -> None:
    """Close a part of a client within a bounded time; no exception leaves this call.

    In a task of its own: while a broker is away aiokafka's `stop()` ends in a `CancelledError` of its own
    tasks, which here would look like a cancellation of the caller.
    """
    task = asyncio.create_task(closing)
    await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
    if not task.done():
        task.cancel()
    elif not task.cancelled():
        task.exception()  # looked at, so that asyncio does not log it as never retrieved
