"""`centre status`: Kafka, topics, routers and backlog, each checked now. No answer is reported as none."""

from __future__ import annotations

import asyncio
import http.client
import urllib.parse
from collections.abc import Mapping
from typing import Any

from broker.centre.exchange_topics import declared_topics
from broker.centre.registry import Registry
from keys.directory import Directory
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from protocol.json_text import read_json
from protocol.parties import Unit
from protocol.trail.batches import verify_decisions
from runtime.cli.command import Invocation
from runtime.cli.home import read_settings
from runtime.cli.kafka_calls import read_to_end
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord

ROUTER_TIMEOUT = 10.0
_MAX_ANSWER = 1 << 20
AT_ONCE = 8
TAIL = 20
"""Offsets at the end of a unit's receipts that are read first; a decision takes two, with its marker."""


async def read_status(invocation: Invocation, routers: tuple[str, ...]) -> dict[str, Any]:
    """The status of all parts. Raises if Kafka itself is not reachable."""
    registry = await Registry.read(invocation)
    there = set(await KafkaTopicAdmin(registry.kafka).list())
    wanted = [topic.name for topic in declared_topics(registry.directory)]
    missing = [name for name in wanted if name not in there]
    urls = routers or _configured(read_settings(registry.home.settings).get("router"))
    return {
        "kafka": {"bootstrap": registry.kafka, "reachable": True},
        "topics": {"declared": len(wanted), "missing": missing},
        "directory": {
            "size": registry.directory.head.size,
            "root": registry.directory.head.root.hex(),
            "refused": registry.refused,
        },
        "routers": [ask_router(url) for url in urls],
        "backlog": await _backlog(registry, there),
    }


def exchange_is_well(status: Mapping[str, Any]) -> bool:
    """Whether no part of the status needs attention."""
    routers = status["routers"]
    ready = all(router["ready"] for router in routers)
    return ready and not status["topics"]["missing"] and not any(accused(router) for router in routers)


def accused(router: Mapping[str, Any]) -> list[str]:
    """The units whose headers named a head that the ledger did not publish."""
    match router["checks"]:
        case {"ledger": {"accused": [*units]}}:
            return [str(unit) for unit in units]
        case _:
            return []


async def _backlog(registry: Registry, there: set[str]) -> list[dict[str, Any]]:
    known = [unit for unit in registry.directory.units() if topics.outbox(unit.unit) in there]
    turns = asyncio.Semaphore(AT_ONCE)

    async def of_unit(unit: Unit) -> list[dict[str, Any]]:
        async with turns:
            return await backlog_of(unit, registry)

    return [row for rows in await asyncio.gather(*map(of_unit, known)) for row in rows]


async def backlog_of(unit: Unit, registry: Registry) -> list[dict[str, Any]]:
    """How far routers have come with each partition of a unit's outbox, by their own signed decisions."""
    facts, feeds = registry.directory.facts(unit.unit), KafkaFeeds(registry.kafka)
    partitions = 1 if facts is None else facts.outbox_partitions
    ends = [await feeds.end(topics.outbox(unit.unit), number) for number in range(partitions)]
    decided = await _decided(unit.unit, feeds, registry.directory, partitions=partitions)
    return [
        {
            "unit": unit.unit,
            "partition": number,
            "suspended": unit.suspended,
            "end": end,
            "position": decided.get(number, 0 if end == 0 else None),
            "lag": None if number not in decided and end else max(0, end - decided.get(number, 0)),
        }
        for number, end in enumerate(ends)
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


def ask_router(url: str) -> dict[str, Any]:
    """A router's own readiness answer."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    unknown = {"url": url, "ready": False, "checks": {}}
    try:
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        return unknown | {"error": "not an address: its port does not exist"}
    if parts.scheme != "http":
        return unknown | {"error": "not an address of http"}
    connection = http.client.HTTPConnection(host, port, timeout=ROUTER_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        read = read_json(connection.getresponse().read(_MAX_ANSWER), at_most=_MAX_ANSWER)
    except (OSError, http.client.HTTPException, ValueError):
        return unknown | {"error": "not reachable"}
    finally:
        connection.close()
    body = read.value
    if read.faults or not isinstance(body, dict):
        return unknown | {"error": "not a router"}
    return {"url": url, "ready": body.get("ready") is True, "checks": body.get("checks") or {}}


def _configured(found: object) -> tuple[str, ...]:
    match found:
        case str():
            return (found,)
        case list():
            return tuple(str(url) for url in found)
        case _:
            return ()
