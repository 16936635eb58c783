"""The sealings in the database: what lies in Kafka byte for byte, and what the router has not decided yet.

Owns the table `sealings`, but for the verdicts, which `outbox` writes together with the message's state.
Every function runs in the worker's thread; those that write expect an open transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from clients.daemon.store.database import Store
from clients.daemon.store.decisions import Sealing
from protocol.envelope.header import Position
from protocol.envelope.sealing import Sealed
from protocol.identifiers import Digest, Millis, ThreadId, digest

WINDOW: Final = 200
WINDOW_BYTES: Final = 480_000
"""What a lane sends at a time at the most."""


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
    """Kafka has acknowledged these, at these offsets."""
    for sealing, offset in sealings.items():
        store.write("UPDATE sealings SET position = ? WHERE id = ? AND verdict IS NULL", offset, sealing)
        store.write(
            """UPDATE outbox SET state = 'sent', changed = ?
               WHERE state = 'sealed' AND id = (SELECT message FROM sealings WHERE id = ?)""",
            now,
            sealing,
        )


def find_sealing(store: Store, submission: Digest) -> Sealing | None:
    """The sealing with these bytes."""
    row = store.row(
        """SELECT s.id, s.message, s.verdict, o.state, o.sealed_times,
                  (SELECT max(id) FROM sealings WHERE message = s.message) AS newest
           FROM sealings s JOIN outbox o ON o.id = s.message WHERE s.digest = ?""",
        submission,
    )
    if row is None:
        return None
    return Sealing(
        row["id"],
        row["message"],
        latest=row["id"] == row["newest"],
        decided=row["verdict"] is not None,
        message_settled=row["state"] in ("accepted", "refused"),
        sealed_times=row["sealed_times"],
    )


def has_undecided_sealings(store: Store, partition: int) -> bool:
    """Whether anything waits for a decision."""
    return (
        store.row("SELECT 1 FROM sealings WHERE partition = ? AND verdict IS NULL LIMIT 1", partition)
        is not None
    )


def is_overtaken(store: Store, partition: int, *, decided: int) -> bool:
    """Whether the router went past something of ours without a decision: Kafka has lost it."""
    row = store.row(
        "SELECT position FROM sealings WHERE partition = ? AND verdict IS NULL ORDER BY id LIMIT 1", partition
    )
    # The oldest tells: later ones stand behind it in the log, or are not there yet.
    return row is not None and row["position"] is not None and row["position"] < decided
