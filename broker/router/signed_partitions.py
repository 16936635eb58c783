"""How many partitions a unit's topics have: what its registrar has signed, not what Kafka says.

Owns the lookup. A conversation belongs to one partition by their number, and what was decided is remembered
per partition. Whoever adds one to a topic must not move a conversation: it would be decided again.
"""

from __future__ import annotations

from keys.directory import Directory
from protocol import topics
from protocol.identifiers import UnitId


def signed_partitions(directory: Directory, topic: str) -> int:
    """Of a unit's outbox or inbox. Every other topic of a unit or of the exchange is written in one."""
    if topic.startswith(topics.OUTBOX_PREFIX):
        facts = directory.facts(UnitId(topic.removeprefix(topics.OUTBOX_PREFIX)))
        return 1 if facts is None else facts.outbox_partitions
    if topic.startswith(topics.INBOX_PREFIX):
        facts = directory.facts(UnitId(topic.removeprefix(topics.INBOX_PREFIX)))
        return 1 if facts is None else facts.inbox_partitions
    return 1
