"""`contrada ledger gap`: two people state that records of the audit topic are gone for good.

Owns what is stated: exactly the offsets between where the log stands and where the topic begins, both looked
up, so that nobody states by mistake a gap that there is not. Only the ledger goes on behind it, at its next
start (broker/ledger/place/gaps.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker.ledger.admin.inspection import registrar_in, state_act
from broker.ledger.sequencer import open_shard
from broker.ledger.store.record_store import RecordStore
from protocol import topics
from protocol.trail.acts import AuditGap, audit_gap
from runtime.errors import Conflict
from runtime.kafka.partition_log import KafkaTopics
from runtime.process.clock import now

if TYPE_CHECKING:
    from pathlib import Path

    from broker.ledger.settings import LedgerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GapStatement:
    """What the two people say."""

    why: str
    by: str
    second: str


async def find_gap(settings: LedgerSettings, said: GapStatement) -> AuditGap:
    """The gap before which the log stands; `Conflict` where there is none, or where one person states it."""
    if said.by.casefold() == said.second.casefold():
        raise Conflict("a gap is stated by two people", hint="name another one with --second")
    log = open_shard(RecordStore(settings.records_url, read_only=True).states(), settings.origin)
    first = await _beginning(settings)
    if log.position >= first:
        raise Conflict(
            f"no record is missing: {log.origin} goes on at {log.position}, behind the topic's beginning",
            hint="what else keeps the ledger from starting is told by 'contrada ledger check'",
        )
    return AuditGap(log.origin, log.position, first)


async def state_gap(
    settings: LedgerSettings, home: Path, gap: AuditGap, said: GapStatement
) -> dict[str, Any]:
    """State it under the registrar's name; where it takes two, it waits for another one."""
    registrar = registrar_in(home)
    act = audit_gap(now(), registrar.name, gap, why=said.why, by=said.by, second=said.second)
    waits = await state_act(settings, home, act, registrar)
    told = {"log": gap.log, "first": gap.first, "last": gap.end - 1, "stated_by": registrar.name}
    return told | {"ballot": waits}


async def _beginning(settings: LedgerSettings) -> int:
    async with KafkaTopics(settings.access()).reading(topics.AUDIT, None) as reader:
        first, _ = await reader.span()
    return first
