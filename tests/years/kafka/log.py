"""One partition of the model: its batches as the producers built them, and who sees how far.

Owns offsets, the last stable offset, the producers' sequence numbers, and which batches are too old. A batch stays
the bytes that came, but for its first offset: readers check its checksum as they check Kafka's.
Source of the rules: Kafka 4.1, UnifiedLog, ProducerStateManager and ProducerAppendInfo.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from aiokafka.record._crecords.cutil import crc32c_cython

from deploy.kafka.settings import REQUIRED
from tests.years.kafka.codes import Refusal

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and largest stamp, producer,
its epoch, base sequence, count."""

_CHECKED_FROM: Final = 21
_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x08, 0x10, 0x20
NO_PRODUCER: Final = -1
HOUR: Final = 3_600_000
MOST_BYTES: Final = int(REQUIRED["message.max.bytes"])
LAST_BATCHES: Final = 5
NO_SEQUENCE: Final = -1
_SEGMENT_BYTES: Final = 1 << 30
_SEGMENT_MS: Final = 7 * 24 * HOUR


class Refused(Exception):
    """A request, or the part of it for one partition, is refused with this code."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(code.name)
        self.code = code


class Batch(NamedTuple):
    """Records that were appended together."""

    base: int
    last: int
    stamp: int
    producer: int
    epoch: int
    is_transactional: bool
    is_control: bool
    data: bytes


@dataclass(slots=True)
class Sequence:
    """What a partition remembers of a producer."""

    epoch: int
    last: int = NO_SEQUENCE
    batches: tuple[tuple[int, int, int], ...] = ()
    """First and last sequence number and first offset of its newest batches."""


@dataclass(slots=True)
class Segment:
    """Batches that are deleted together."""

    base: int
    created: int
    modified: int
    first_stamp: int = -1
    stamp: int = -1
    size: int = 0


@dataclass(slots=True)
class PartitionLog:
    """The log of one partition. `config` is its topic's, shared."""

    config: dict[str, str]
    leader: int = 0
    leader_epoch: int = 0
    begin: int = 0
    end: int = 0
    batches: list[Batch] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    open: dict[int, int] = field(default_factory=dict)
    """Producers with a transaction that has not ended here, and its first offset."""

    aborted: list[tuple[int, int, int]] = field(default_factory=list)
    """Producer, first offset, offset of the marker."""

    sequences: dict[int, Sequence] = field(default_factory=dict)
    waiting: dict[Callable[[], None], None] = field(default_factory=dict)
    """Called once, in their order, when something was appended or ended."""

    looked: int = 0
    """When it was last looked for what is too old."""

    def copy(self, config: dict[str, str]) -> PartitionLog:
        """The same log, to go on from by itself; nobody waits at it."""
        return PartitionLog(
            config=config, leader=self.leader, leader_epoch=self.leader_epoch, begin=self.begin, end=self.end,
            batches=list(self.batches), lasts=list(self.lasts),
            segments=[replace(one) for one in self.segments], open=dict(self.open), aborted=list(self.aborted),
            sequences={key: replace(one) for key, one in self.sequences.items()},
        )  # fmt: skip

    @property
    def stable(self) -> int:
        """The last stable offset: readers of committed records see nothing from here on."""
        return max(min(self.open.values()), self.begin) if self.open else self.end

    def append(self, data: bytes, *, now: int) -> int:
        """Append a producer's batch; the offset of its first record. `Refused` leaves everything as it was."""
        if len(data) < HEADER.size:
            raise Refused(Refusal.CORRUPT)
        _, length, _, magic, _, attributes, delta, _, stamp, producer, epoch, sequence, count = (
            HEADER.unpack_from(data)
        )
        if length != len(data) - 12 or magic != 2 or attributes & _CONTROL or count < 1 or count != delta + 1:
            raise Refused(Refusal.CORRUPT)
        config = self.config
        if len(data) > int(config.get("max.message.bytes", MOST_BYTES)):
            raise Refused(Refusal.TOO_LARGE)
        if config.get("message.timestamp.type") == "LogAppendTime":
            data, stamp = _stamped(data, attributes, now), now
        elif stamp >= 0 and stamp - now > int(config.get("message.timestamp.after.max.ms", HOUR)):
            raise Refused(Refusal.BAD_TIMESTAMP)
        is_transactional = bool(attributes & _TRANSACTIONAL)
        base = self.end
        if producer != NO_PRODUCER:
            twin = self._check_sequence(producer, epoch, sequence, count)
            if twin is not None:
                return twin
            self._remember(producer, epoch, sequence, count, base)
            if is_transactional:
                self.open.setdefault(producer, base)
        self._add(
            Batch(
                base,
                base + delta,
                stamp,
                producer,
                epoch,
                is_transactional,
                False,
                _at(base, self.leader_epoch, data),
            ),
            now=now,
        )
        return base

    def mark(self, producer: int, epoch: int, *, commit: bool, now: int) -> None:
        """End a producer's transaction here. The marker takes an offset, and its epoch shuts out what comes late."""
        base = self.end
        known = self.sequences.get(producer)
        if known is None or epoch > known.epoch:
            self.sequences[producer] = Sequence(epoch)
        self._add(
            Batch(base, base, now, producer, epoch, True, True, _marker(base, producer, epoch, commit, now)),
            now=now,
        )
        first = self.open.pop(producer, None)
        if not commit and first is not None:
            self.aborted.append((producer, first, base))
        self.wake()

    def read(self, offset: int, bound: int, most: int) -> tuple[bytes, list[tuple[int, int]]]:
        """Whole batches from the one with this offset on, and the aborted transactions among them."""
        index, size, found = bisect_left(self.lasts, offset), 0, []
        while index < len(self.batches):
            batch = self.batches[index]
            if batch.base >= bound or (found and size + len(batch.data) > most):
                break
            found.append(batch.data)
            size += len(batch.data)
            index += 1
        if not found:
            return b"", []
        upper = self.batches[index - 1].last
        aborted = [(who, first) for who, first, last in self.aborted if last >= offset and first <= upper]
        return b"".join(found), aborted

    def index_of(self, offset: int) -> int:
        """The first batch that has this offset or a later one."""
        return bisect_left(self.lasts, offset)

    def is_aborted(self, batch: Batch) -> bool:
        """Whether its transaction was aborted."""
        return any(
            producer == batch.producer and first <= batch.base < last
            for producer, first, last in self.aborted
        )

    def delete_before(self, offset: int) -> None:
        """Records before this offset are gone."""
        self.begin = max(self.begin, min(offset, self.end))
        gone = bisect_left(self.lasts, self.begin)
        if gone:
            del self.batches[:gone], self.lasts[:gone]
            self.aborted = [one for one in self.aborted if one[2] >= self.begin]
        while len(self.segments) > 1 and self.segments[1].base <= self.begin:
            del self.segments[0]

    def expire(self, now: int) -> None:
        """Delete the segments whose time has come, or that are too many, as Kafka does every five minutes."""
        keep_ms = int(self.config.get("retention.ms", 7 * 24 * HOUR))
        keep_bytes = int(self.config.get("retention.bytes", -1))
        if not self.segments:
            return
        behind, gone = [one.base for one in self.segments[1:]] + [self.end], self.begin
        excess = sum(one.size for one in self.segments) - keep_bytes
        is_old = True
        for segment, following in zip(self.segments, behind, strict=True):
            age = now - (segment.stamp if segment.stamp >= 0 else segment.modified)
            is_old = is_old and 0 <= keep_ms < age
            excess -= segment.size
            if is_old or (keep_bytes >= 0 and excess >= 0 and following != self.end):
                gone = following
                continue
            break
        if gone > self.begin:
            if gone == self.end:
                self.segments.clear()
            self.delete_before(gone)

    def wake(self) -> None:
        """Those who wait for something new look again."""
        if self.waiting:
            waiting, self.waiting = self.waiting, {}
            for one in waiting:
                one()

    def _add(self, batch: Batch, *, now: int) -> None:
        segment = self.segments[-1] if self.segments else None
        if segment is not None:
            since = (
                batch.stamp - segment.first_stamp
                if segment.first_stamp >= 0 <= batch.stamp
                else now - segment.created
            )
            if since > int(self.config.get("segment.ms", _SEGMENT_MS)) or segment.size + len(
                batch.data
            ) > int(self.config.get("segment.bytes", _SEGMENT_BYTES)):
                segment = None
        if segment is None:
            segment = Segment(batch.base, now, now)
            self.segments.append(segment)
        if segment.first_stamp < 0:
            segment.first_stamp = batch.stamp
        segment.stamp, segment.modified = max(segment.stamp, batch.stamp), now
        segment.size += len(batch.data)
        self.batches.append(batch)
        self.lasts.append(batch.last)
        self.end = batch.last + 1
        self.wake()

    def _check_sequence(self, producer: int, epoch: int, sequence: int, count: int) -> int | None:
        """Whether the batch follows what the producer has written; its offset where it is there already."""
        known = self.sequences.get(producer)
        if known is None:
            return None
        if epoch < known.epoch:
            raise Refused(Refusal.OLD_EPOCH)
        if epoch > known.epoch:
            if sequence:
                raise Refused(Refusal.OUT_OF_ORDER)
            return None
        for first, last, offset in known.batches:
            if first == sequence and last == sequence + count - 1:
                return offset
        if sequence != known.last + 1:
            raise Refused(Refusal.OUT_OF_ORDER)
        return None

    def _remember(self, producer: int, epoch: int, sequence: int, count: int, base: int) -> None:
        known = self.sequences.get(producer)
        if known is None or epoch > known.epoch:
            known = self.sequences[producer] = Sequence(epoch)
        known.last = sequence + count - 1
        known.batches = (*known.batches[1 - LAST_BATCHES :], (sequence, known.last, base))


