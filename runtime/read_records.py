"""Some of the records that a reader has read: so that a topic from an older copy is noticed.

    ladder    records that were read, the newest first; the older, the wider apart

A position is a number. A topic whose log was put back and has grown since has that number again, and another
record at it: whoever goes on there skips what stands below. So with a position the digests of some records
before it are kept (docs/adr/0030). The newest one that the topic still has is where both logs part.

Owns the ladder: what it keeps, its bytes, and how two logs are told apart. Pure. Rules:
- The newest record that was read is always kept.
- A rewind goes back at most about `WIDEN` times as far as the log did, and a ladder has at most `MOST` steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from protocol.identifiers import Digest, digest
from runtime.kafka.ports import InputRecord, Ladder, ReadRecord

WIDEN: Final = 4
MOST: Final = 64
"""Steps of a ladder; 2^40 records need some forty."""

_OFFSET, _DIGEST = 8, 32
_STEP: Final = _OFFSET + _DIGEST


def read_record(record: InputRecord) -> ReadRecord:
    """What is remembered of a record.

    With its stamp: the same bytes that somebody wrote once more are another record, and others may stand
    before it.
    """
    stamp = record.timestamp.to_bytes(8, "big", signed=True)
    return ReadRecord(record.offset, digest(stamp + record.value))


def climbed(ladder: Ladder, records: Sequence[InputRecord]) -> Ladder:
    """The ladder after these records were read. Records that are read once more change nothing."""
    if not records or (ladder and records[-1].offset <= ladder[0].offset):
        return ladder
    newest = read_record(records[-1])
    kept = [newest]
    for step, older in pairwise(ladder):
        if kept[-1].offset - older.offset > (WIDEN - 1) * (newest.offset - kept[-1].offset):
            kept.append(step)
    return (*kept, *ladder[-1:])[:MOST]


def cut(ladder: Ladder, position: int) -> Ladder:
    """The ladder of a reader that went back to this position."""
    return tuple(step for step in ladder if step.offset < position)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where to read from."""

    position: int
    lost: int
    """How many offsets were deleted before they were read."""

    known: Ladder
    """What is known to have been read of this log."""

    rewound_from: int | None = None
    """Where reading had come to in another log than this one."""

    @property
    def rewound(self) -> bool:
        """Whether this is another log than the one that was read."""
        return self.rewound_from is not None


async def where_to_begin(
    position: int, known: Ladder, *, begin: int, end: int, has: Callable[[ReadRecord], Awaitable[bool]]
) -> Beginning:
    """Where a reader goes on that had come to `position`, in a log that now has `begin` to `end`.

    `has` says whether a record stands there; it is asked for those between `begin` and `end` alone, and for
    the newest first, which is the only one if the log is the same.
    """
    kept = [step for step in known if step.offset >= begin]
    if not kept:
        return _by_offsets(position, known, begin=begin, end=end)
    for step in kept:
        if step.offset < end and await has(step):
            break
    else:
        return Beginning(begin, 0, (), position)
    if step is known[0]:
        # Behind the newest record were markers of transactions at the most, which a log may lose.
        return _by_offsets(min(position, end), known, begin=begin, end=end)
    back = max(begin, min(position, step.offset + 1))
    return Beginning(back, 0, cut(known, step.offset + 1), position)


def _by_offsets(position: int, known: Ladder, *, begin: int, end: int) -> Beginning:
    """The same where no record is known that could still be there."""
    if position > end:
        return Beginning(begin, 0, (), position)
    return Beginning(max(position, begin), max(0, begin - position) if position else 0, known)


def ladder_to_bytes(ladder: Ladder) -> bytes:
    """For a database: offset and digest of each, the newest first."""
    return b"".join(step.offset.to_bytes(_OFFSET, "big") + step.digest for step in ladder)


def ladder_from_bytes(data: bytes) -> Ladder:
    """A ladder from a database; bytes that are none make an empty one: nothing is known then."""
    if len(data) % _STEP:
        return ()
    steps = (data[at : at + _STEP] for at in range(0, len(data), _STEP))
    ladder = tuple(
        ReadRecord(int.from_bytes(each[:_OFFSET], "big"), Digest(each[_OFFSET:])) for each in steps
    )
    return ladder if _is_descending(ladder) else ()


def _is_descending(ladder: Iterable[ReadRecord]) -> bool:
    offsets = [step.offset for step in ladder]
    return all(later > earlier for later, earlier in pairwise(offsets))
