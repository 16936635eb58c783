"""What was sealed just now, so that a lane need not ask the database for what this process has in its hands.

The database stays the queue (lane.py). This is a shortcut past reading it, taken only where it must give the
same answer: each sealing stands here with the one that came before it in its partition, and a lane whose
cursor stands exactly there goes on with it. Whatever breaks that chain (a start, a failed transaction, a
failed batch, a lane sent back to its oldest, too much waiting) makes `take` answer None: ask the database.

`put`, `committed` and `forget` are called in the worker's thread, `take` in the event loop; a lock that is
held for microseconds stands between them. Nothing is given out that is not committed.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Final

from clients.daemon.store.sealings import WINDOW, WINDOW_BYTES, ToSend, Window

KEPT_BYTES: Final = 4_000_000
"""What waits here in a partition: while Kafka is away, messages pile up on the disk and not in memory."""


class RecentSealings:
    """The newest sealings of each partition."""

    __slots__ = ("_last", "_lock", "_queues", "_uncommitted")

    def __init__(self) -> None:
        self._lock = Lock()
        self._uncommitted: list[tuple[int, ToSend]] = []
        self._last: dict[int, int] = {}
        self._queues: dict[int, deque[tuple[int | None, ToSend]]] = {}

    def put(self, partition: int, item: ToSend) -> None:
        """A sealing was written. Inside a transaction."""
        self._uncommitted.append((partition, item))

    def committed(self) -> None:
        """The transaction holds: lanes may have what was sealed in it."""
        if not self._uncommitted:
            return
        with self._lock:
            for partition, item in self._uncommitted:
                queue = self._queues.setdefault(partition, deque())
                if len(queue) >= WINDOW or _bytes(queue) > KEPT_BYTES:
                    queue.clear()
                queue.append((self._last.get(partition), item))
                self._last[partition] = item.id
        self._uncommitted.clear()

    def forget(self) -> None:
        """The transaction failed: what holds of it is for the database to say."""
        with self._lock:
            self._uncommitted.clear()
            self._last.clear()
            self._queues.clear()

    def take(self, partition: int, after: int) -> Window | None:
        """What comes behind the cursor; None where only the database can say."""
        with self._lock:
            queue = self._queues.get(partition)
            if queue is None:
                return None
            while queue and queue[0][1].id <= after:
                queue.popleft()
            if not queue:
                return Window((), whole=True) if self._last.get(partition) == after else None
            return _behind(queue, after)


def _bytes(queue: deque[tuple[int | None, ToSend]]) -> int:
    return sum(len(item.submission) for _, item in queue)


def _behind(queue: deque[tuple[int | None, ToSend]], after: int) -> Window | None:
    taken: list[ToSend] = []
    size = 0
    while queue and queue[0][0] == after:
        size += len(queue[0][1].submission)
        if taken and size > WINDOW_BYTES:
            break
        _, item = queue.popleft()
        taken.append(item)
        after = item.id
    return Window(tuple(taken), whole=not queue) if taken else None
