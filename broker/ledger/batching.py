"""What the ledger sequences at once: some records of the audit topic. Owns when a batch is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.ledger.pulse import Pulse
from runtime.kafka.ports import InputRecord, LogReader


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is closed: after `wait`, or as soon as it has about so many entries."""

    wait: float = 0.2
    """Seconds after its first record."""

    entries: int = 750
    records: int = 500
    """Records of one look into the topic; each is a router's whole transaction."""


async def next_batch(
    audit: LogReader, limits: BatchLimits, *, pulse: Pulse, monotonic: Callable[[], float]
) -> list[InputRecord]:
    """What came within the wait after the first record, or at once if there is plenty."""
    records: list[InputRecord] = []
    while not records:
        pulse.idle = True
        records = await audit.fetch(wait_ms=1_000, most=limits.records)
        pulse.idle = False
    until = monotonic() + limits.wait
    while (left := until - monotonic()) > 0 and _estimate(records) < limits.entries:
        records += await audit.fetch(wait_ms=max(1, int(left * 1000)), most=limits.records)
    return records


def _estimate(records: Sequence[InputRecord]) -> int:
    # A decision takes about 200 bytes and makes two leaves: near enough to say that there is plenty.
    return sum(len(record.value) for record in records) // 100
