"""`centre status`: Kafka, topics, processes and progress, each checked now. No answer is told as none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from broker.centre.agreements import what_waits
from broker.centre.exchange_topics import declared_topics
from broker.centre.hanging import hanging_in
from broker.centre.key_watch import ending, key_rows, own_policy_file
from broker.centre.progress import Reader, find_standing
from broker.centre.progress_look import ROUTERS, ProgressLook
from broker.centre.registry import Registry
from broker.centre.seen.alarm_file import read_alarms
from broker.centre.seen.processes import ask_process, configured_places, own_ledger
from broker.centre.seen.sight import (
    clock_told,
    disk_room,
    ends_of,
    quarantine_depth,
    unit_rows,
    with_troubles,
)
from broker.centre.seen.troubles import NO_MARK, NOTICE
from broker.centre.wire.given_watch import ending_certificates
from broker.process_certificates import authority_here
from keys.directory import Directory
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from protocol.parties import Unit
from protocol.trail.batches import verify_decisions
from runtime.cli.command import Invocation
from runtime.cli.home import read_settings
from runtime.cli.kafka_calls import read_to_end
from runtime.errors import Unavailable
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord, Place
from runtime.kafka.security.access import tls_files
from runtime.process.clock import now

AT_ONCE = 8
_ENDS = {"key": "its key ends", "certificate": "its certificate", "broker_certificate": "its broker"}
TAIL = 20
"""Offsets at the end of a unit's receipts that are read first; a decision takes two, with its marker."""


