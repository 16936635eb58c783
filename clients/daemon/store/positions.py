"""How far each feed was read, and some of the records that were read last.

Owns the tables `positions` and `read_records`. Every function runs in the worker's thread; those that write
expect the open transaction in which what was read is written. Rule: a position moves together with the
records that it rests on, so that after a start a log that is another one is noticed
(runtime/read_records.py).
"""

from __future__ import annotations

from clients.daemon.store.database import Store
from runtime.kafka.ports import Fetched, Ladder
from runtime.read_records import climbed, cut, ladder_from_bytes, ladder_to_bytes


def position(store: Store, topic: str, partition: int) -> int:
    """Where reading goes on; 0 at the beginning."""
    row = store.row("SELECT position FROM positions WHERE topic = ? AND partition = ?", topic, partition)
    return 0 if row is None else int(row["position"])


def read_records(store: Store, topic: str, partition: int) -> Ladder:
    """Some of the records that were read; none in a store that an earlier version wrote."""
    row = store.row("SELECT ladder FROM read_records WHERE topic = ? AND partition = ?", topic, partition)
    return () if row is None else ladder_from_bytes(row["ladder"])


def set_position(store: Store, topic: str, partition: int, value: int) -> None:
    """Everything before `value` was read."""
    store.write(
        """INSERT INTO positions VALUES (?, ?, ?)
           ON CONFLICT DO UPDATE SET position = excluded.position""",
        topic,
        partition,
        value,
    )


def move_position(store: Store, fetched: Fetched, *, position: int | None = None) -> None:
    """This was read: reading goes on behind it, or at `position` where not all of it is done with."""
    topic, partition = fetched.topic, fetched.partition
    before = read_records(store, topic, partition)
    after = before if fetched.rewound_from is None else cut(before, fetched.position)
    after = climbed(after, fetched.records)
    if after != before:
        store.write(
            """INSERT INTO read_records VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET ladder = excluded.ladder""",
            topic,
            partition,
            ladder_to_bytes(after),
        )
    set_position(store, topic, partition, fetched.position if position is None else position)
