"""A deadline for a question to somebody outside, however slowly the answer comes.

Owns the two ways in which an answer is not waited for. The timeouts of the libraries hold for each part of an
answer: whoever sends one byte at a time, the head of an answer included, keeps within all of them for days.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Final, TypeVar

T = TypeVar("T")

SLOWEST: Final = 16_384
"""Bytes a second: a body that comes more slowly is given up. The slowest link that is worth asking over has
more."""


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns or raises; `TimeoutError` after so many seconds, whatever still comes.

    It runs in a thread of its own, which is left to itself then: the caller closes what it reads from.
    """
    asked: Future[T] = Future()

    def run() -> None:
        try:
            asked.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            asked.set_exception(error)

    threading.Thread(target=run, name="question", daemon=True).start()
    return asked.result(seconds)


def paced(
    chunks: Iterable[bytes], seconds: float, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[bytes]:
    """The parts of a body; `TimeoutError` where they come more slowly than `SLOWEST` for so many seconds."""
    begun, got = clock(), 0
    for chunk in chunks:
        got += len(chunk)
        if clock() - begun > seconds + got / SLOWEST:
            raise TimeoutError(f"{got} bytes in {clock() - begun:.0f} s")
        yield chunk
