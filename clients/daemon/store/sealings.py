"""The sealings in the database: the bytes that go to Kafka, until a router has decided them.

Owns the table `sealings`, but for the verdicts, which `outbox` writes together with the message's state.
Every function runs in the worker's thread; those that write expect an open transaction.

The table is the queue of the lanes. `RecentSealings` is a shortcut past reading it, taken only where it must
give the same answer: each sealing stands there with the one that came before it in its partition, and a lane
whose cursor stands exactly there goes on with it. Whatever breaks that chain (a start, a failed transaction,
a failed batch, a lane sent back to its oldest, too much waiting) makes `take` answer None: ask the database.
Its `put`, `committed` and `forget` are called in the worker's thread, `take` in the event loop; a lock that
is held for microseconds stands between them. Nothing is given out that is not committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from clients.daemon.store.database import Store
from clients.daemon.store.decisions import Sealing
from clients.daemon.store.message_states import OUTBOX, UNDECIDED, OutboxEvent, allowing
from protocol.envelope.core import Position
from protocol.envelope.sealing import Sealed
from protocol.identifiers import Digest, Millis, ThreadId, digest

_APPENDABLE: Final = allowing(OUTBOX, OutboxEvent.APPEND)

WINDOW: Final = 200


WINDOW_BYTES: Final = 480_000
"""What a lane sends at a time at the most."""


LOOKED_BACK: Final = 2_000
"""Of so many sealings, of all partitions, the newest in a partition is looked for."""


KEPT_BYTES: Final = 4_000_000
"""Sealings kept here for a partition: while Kafka is away, messages wait on disk and not in memory."""


@dataclass(frozen=True, slots=True)
class ToSend:
    """A sealing that the router has not decided yet."""

    id: int
    thread: ThreadId
    submission: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Window:
    """The next sealings to be sent."""

    items: tuple[ToSend, ...]
    whole: bool
    """Whether these are all that there were."""


def put_sealing(store: Store, row: int, sealed: Sealed, *, position: Position, partition: int) -> int:
    """The bytes that go out for a row, once and for all; the id of the sealing."""
    made = store.insert(
        """INSERT INTO sealings (message, stream, seq, partition, subject, digest, submission)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        row,
        position.stream,
        position.seq,
        partition,
        sealed.header_digest,
        digest(sealed.submission),
        sealed.submission,
    )
    assert made is not None
    return made


def undecided(store: Store, *, partition: int, after: int, most: int, most_bytes: int) -> Window:
    """The oldest sealings of a partition behind `after` that have no decision yet, in their order."""
    rows = store.rows(
        """SELECT s.id, o.thread, s.submission FROM sealings s JOIN outbox o ON o.id = s.message
           WHERE s.partition = ? AND s.verdict IS NULL AND s.id > ? ORDER BY s.id LIMIT ?""",
        partition,
        after,
        most,
    )
    taken: list[ToSend] = []
    size = 0
    for row in rows:
        size += len(row["submission"])
        if taken and size > most_bytes:
            break
        taken.append(ToSend(row["id"], ThreadId(row["thread"]), row["submission"]))
    return Window(tuple(taken), whole=len(taken) == len(rows) < most)


def mark_sent(store: Store, sealings: Mapping[int, int], *, now: Millis) -> None:
    """Kafka has acknowledged these, at these offsets. What is decided already stays as it is."""
    for sealing, offset in sealings.items():
        store.write("UPDATE sealings SET position = ? WHERE id = ? AND verdict IS NULL", offset, sealing)
        store.write(
            f"""UPDATE outbox SET state = ?, changed = ?
               WHERE {_APPENDABLE} AND id = (SELECT message FROM sealings WHERE id = ?)""",  # noqa: S608 - a constant
            OUTBOX.target(OutboxEvent.APPEND),
            now,
            sealing,
        )


def find_sealing(store: Store, submission: Digest, *, partition: int) -> Sealing | None:
    """The sealing with these bytes, which this daemon put into this partition of its outbox."""
    row = store.row(
        """SELECT s.id, s.message, s.verdict, o.state, o.sealed_times,
                  (SELECT max(id) FROM sealings WHERE message = s.message) AS newest
           FROM sealings s JOIN outbox o ON o.id = s.message WHERE s.digest = ? AND s.partition = ?""",
        submission,
        partition,
    )
    if row is None:
        return None
    return Sealing(
        row["id"],
        row["message"],
        latest=row["id"] == row["newest"],
        decided=row["verdict"] is not None,
        message_settled=row["state"] not in UNDECIDED,
        sealed_times=row["sealed_times"],
    )


def last_known_place(store: Store, partition: int) -> int:
    """The last place in the outbox's partition that this store knows of; -1 if none.

    Of the newest sealings alone: places grow with their ids.
    """
    row = store.row(
        """SELECT max(position) AS last FROM sealings
           WHERE partition = ? AND id > (SELECT max(id) FROM sealings) - ?""",
        partition,
        LOOKED_BACK,
    )
    return -1 if row is None or row["last"] is None else int(row["last"])


def learn_sealing(
    store: Store, row: int, *, position: Position, partition: int, subject: Digest, submission: Digest
) -> None:
    """A sealing of a message that this store does not remember: it came back from a backup since."""
    store.write(
        """INSERT INTO sealings (message, stream, seq, partition, subject, digest)
           VALUES (?, ?, ?, ?, ?, ?)""",
        row,
        position.stream,
        position.seq,
        partition,
        subject,
        submission,
    )


def has_undecided_sealings(store: Store, partition: int) -> bool:
    """Whether anything waits for a decision."""
    return (
        store.row("SELECT 1 FROM sealings WHERE partition = ? AND verdict IS NULL LIMIT 1", partition)
        is not None
    )


def is_overtaken(store: Store, partition: int, *, decided: int) -> bool:
    """Whether the router skipped a sealing without a decision: Kafka has lost it."""
    row = store.row(
        "SELECT position FROM sealings WHERE partition = ? AND verdict IS NULL ORDER BY id LIMIT 1", partition
    )
    # The oldest suffices: later ones are behind it in the log, or not there yet.
    return row is not None and row["position"] is not None and row["position"] < decided


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
        """The transaction failed, or what is to go out has changed: the database decides."""
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
