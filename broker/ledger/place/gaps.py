"""Going on behind records of the audit topic that were deleted before the ledger had read them.

    position   the ledger goes on at an offset that the topic has not any more
    stated     two people state the gap: an act in the topic itself, signed by as many registrars as it takes
    passed     the act becomes a leaf at the place of the gap, and the ledger goes on behind it

Owns the search for the act, and when it counts. Rules:
- The ledger never goes over a gap by itself. An operator of Kafka who deletes records stops it.
- An act counts for one log and one offset: where that log stands, and no further than where the topic begins.
- Its leaf stands between what was read before and behind the gap. Where the act itself comes in the topic, it
  makes no second leaf; any other statement of a gap there is one that does not verify.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from broker.ledger.checks import check_span
from broker.ledger.record_judge import JudgedRecord
from broker.ledger.store.record_store import LogState
from protocol.errors import Rejected
from protocol.parties import Parties
from protocol.trail.acts import AuditGap, gap_of
from protocol.trail.ledger_leaves import leaves_of_acts
from protocol.trail.stated_acts import is_acts, verify_acts
from runtime.kafka.ports import InputRecord, LogReader

log = structlog.get_logger()

STEP: Final = 64
"""Records of the first look at the topic's end; each further one takes eight times as many."""


async def behind_gaps(
    audit: LogReader,
    state: LogState,
    *,
    parties: Parties,
    take: Callable[[JudgedRecord], Awaitable[LogState]],
) -> LogState:
    """The state behind every gap that was stated; `RolledBack` where one is left that nobody states."""
    first, end = await audit.span()
    while state.position < first:
        found = await stated_gap(audit, state, first=first, end=end, parties=parties)
        if found is None:
            break
        log.warning("audit_gap_passed", origin=state.origin, offset=state.position, count=found.offset + 1)
        state = await take(found)
    check_span(state, first=first, end=end)
    return state


async def stated_gap(
    audit: LogReader, state: LogState, *, first: int, end: int, parties: Parties
) -> JudgedRecord | None:
    """The newest act that states the gap before which this log stands, as the record for it."""
    upto, step = end, STEP
    while upto > first:
        begin, found = max(first, upto - step), None
        audit.seek(begin)
        while await audit.position() < upto:
            for record in await audit.fetch(wait_ms=1_000, most=500):
                if record.offset < upto:
                    found = passing(record, state, first=first, parties=parties) or found
        if found is not None:
            return found
        upto, step = begin, step * 8
    return None


def passing(record: InputRecord, state: LogState, *, first: int, parties: Parties) -> JudgedRecord | None:
    """The leaf of a record that states the gap before which the log stands; the topic begins at `first`."""
    if not is_acts(record.value):
        return None
    try:
        stated = verify_acts(record.value, parties=parties)
    except Rejected:
        return None
    if len(stated.acts) != 1 or (gap := gap_of(stated.acts[0])) is None:
        return None
    if not _is_before(state, gap, first=first):
        return None
    made = leaves_of_acts(stated, first=0)
    # As if it were the last record of those that are gone: the log goes on behind it.
    return JudgedRecord(gap.end - 1, stated.by.last[1], made.entries, made.rows, signed=made.signed)


def _is_before(state: LogState, gap: AuditGap, *, first: int) -> bool:
    return gap.log == state.origin and gap.first == state.position and gap.end <= first
