"""`centre status`: Kafka, topics, routers and backlog, each checked now; what cannot be asked is said so."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from clients.cli.command import Invocation
from clients.cli.home import settings
from clients.cli.work.registry import Registry, declared_topics
from clients.kafka import KafkaFeeds, KafkaTopics
from protocol import topics

ROUTER_TIMEOUT = 3.0


@runtime_checkable
class GroupPositions(Protocol):
    """What a group has committed; the lag of the routers comes from it."""

    async def committed(self, group: str) -> Mapping[tuple[str, int], int]:
        """Positions by topic and partition."""
        ...


async def centre_status(invocation: Invocation, routers: tuple[str, ...]) -> dict[str, Any]:
    """Everything at a glance. Raises if Kafka itself is not reachable."""
    registry = await Registry.open(invocation)
    there = set(await KafkaTopics(registry.kafka).list())
    wanted = [topic.name for topic in declared_topics(registry.directory)]
    missing = [name for name in wanted if name not in there]
    urls = routers or _configured(settings(registry.home.centre_file).get("router"))
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


def is_well(status: Mapping[str, Any]) -> bool:
    """Whether there is nothing to look at."""
    return not status["topics"]["missing"] and all(router["ready"] for router in status["routers"])


async def _backlog(registry: Registry, there: set[str]) -> list[dict[str, Any]]:
    feeds, admin = KafkaFeeds(registry.kafka), KafkaTopics(registry.kafka)
    positions: Mapping[tuple[str, int], int] | None = None
    if isinstance(admin, GroupPositions):
        positions = await admin.committed(topics.ROUTER_GROUP)
    rows = []
    for unit in registry.directory.units():
        name, facts = topics.outbox(unit.unit), registry.directory.facts(unit.unit)
        if name not in there or facts is None:
            continue
        for partition in range(facts.outbox_partitions):
            end = await feeds.end(name, partition)
            done = None if positions is None else positions.get((name, partition), 0)
            rows.append({
                "unit": unit.unit,
                "partition": partition,
                "suspended": unit.suspended,
                "end": end,
                "position": done,
                "lag": None if done is None else max(0, end - done),
            })  # fmt: skip
    return rows


def ask_router(url: str) -> dict[str, Any]:
    """What a router says of itself."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    unknown = {"url": url, "ready": False, "checks": {}}
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=ROUTER_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        body = json.loads(connection.getresponse().read(1 << 20))
    except (OSError, http.client.HTTPException, ValueError):
        return unknown | {"error": "not reachable"}
    finally:
        connection.close()
    if not isinstance(body, dict):
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
