"""A router that fails once, at a named point of a transaction: `failing_router CONFIG POINT HOW MARKER [LARGE]`.

HOW is `raise` (an error of Kafka's client), `die` (SIGKILL to itself) or `stop` (SIGSTOP to itself: it goes on there
when it is resumed). It fails on the first transaction that
delivers something, and only where MARKER does not exist yet. What is over LARGE bytes has the lane of what is large. All else is
the real router.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from broker.router import lanes
from broker.router.__main__ import main
from protocol import topics
from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.transactions import Transactions

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
        if self._how == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        raise KafkaError("a failpoint")


def around(
    name: str, *, before: Callable[..., None] | None = None, after: Callable[..., None] | None = None
) -> None:
    """Call these before and after a method of the router's transactions."""
    real: Callable[..., Awaitable[Any]] = getattr(Transactions, name)

    async def wrapped(self: Transactions, *args: Any, **kwargs: Any) -> Any:
        if before:
            before(*args)
        result = await real(self, *args, **kwargs)
        if after:
            after(*args)
        return result

    setattr(Transactions, name, wrapped)


def install(point: str, failpoint: Failpoint) -> None:
    """Put the failpoint where it belongs."""

    def note_delivery(outputs: Mapping[Place, Sequence[OutputRecord]], *_: Any) -> None:
        failpoint.delivering |= any(topic.startswith(topics.INBOX_PREFIX) for topic, _ in outputs)

    def reached(*_: Any) -> None:
        failpoint.reached()

    def first(outputs: Mapping[Place, Sequence[OutputRecord]], *_: Any) -> None:
        note_delivery(outputs)
        failpoint.reached()

    if point not in POINTS:
        raise SystemExit(f"the points are {', '.join(POINTS)}")
    around("commit", before=first if point == "before begin" else note_delivery)
    match point:
        case "after send":
            around("_write", after=reached)
        case "before offsets":
            around("_move", before=reached)
        case "before EndTxn":
            around("_end", before=reached)
        case "after EndTxn":
            around("_end", after=reached)


if __name__ == "__main__":
    config, point, how, marker, *large = sys.argv[1:]
    if large:
        lanes.WIDE_BYTES = int(large[0])  # type: ignore[misc]
    install(point, Failpoint(how, Path(marker)))
    raise SystemExit(main(Path(config)))
