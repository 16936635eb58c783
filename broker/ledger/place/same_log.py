"""Whether the audit topic is the one that the ledger has read, and where both part if it is not.

Kafka that came back from an older copy gives the same offsets to other records: a ledger that goes on at its
place passes them over. So it keeps some of the records that it has read (docs/adr/0030), and looks for the
newest of them whenever an attempt begins, and every `LOOK_EVERY` seconds while records come: the library
connects again in silence. Owns the look and the way back. Rules:

- Where both logs part the ledger goes on, behind the newest record that both have. What it has sequenced of
  the lost log stays; what is read once more and has its leaves makes none (sequencer.py).
- Where nothing that was read is there, this is another Kafka, and the ledger stops.
- The way back is stored before anything is read: whoever is killed on it goes on with it.
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
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.record_store import LogState, RecordStore
from runtime.errors import Unavailable
from runtime.kafka.ports import LogReader, ReadRecord
from runtime.read_records import Beginning, cut, read_record, where_to_begin

log = structlog.get_logger()

LOOK_EVERY: Final = 10.0
LOOK_WITHIN: Final = 30.0


@dataclass(kw_only=True)
class SameLog:
    """The look at what was read, of one ledger."""

    records: RecordStore
    rewound: Counter
    monotonic: Callable[[], float]
    _newest: ReadRecord | None = field(init=False, default=None)
    """The newest record that was read when it was looked for last: it stood where it was read."""

    _due: float = field(init=False, default=0.0)

    async def went_back(self, audit: LogReader, state: LogState) -> bool:
        """Look, before anything is read. Whether the log has gone back to where both logs part."""
        read = await asyncio.to_thread(self.records.audit_read)
        found = await place_in(audit, state.position, read)
        if found.rewound:
            self.rewound.inc()
            log.error("audit_rewound", offset=state.position, beginning=found.position)
            read = AuditRead(found.known, max(read.again, state.position))
            await asyncio.to_thread(self.records.go_back, state, found.position, read)
        self._looked(read)
        return found.rewound

    async def check(self, audit: LogReader, state: LogState) -> None:
        """Look again when it is time; `Unavailable` where this is another log: the next attempt goes back."""
        if self.monotonic() < self._due:
            return
        read = await asyncio.to_thread(self.records.audit_read)
        if self._newest is not None:
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
        self._due = self.monotonic() + LOOK_EVERY


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
