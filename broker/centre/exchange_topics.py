"""What the exchange needs of Kafka: topics, rights and quotas, compared (`centre topics plan`) and applied.

Owns which topics are declared for the units of the directory; rights are broker/centre/exchange_rights.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from broker.centre.exchange_rights import differing_rights
from broker.centre.joining.invited import invited_access
from broker.centre.registry import Registry, topics_of
from keys.directory import Directory
from protocol import topics
from protocol.topics import Topic
from runtime.cli.command import Invocation
from runtime.cli.progress import progress
from runtime.cli.render import say
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.ports import TopicChange
from runtime.kafka.security.access import tls_files
from runtime.process.clock import now


async def plan_topics(invocation: Invocation) -> list[dict[str, Any]]:
    """What Kafka lacks of what is declared, and has beside it."""
    registry = await Registry.read(invocation)
    found = await KafkaTopicAdmin(registry.kafka).plan(declared_topics(registry.directory))
    differing = [change for change in found if change.action != "kept"]
    return _rows(differing) + await _rights(registry, apply=False)


async def apply_topics(invocation: Invocation) -> list[dict[str, Any]]:
    """Make Kafka agree with what is declared for the units of the directory."""
    registry = await Registry.read(invocation)
    declared = declared_topics(registry.directory)
    with progress("topics", len(declared)) as done:
        changes = await KafkaTopicAdmin(registry.kafka).apply(declared, done=done)
    return _rows(changes) + await _rights(registry, apply=True)


def declared_topics(directory: Directory) -> tuple[Topic, ...]:
    """Every topic that must exist for the units that the directory describes."""
    found = list(topics.shared())
    for unit in directory.units():
        found += topics_of(directory.facts(unit.unit))
    return tuple(found)


def _rows(changes: Iterable[TopicChange]) -> list[dict[str, Any]]:
    return [
        {"kind": "topic", "name": change.name, "action": change.action, "settings": list(change.settings)}
        for change in changes
    ]


async def _rights(registry: Registry, *, apply: bool) -> list[dict[str, Any]]:
    if tls_files(registry.kafka) is None:
        say("hint: rights and quotas are left out: this Kafka is spoken to in plain (kafka_security)")
        return []
    invited = invited_access(registry.home, now())
    return await differing_rights(registry.kafka, registry.directory, apply=apply, beside=invited)
