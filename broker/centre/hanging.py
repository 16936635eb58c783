"""Transactions that hang in the topics of the exchange: which, and ending them (`centre topics hanging`).

Owns what is told of them. What they are, and when one may be ended, is in runtime/kafka/hanging.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from broker.centre.exchange_topics import declared_topics
from broker.centre.registry import Registry
from runtime.cli.command import Invocation
from runtime.kafka.hanging.search import Hanging, HangingTransactions
from runtime.kafka.security.access import KafkaAddress


async def find_hanging(invocation: Invocation) -> list[dict[str, Any]]:
    """A row for each partition in which a transaction hangs."""
    registry = await Registry.read(invocation)
    return await hanging_in(registry.kafka, _names(registry))


async def end_hanging(invocation: Invocation) -> list[dict[str, Any]]:
    """The same, each ended as its coordinator had decided, where it had."""
    registry = await Registry.read(invocation)
    async with HangingTransactions.at(registry.kafka) as search:
        found = await search.find(_names(registry))
        said = await search.end(found)
    return [_row(one) | {"ended": said.get(one) == "", "error": said.get(one) or None} for one in found]


async def hanging_in(bootstrap: KafkaAddress, names: Iterable[str]) -> list[dict[str, Any]]:
    """A row for each partition of these topics in which a transaction hangs."""
    async with HangingTransactions.at(bootstrap) as search:
        return [_row(one) for one in await search.find(names)]


def _names(registry: Registry) -> Collection[str]:
    return [topic.name for topic in declared_topics(registry.directory)]


def _row(one: Hanging) -> dict[str, Any]:
    topic, partition = one.open.place
    return {
        "topic": topic,
        "partition": partition,
        "offset": one.open.start,
        "t": one.open.timestamp,
        "decided": one.verdict.state.value,
    }
