"""How a task of ours lives with a library that lets its own cancellations out and may never end its close.

Owns these two questions and nothing of Kafka: what is asked here is true of any client library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

CLOSE_TIMEOUT: Final = 5.0


def are_we_cancelled() -> bool:
    """Whether a cancellation is meant for us: aiokafka lets those of its own tasks out of its calls."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def close(closing: Coroutine[Any, Any, None]) -> None:
    """Close a part of a client for as long as that may take; whatever comes out of it ends here.

    In a task of its own: while a broker is away aiokafka's `stop()` ends in a `CancelledError` of its own
    tasks, which here would look as if somebody had cancelled us.
    """
    task = asyncio.create_task(closing)
    await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
    if not task.done():
        task.cancel()
    elif not task.cancelled():
        task.exception()  # looked at, so that asyncio does not log it as never retrieved
