"""`centre topics apply`."""

from __future__ import annotations

from typing import Any

from broker.centre.registry import Registry, declared_topics
from runtime.cli.command import Invocation
from runtime.kafka.admin import KafkaTopics


async def apply_topics(invocation: Invocation) -> list[dict[str, Any]]:
    """Make Kafka agree with what is declared for the units of the directory."""
    registry = await Registry.open(invocation)
    changes = await KafkaTopics(registry.kafka).apply(declared_topics(registry.directory))
    return [
        {"name": change.name, "action": change.action, "settings": list(change.settings)}
        for change in changes
    ]
