"""The last published head of each log, read from the end of the topic `ledger`.

The topic keeps, independently of the ledger's disk, what was published: a store that is older than that was
rolled back. Rule: only notes that the log's own keys signed count, so that a writer to the topic without
those keys cannot pretend a rollback.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from protocol import topics
from protocol.errors import Rejected
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.publication import parse_publication
from runtime.kafka.ports import Topics

STEP: Final = 64
"""Records of the first look at the topic's end; each further one takes eight times as many."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published head."""

    checkpoint: Checkpoint
    note: bytes

    @property
    def size(self) -> int:
        """How many entries the log had."""
        return self.checkpoint.size


async def last_published(source: Topics, policy: Policy, origins: Collection[str]) -> dict[str, Published]:
    """The newest published head of each of these logs; none for a log without one."""
    found: dict[str, Published] = {}
    async with source.reading(topics.LEDGER, None) as reader:
        first, end = await reader.span()
        upto, step = end, STEP
        while upto > first and not all(origin in found for origin in origins):
            begin = max(first, upto - step)
            reader.seek(begin)
            newer: dict[str, Published] = {}
            while await reader.position() < upto:
                for record in await reader.fetch(wait_ms=1_000, most=500):
                    published = _published(record.value, policy) if record.offset < upto else None
                    if published is not None:
                        newer[published.checkpoint.origin] = published
            found = newer | found
            upto, step = begin, step * 8
    return found


def _published(data: bytes, policy: Policy) -> Published | None:
    try:
        publication = parse_publication(data)
        if publication.note is None:
            return None
        signed = parse_checkpoint(publication.note)
        policy.signed_by_log(signed)
    except Rejected:
        return None
    return Published(signed.checkpoint, signed.data)
