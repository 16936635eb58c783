"""Kafka for commands: one event loop, bounded waiting, and no log lines between the data.

Reads only through the ports of `runtime.kafka.ports`; `runtime.kafka.feeds` gives them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from runtime.cli.errors import NotInTime
from runtime.kafka.ports import FeedReader, Fetched, InputRecord

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds without any progress after which a command gives up."""


class _Enough(Exception):
    pass


def run_quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's work. What the client libraries log goes nowhere: the command itself reports."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return asyncio.run(work)


async def read_to_end(
    feeds: FeedReader, topic: str, take: Callable[[InputRecord], None], *, partition: int = 0, start: int = 0
) -> int:
    """Every committed record from `start` to what is the end now; returns where to go on."""
    end = await feeds.end(topic, partition)
    if end <= start:
        return start
    position = start

    async def batch(fetched: Fetched) -> None:
        nonlocal position
        for record in fetched.records:
            if record.offset < end:
                take(record)
        position = fetched.position
        if position >= end:
            raise _Enough

    await _while_progress(feeds.follow(topic, partition, start=start, take=batch), lambda: position)
    return position


async def follow(
    feeds: FeedReader, topic: str, take: Callable[[InputRecord], None], *, partition: int = 0, start: int = 0
) -> None:
    """Every committed record from `start`, for ever."""

    async def batch(fetched: Fetched) -> None:
        for record in fetched.records:
            take(record)

    await feeds.follow(topic, partition, start=start, take=batch)


async def _while_progress(reading: Awaitable[None], position: Callable[[], int]) -> None:
    task = asyncio.ensure_future(reading)
    before = -1
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=PATIENCE)
            if done:
                break
            if position() == before:
                raise NotInTime("Kafka gives no more records", hint="is the cluster whole? try again")
            before = position()
        await task
    except _Enough:
        return
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
