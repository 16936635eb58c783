"""What a status tells beside processes and progress: quarantine, clock, disk, every unit, every end of a key.

Owns how these are asked for, each within a bound, and their form in the status. What is wrong in them is
broker/centre/seen/troubles.py. A question that Kafka does not answer is told as not known, and never as none.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from broker.centre.progress import Reader
from broker.centre.seen.alarm_book import AlarmBook
from broker.centre.seen.troubles import NO_MARK, troubles_in
from protocol import topics
from protocol.identifiers import Millis
from protocol.parties import Unit
from runtime.cli.kafka_calls import read_to_end
from runtime.errors import Unavailable
from runtime.kafka.broker_time import KafkaTime
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord, Place
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import now

Row = dict[str, Any]

COUNTED_OFFSETS: Final = 1_000
"""So far back the quarantine is counted: each of its records holds 16 KB, and two offsets with its marker."""


async def quarantine_depth(feeds: KafkaFeeds, there: Collection[str], *, looked: int) -> Row:
    """How many records the quarantine has, counted from its end, and how many came since somebody looked.

    `looked` is the number of the newest one that somebody has looked at.
    """
    if topics.QUARANTINE not in there:
        return _told_of([], more=False, looked=looked)  # that it is missing is told of topics
    end = await feeds.end(topics.QUARANTINE, 0)
    start = max(0, end - COUNTED_OFFSETS)
    found: list[tuple[int, int]] = []

    def take(record: InputRecord) -> None:
        found.append((record.offset, record.timestamp))

    await read_to_end(feeds, topics.QUARANTINE, take, start=start)
    return _told_of(found, more=start > 0, looked=looked)


def _told_of(found: Sequence[tuple[int, int]], *, more: bool, looked: int) -> Row:
    """Of records by offset and time. If the newest is older than what was looked at, the topic is another."""
    since = looked if found and found[-1][0] >= looked else NO_MARK
    unseen = [stamped for offset, stamped in found if offset > since]
    return {
        "depth": len(found),
        "more": more,
        "newest": found[-1][0] if found else None,
        "newest_t": found[-1][1] if found else None,
        "unseen": len(unseen),
        "since": unseen[0] if unseen else None,
    }


async def clock_told(kafka: KafkaAddress) -> Row:
    """By how much this machine's clock is ahead of Kafka's, in milliseconds; null where nobody tells."""
    source = KafkaTime(kafka)
    try:
        told = await source.ask()
    except Unavailable as error:
        return {"ahead": None, "error": str(error)}
    finally:
        await source.close()
    return {"ahead": now() - told, "error": None}


def disk_room(home: Path) -> Row:
    """What is left of the disk on which the home lies."""
    found = shutil.disk_usage(home)
    return {"free": found.free, "of": found.total}


def unit_rows(
    units: Iterable[Unit], readers: Mapping[Place, Reader], backlog: Iterable[Mapping[str, Any]]
) -> list[Row]:
    """Of each unit when it was heard last, and what waits: of it for routers, and for it."""
    undecided: dict[str, int | None] = {}
    for row in backlog:
        before = undecided.get(row["unit"], 0)
        undecided[row["unit"]] = None if before is None or row["lag"] is None else before + row["lag"]
    rows: dict[str, Row] = {
        unit.unit: {
            "unit": unit.unit,
            "suspended": unit.suspended,
            "heard": None,
            "outbox_lag": undecided.get(unit.unit),
            "inbox_lag": 0,
            "receipts_lag": 0,
        }
        for unit in units
    }
    for reader in readers.values():
        told = rows.get(reader.name.removeprefix("unit "))
        if told is None or not reader.name.startswith("unit "):
            continue
        kind = "inbox_lag" if reader.place[0].startswith("inbox.") else "receipts_lag"
        told[kind] += reader.waiting
        if reader.mark is not None:
            told["heard"] = max(reader.mark.told, told["heard"] or 0)
    return [rows[name] for name in sorted(rows)]


def ends_of(keys: Iterable[Mapping[str, Any]], moment: Millis) -> list[Row]:
    """Every key and half-year with its end, whether or not it is near. A suspended unit's may well end."""
    return [
        {"kind": row["kind"], "name": row["name"], "until": row["until"], "left": row["until"] - moment}
        for row in keys
        if row["until"] is not None and row.get("state") != "suspended"
    ]


def with_troubles(status: Row, book: AlarmBook) -> Row:
    """The status, and all that is wrong in it, since when, and who looks after it."""
    unclosed = book.unclosed()
    rows = []
    for trouble in troubles_in(status):
        alarm = unclosed.get((trouble.code, trouble.about))
        kept = {"alarm": None, "state": None, "by": None}
        if alarm is not None:
            told = alarm.row()
            kept = {"alarm": told["id"], "state": told["state"], "by": told["by"]}
        rows.append(trouble.row() | {"since": book.since(trouble)} | kept)
    alarms = [alarm.row() for alarm in unclosed.values()]
    return status | {"troubles": rows, "alarms": alarms}