async def read_status(
    invocation: Invocation, *, routers: tuple[str, ...] = (), ledgers: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The status of all parts. Raises if Kafka itself is not reachable."""
    registry = await Registry.read(invocation)
    home = registry.home
    routers = routers or configured_places(read_settings(home.settings).get("router"))
    ledgers = ledgers or configured_places(read_settings(home.settings).get("ledger")) or own_ledger(home)
    asked = [asyncio.create_task(asyncio.to_thread(ask_process, url)) for url in (*routers, *ledgers)]
    there = set(await KafkaTopicAdmin(registry.kafka).list())
    wanted = [topic.name for topic in declared_topics(registry.directory)]
    progress = await _progress(registry, there)
    hanging = await _hanging(registry, wanted)
    book = read_alarms(home)
    more = await _more(registry, there, looked=book.looked.get("quarantined", NO_MARK))
    answers = await asyncio.gather(*asked)
    status = {
        "kafka": {"bootstrap": str(registry.kafka), "reachable": True},
        "topics": {
            "declared": len(wanted),
            "missing": [name for name in wanted if name not in there],
            **hanging,
        },
        "directory": {
            "size": registry.directory.head.size,
            "root": registry.directory.head.root.hex(),
            "refused": registry.refused,
            "waiting": len(what_waits(registry)),
        },
        "routers": answers[: len(routers)],
        "ledgers": answers[len(routers) :],
        "certificates": _ending_certificates(registry),
    }
    return with_troubles(status | more | progress, book)


async def _progress(registry: Registry, there: set[str]) -> dict[str, Any]:
    """Who reads what and how far, and who stands still."""
    async with ProgressLook.at(registry, there) as look:
        readers = await look.readers()
        backlog = await _backlog(registry, readers)
        standing = await find_standing(
            readers, look.readers, clock=now, monotonic=time.monotonic, sleep=asyncio.sleep
        )
    return {
        "backlog": backlog,
        "readers": [_shown(reader) for reader in readers.values() if reader.name != ROUTERS],
        "standing": [_shown(one.reader) | {"why": one.why} for one in standing],
        "units": unit_rows(registry.directory.units(), readers, backlog),
    }


async def _more(registry: Registry, there: set[str], *, looked: int) -> dict[str, Any]:
    moment = now()
    keys = key_rows(registry.directory, moment=moment, policy=own_policy_file(registry.home))
    return {
        "moment": moment,
        "keys": ending(keys),
        "ends": ends_of(keys, moment),
        "quarantine": await quarantine_depth(KafkaFeeds(registry.kafka), there, looked=looked),
        "clock": await clock_told(registry.kafka),
        "disk": disk_room(registry.home.path),
    }


def _ending_certificates(registry: Registry) -> list[dict[str, Any]]:
    named = read_settings(registry.home.settings).get("authority")
    files = tls_files(registry.kafka)
    here = Path(named) if isinstance(named, str) else None if files is None else authority_here(files)
    return ending_certificates(registry.kafka, here, registry.directory, moment=now())


async def _hanging(registry: Registry, wanted: list[str]) -> dict[str, Any]:
    """Where a transaction hangs; null, with the reason, where Kafka does not tell: a right may be missing."""
    try:
        return {"hanging": await hanging_in(registry.kafka, wanted), "hanging_error": None}
    except Unavailable as error:
        return {"hanging": None, "hanging_error": str(error)}


def exchange_is_well(status: Mapping[str, Any]) -> bool:
    """Whether no part of the status needs attention."""
    ready = all(process["ready"] for process in (*status["routers"], *status["ledgers"]))
    one_ledger = not any(accused(router) for router in status["routers"])
    lasting = not status["keys"] and not status["certificates"] and not any(_advice(status))
    readable = not status["topics"]["missing"] and status["topics"]["hanging"] == []
    seen = all(row["severity"] == NOTICE for row in status.get("troubles", ()))
    return ready and one_ledger and lasting and readable and seen and not status["standing"]


def advice_of(process: Mapping[str, Any]) -> list[str]:
    """What a process says that a person must do before something of it ends."""
    hints = ((what, _hint_of(process["checks"].get(name))) for name, what in _ENDS.items())
    return [f"{what}: {hint}" for what, hint in hints if hint]


def _hint_of(check: object) -> str:
    match check:
        case {"ending": True, "hint": str(hint)}:
            return hint
        case _:
            return ""


def _advice(status: Mapping[str, Any]) -> list[str]:
    return [hint for process in (*status["routers"], *status["ledgers"]) for hint in advice_of(process)]


def accused(router: Mapping[str, Any]) -> list[str]:
    """The units whose headers named a head that the ledger did not publish."""
    match router["checks"]:
        case {"ledger": {"accused": [*units]}}:
            return [str(unit) for unit in units]
        case _:
            return []


async def _backlog(registry: Registry, readers: Mapping[Place, Reader]) -> list[dict[str, Any]]:
    """A row for each partition of an outbox. Where nothing waits, no decision is read for it."""
    rows: list[dict[str, Any]] = []
    behind: dict[UnitId, Unit] = {}
    for reader in (one for one in readers.values() if one.name == ROUTERS):
        unit = registry.directory.unit(topics.outbox_owner(reader.place[0]))
        assert unit is not None
        if reader.waiting:
            behind[unit.unit] = unit
        else:
            rows.append(_row(unit, reader.place[1], end=reader.end, position=reader.end))
    rows = [row for row in rows if row["unit"] not in behind]
    turns = asyncio.Semaphore(AT_ONCE)

    async def of_unit(unit: Unit) -> list[dict[str, Any]]:
        async with turns:
            return await backlog_of(unit, registry)

    rows += [row for found in await asyncio.gather(*map(of_unit, behind.values())) for row in found]
    return sorted(rows, key=lambda row: (row["unit"], row["partition"]))


def _row(unit: Unit, partition: int, *, end: int, position: int | None) -> dict[str, Any]:
    return {
        "unit": unit.unit,
        "partition": partition,
        "suspended": unit.suspended,
        "end": end,
        "position": position,
        "lag": None if position is None else max(0, end - position),
    }


async def backlog_of(unit: Unit, registry: Registry) -> list[dict[str, Any]]:
    """How far routers have come with each partition of a unit's outbox, by their own signed decisions."""
    facts, feeds = registry.directory.facts(unit.unit), KafkaFeeds(registry.kafka)
    partitions = 1 if facts is None else facts.outbox_partitions
    outbox = topics.outbox(unit.unit)
    ends = await feeds.ends([(outbox, number) for number in range(partitions)])
    decided = await _decided(unit.unit, feeds, registry.directory, partitions=partitions)
    return [
        _row(unit, number, end=end, position=decided.get(number, 0 if end == 0 else None))
        for (_, number), end in ends.items()
    ]


async def _decided(
    unit: UnitId, feeds: KafkaFeeds, directory: Directory, *, partitions: int
) -> dict[int, int]:
    """The position behind the last decision on each partition, from the end of the unit's receipts.

    The end is enough where every partition is busy; else more is read. A partition without any decision
    is not in the answer, unless there are no decisions at all: then routers have come to 0.
    """
    end, tail = await feeds.end(topics.receipts(unit), 0), TAIL * partitions
    if end == 0:
        return dict.fromkeys(range(partitions), 0)
    found: dict[int, int] = {}

    def take(record: InputRecord) -> None:
        try:
            decisions = verify_decisions(record.value, parties=directory)
        except Rejected:
            return
        for one in decisions.records:
            if one.source.unit == unit:
                found[one.source.partition] = max(found.get(one.source.partition, 0), one.source.offset + 1)

    while True:
        start = max(0, end - tail)
        await read_to_end(feeds, topics.receipts(unit), take, start=start)
        if start == 0 or len(found) == partitions:
            return found
        tail *= 10


def _shown(reader: Reader) -> dict[str, Any]:
    mark = reader.mark
    return {
        "name": reader.name,
        "topic": reader.place[0],
        "partition": reader.place[1],
        "end": reader.end,
        "position": reader.position,
        "lag": reader.waiting,
        "heard": None if mark is None else mark.told,
        "moved": None if mark is None else mark.moved,
    }
