"""Whether the audit topic is the one that the ledger has read, and where both part if it is not.

Kafka that came back from an older copy gives the same offsets to other records: a ledger that goes on at its
place passes them over. So it keeps some of the records that it has read (docs/adr/0030), and looks for the
newest of them whenever an attempt begins, every `LOOK_EVERY` seconds while records come, and whenever none
came for a second: the library connects again in silence. Owns the look and the way back. Rules:

- Where both logs part the ledger goes on, behind the newest record that both have. What it has sequenced of
  the lost log stays; what is read once more and has its leaves makes none (sequencer.py).
- Where nothing that was read is there, this is another Kafka, and the ledger stops.
- The way back is a leaf (docs/adr/0038). It and the place are stored in one step, before anything is
  sequenced: whoever is killed on the way goes on with it.
- Nothing of another log is sequenced before the look: brokers are away for longer than `SILENCE` while
  somebody puts a copy in the place of their disks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from prometheus_client import Counter

from broker.errors import RolledBack
from broker.ledger.place.parting import first_undone
from broker.ledger.record_judge import RecordJudge
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.record_store import LogState, RecordStore
from protocol.trail.acts import Rewinding
from runtime.errors import Unavailable
from runtime.kafka.ports import LogReader, ReadRecord
from runtime.read_records import Beginning, cut, read_record, where_to_begin

log = structlog.get_logger()

LOOK_EVERY: Final = 10.0
SILENCE: Final = 1.0
LOOK_WITHIN: Final = 30.0


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a ledger stores when it goes back."""

    rewinding: Rewinding
    read: AuditRead
    """What is known to have been read, of the log that is there."""


@dataclass(kw_only=True)
class SameLog:
    """The look at what was read, of one ledger."""

    records: RecordStore
    rewound: Counter
    monotonic: Callable[[], float]
    _newest: ReadRecord | None = field(init=False, default=None)
    """The newest record that was read when it was looked for last: it stood where it was read."""

    _due: float = field(init=False, default=0.0)
    _came: float = field(init=False, default=0.0)
    """When records came last."""

    async def way_back(self, audit: LogReader, state: LogState, judge: RecordJudge) -> WayBack | None:
        """Look, before anything is read: the way to where both logs part; None where this is the same."""
        read = await asyncio.to_thread(self.records.audit_read)
        found = await place_in(audit, state.position, read)
        way = None
        if found.rewound:
            self.rewound.inc()
            log.error("audit_rewound", offset=state.position, beginning=found.position)
            read = AuditRead(found.known, max(read.again, state.position))
            first = await first_undone(audit, state, found.known, judge=judge, records=self.records)
            way = WayBack(Rewinding(state.position, found.position, *first), read)
        self._looked(read)
        return way

    async def check(self, audit: LogReader, state: LogState) -> None:
        """Look again when it is time; `Unavailable` where this is another log: the next attempt goes back."""
        moment, came = self.monotonic(), self._came
        self._came = moment
        if moment < self._due and moment - came < SILENCE:
            return
        read = await asyncio.to_thread(self.records.audit_read)
        first, _ = await audit.span()
        # What was deleted by its age says nothing of what stands behind it.
        if self._newest is not None and self._newest.offset >= first:
            here = await audit.position()
            if not await _has(audit, self._newest):
                # What was read since may be the other log's: the next attempt must not find it there.
                known = AuditRead(cut(read.ladder, self._newest.offset + 1), read.again)
                await asyncio.to_thread(self.records.go_back, state, state.position, known)
                raise Unavailable("the audit topic has other records than were read of it")
            audit.seek(here)
        self._looked(read)

    def _looked(self, read: AuditRead) -> None:
        self._newest = read.ladder[0] if read.ladder else None
        self._came = self.monotonic()
        self._due = self._came + LOOK_EVERY


async def place_in(audit: LogReader, position: int, read: AuditRead) -> Beginning:
    """Where a ledger goes on that had come to this position; `RolledBack` where it has read none of this."""
    first, end = await audit.span()
    if not read.ladder:
        # Offsets are all that there is to go by: checks.check_span.
        return Beginning(position, 0, ())
    found = await where_to_begin(position, read.ladder, begin=first, end=end, has=partial(_has, audit))
    if found.rewound and not found.known:
        raise RolledBack(
            f"the audit topic has none of the records that were sequenced up to {position}",
            hint="this is another Kafka, or its copy is too old: name the right one, or restore it",
        )
    return found


async def _has(audit: LogReader, record: ReadRecord) -> bool:
    """Whether this record stands where it was read."""
    audit.seek(record.offset)
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            while await audit.position() <= record.offset:
                if found := await audit.fetch(wait_ms=1_000, most=1):
                    return read_record(found[0]) == record
    except TimeoutError:
        raise Unavailable(f"the record at {record.offset} of the audit topic does not come") from None
    return False
