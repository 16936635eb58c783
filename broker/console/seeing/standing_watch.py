"""Who stands still, seen over many looks: the judgement of `centre status`, without waiting for it. Pure.

A command looks again every second for as long as its patience lasts (broker/centre/progress.py). The console
looks all the time: whoever seems still, and has not moved for as long, stands.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.centre.progress import PATIENCE, Reader, Standing, has_moved, seems_still, why_still
from protocol.identifiers import Millis
from runtime.kafka.ports import Place


class StandingWatch:
    """The readers that seem still, each since when."""

    def __init__(self) -> None:
        self._suspects: dict[Place, tuple[Reader, float]] = {}

    def look(self, readers: Mapping[Place, Reader], *, now: Millis, monotonic: float) -> tuple[Standing, ...]:
        """Those that stand still by now."""
        suspects: dict[Place, tuple[Reader, float]] = {}
        standing = []
        for place, reader in readers.items():
            if not seems_still(reader, now):
                continue
            before = self._suspects.get(place)
            first = before if before is not None and not has_moved(before[0], reader) else (reader, monotonic)
            suspects[place] = first
            if monotonic - first[1] >= PATIENCE:
                standing.append(Standing(reader, why_still(reader, now)))
        self._suspects = suspects
        return tuple(standing)
