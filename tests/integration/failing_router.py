"""A router that fails once, at a named point of a transaction: `failing_router CONFIG POINT HOW MARKER`.

HOW is `raise` (an error of Kafka's client) or `die` (SIGKILL to itself). It fails on the first transaction that
delivers something, and only where MARKER does not exist yet. All else is the real router.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from broker.__main__ import main
from protocol import topics

POINTS = ("before begin", "after send", "before offsets", "before EndTxn", "after EndTxn")


class Failpoint:
    """Fails once."""

    def __init__(self, how: str, marker: Path) -> None:
        self.delivering = False
        self._how = how
        self._marker = marker

    def reached(self) -> None:
        """The point: fail, if there is a delivery in this transaction and nobody failed before."""
        if not self.delivering or self._marker.exists():
            return
        self._marker.touch()
        if self._how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KafkaError("a failpoint")


def around(
    name: str, *, before: Callable[..., None] | None = None, after: Callable[..., None] | None = None
) -> None:
    """Call these before and after a method of aiokafka's producer."""
    real: Callable[..., Awaitable[Any]] = getattr(AIOKafkaProducer, name)

    async def wrapped(self: AIOKafkaProducer, *args: Any, **kwargs: Any) -> Any:
        if before:
            before(*args)
        result = await real(self, *args, **kwargs)
        if after:
            after(*args)
        return result

    setattr(AIOKafkaProducer, name, wrapped)


def install(point: str, failpoint: Failpoint) -> None:
    """Put the failpoint where it belongs."""

    def note_delivery(topic: str, *_: Any) -> None:
        failpoint.delivering |= topic.startswith(topics.INBOX_PREFIX)

    def sent(topic: str, *_: Any) -> None:
        # The audit record is the last that a step writes: all others are on their way.
        if topic == topics.AUDIT:
            failpoint.reached()

    def reached(*_: Any) -> None:
        failpoint.reached()

    match point:
        case "before begin":
            failpoint.delivering = True  # nothing was sent yet: fail on the very first
            around("begin_transaction", before=reached)
        case "after send":
            around("send", before=note_delivery, after=sent)
        case "before offsets":
            around("send", before=note_delivery)
            around("send_offsets_to_transaction", before=reached)
        case "before EndTxn":
            around("send", before=note_delivery)
            around("commit_transaction", before=reached)
        case "after EndTxn":
            around("send", before=note_delivery)
            around("commit_transaction", after=reached)
        case _:
            raise SystemExit(f"the points are {', '.join(POINTS)}")


if __name__ == "__main__":
    config, point, how, marker = sys.argv[1:]
    install(point, Failpoint(how, Path(marker)))
    raise SystemExit(main(Path(config)))
