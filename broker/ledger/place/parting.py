"""Where the audit topic that came back parts from the one that the ledger had read: which leaves are undone.

    both topics have    common records ... | other records ...
    the log             leaves of the common ones | leaves that are undone | the way back | what comes now

Owns the search for the first leaf that is undone. The ledger writes it into its log where it goes back
(`audit_rewound`), before it reads anything: what it decides by later, nobody has chosen by then. Rules:

- Common is a record that is signed and has its leaves. The first signed one that has none is another one:
  whatever stands behind it, of the lost topic too, makes nothing common any more.
- What does not verify shows nothing, and neither does an announcement of the ledger's own without leaves:
  one that was announced twice has made none.
- Where no common record is found nothing is undone: an auditor then excuses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from broker.ledger.record_judge import JudgedRecord, RecordJudge
from broker.ledger.store.record_store import LogState, RecordStore
from protocol.errors import Rejected
from runtime.kafka.ports import InputRecord, Ladder, LogReader

AT_ONCE: Final = 500


async def first_undone(
    audit: LogReader, state: LogState, common: Ladder, *, judge: RecordJudge, records: RecordStore
) -> tuple[str, int]:
    """Log and index of the first leaf that the topic has no record of; `common` is what both topics have."""
    _, end = await audit.span()
    for step in common:
        behind = await _behind_common(audit, step.offset, end, judge=judge, records=records)
        if behind:
            return await asyncio.to_thread(records.place_of, behind)
    return state.origin, state.size


async def _behind_common(
    audit: LogReader, begin: int, end: int, *, judge: RecordJudge, records: RecordStore
) -> int:
    """The id behind the leaves of the common records from this offset on; 0 where none has leaves."""
    audit.seek(begin)
    behind = 0
    while await audit.position() < end:
        fetched = await audit.fetch(wait_ms=1_000, most=AT_ONCE)
        signed = await asyncio.to_thread(_signed, judge, fetched)
        known = await asyncio.to_thread(records.signed_at, {each.rows[0].t for each in signed})
        for reading in signed:
            if reading.signed in known:
                behind = max(behind, known[reading.signed])
            elif reading.announced is None:
                return behind
    return behind


def _signed(judge: RecordJudge, fetched: Sequence[InputRecord]) -> list[JudgedRecord]:
    """Those that somebody has signed."""
    made = []
    for record in fetched:
        try:
            reading = judge.read(record, first=0)
        except Rejected:
            continue
        if reading.signed is not None:
            made.append(reading)
    return made
