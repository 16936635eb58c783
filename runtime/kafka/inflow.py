"""The buffer of one partition: records that were fetched and not taken yet.

Owns its order and its bound; who fetches is runtime/kafka/shared_reader.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from runtime.kafka.ports import InputRecord, Place

FULL_RECORDS: Final = 1_000
FULL_BYTES: Final = 2_000_000
"""A buffer that holds so much is full."""


class Inflow:
    """The records of one partition that were fetched and not taken yet."""

    __slots__ = ("_arrived", "_bytes", "_on_room", "_records", "empty_fetches", "end", "place", "position")

    def __init__(self, place: Place, position: int, on_room: Callable[[Inflow, int], None]) -> None:
        self.place = place
        self.position = position
        """Where the next fetch begins."""

        self.end = position
        """Where the log ended when it was fetched last: while the buffer is full, there may be more."""

        self.empty_fetches = 0
        self._on_room = on_room
        self._records: deque[InputRecord] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether nothing more is fetched until something was taken."""
        return len(self._records) >= FULL_RECORDS or self._bytes >= FULL_BYTES

    def put(self, records: Iterable[InputRecord], position: int) -> int:
        """Keep fetched records; how many bytes they are."""
        before = self._bytes
        for record in records:
            self._records.append(record)
            self._bytes += len(record.value)
        self.position = position
        if self._records:
            self._arrived.set()
        return self._bytes - before

    async def take(self, *, wait_ms: int | None, most: int) -> list[InputRecord]:
        """Records in their order; empty after `wait_ms` without any. None waits for as long as it takes."""
        if not self._records and wait_ms != 0:
            self._arrived.clear()
            try:
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        was_full, before = self.full, self._bytes
        taken = [self._records.popleft() for _ in range(min(most, len(self._records)))]
        self._bytes -= sum(len(record.value) for record in taken)
        if was_full or before:
            self._on_room(self, before - self._bytes)
        return taken

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return self._bytes