def _at(base: int, epoch: int, data: bytes) -> bytes:
    """The batch with its first offset and its leader's epoch, which no checksum covers."""
    return b"".join((struct.pack(">q", base), data[8:12], struct.pack(">i", epoch), data[16:]))


def _stamped(data: bytes, attributes: int, now: int) -> bytes:
    """The batch with the broker's time in it."""
    changed = bytearray(data)
    struct.pack_into(">h", changed, 21, attributes | _APPEND_TIME)
    struct.pack_into(">q", changed, 35, now)
    struct.pack_into(">I", changed, 17, crc32c_cython(bytes(changed[_CHECKED_FROM:])))
    return bytes(changed)


_RECORD: Final = {
    # Length 16, no attributes, no deltas, key of 4: version 0 and the type; value of 6; no headers.
    commit: bytes((32, 0, 0, 0, 8, 0, 0, 0, int(commit), 12, 0, 0, 0, 0, 0, 0, 0))
    for commit in (False, True)
}


def _marker(base: int, producer: int, epoch: int, commit: bool, now: int) -> bytes:
    record = _RECORD[commit]
    checked = (
        struct.pack(">hiqqqhii", _TRANSACTIONAL | _CONTROL, 0, now, now, producer, epoch, -1, 1) + record
    )
    return struct.pack(">qiibI", base, len(checked) + 9, -1, 2, crc32c_cython(checked)) + checked
