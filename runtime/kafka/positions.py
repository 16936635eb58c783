"""A group's committed position as its coordinator answers: a position, none yet, or an error.

Owns telling these three apart, which the library does not: it takes an answer that is an error as a whole
(NOT_COORDINATOR from a broker that has just lost the group, since version 2 of OffsetFetch) for an answer
without positions. A router that believed that would begin an outbox anew and deliver all of it again. Rule:
there is no position only where the answer names the partition and says so.
"""

from __future__ import annotations

from typing import Any, Final

from runtime.errors import Unavailable

NONE_YET: Final = -1


def position_in(answer: Any, topic: str, partition: int) -> tuple[int, str] | None:
    """Offset and metadata of this partition in an OffsetFetchResponse; None where none was ever committed."""
    if code := getattr(answer, "error_code", 0):
        raise _unknown(topic, f"the coordinator answers with error {code}")
    for name, partitions in answer.topics:
        for number, offset, metadata, code in partitions:
            if (name, number) != (topic, partition):
                continue
            if code:
                raise _unknown(topic, f"the coordinator answers with error {code}")
            return None if offset == NONE_YET else (offset, metadata or "")
    raise _unknown(topic, "the coordinator's answer does not name it")


def _unknown(topic: str, why: str) -> Unavailable:
    return Unavailable(f"the position in {topic} is not known: {why}")
