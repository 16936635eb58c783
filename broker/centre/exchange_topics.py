"""The topics of the exchange: which must exist, and applying them to Kafka (`centre topics apply`)."""

from __future__ import annotations

from typing import Any

from broker.centre.registry import Registry, topics_of
from keys.directory import Directory
from protocol import topics
from protocol.topics import Topic
from runtime.cli.command import Invocation
from runtime.cli.progress import progress
from runtime.kafka.admin import KafkaTopicAdmin


async def apply_topics(invocation: Invocation) -> list[dict[str, Any]]:
    """Make Kafka agree with what is declared for the units of the directory."""
    registry = await Registry.read(invocation)
    declared = declared_topics(registry.directory)
    with progress("topics", len(declared)) as done:
        changes = await KafkaTopicAdmin(registry.kafka).apply(declared, done=done)
    return [
        {"name": change.name, "action": change.action, "settings": list(change.settings)}
        for change in changes
    ]


def declared_topics(directory: Directory) -> tuple[Topic, ...]:
    """Every topic that must exist for the units that the directory describes."""
    found = list(topics.shared())
    for unit in directory.units():
        found += topics_of(directory.facts(unit.unit))
    return tuple(found)
