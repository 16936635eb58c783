"""Progress: who stands still while something waits for it, as far as the centre sees without reading content.

    routers   each partition of an outbox       by the position that they commit with their decisions
    unit      its inbox and its receipts        by the mark that its daemon tells (runtime/kafka/marks.py)
    ledger    the audit topic                   by the mark that it tells

Owns the judgement. Rules:
- Only what looks as if it stood still is looked at again; if it moves within `PATIENCE`, it does not. So a
  busy exchange costs one look.
- What tells marks is silent if its newest one is older than `SILENT`. Clocks differ: whoever tells another
  one while it is looked at is not silent.
- What was never heard is told as never heard. It stands still if something waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from protocol.identifiers import Millis
from protocol.limits import SECOND
from runtime.kafka.ports import Place, ReadingMark

SILENT: Final = 60 * SECOND
"""Age of a mark after which nothing is heard of its teller; each tells one every 15 seconds at the least."""

STILL: Final = 30 * SECOND
"""How long a position may not have moved, or its teller not have been heard, while something waits."""

PATIENCE: Final = 20.0
"""Seconds for which something that looks still is looked at: longer than between two marks."""

LOOK_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a place, and how far it has come."""

    name: str
    """As it is told to people: `unit it`, `the ledger`, `routers`."""

    place: Place
    end: int
    position: int | None
    """None: nobody has ever said."""

    mark: ReadingMark | None = None
    """None for routers, whose position is that of their decisions."""

    @property
    def waiting(self) -> int:
        """Records that are there and not read."""
        return max(0, self.end - (self.position or 0))

    def silent_for(self, now: Millis) -> int | None:
        """Milliseconds since it was heard; None where it tells nothing."""
        return None if self.mark is None else max(0, now - self.mark.told)


@dataclass(frozen=True, slots=True)
class Standing:
    """A reader that stands still, and why it is taken to."""

    reader: Reader
    why: str


Look = Callable[[Iterable[Place]], Awaitable[Mapping[Place, Reader]]]
"""The readers of these places as they are now."""


def seems_still(reader: Reader, now: Millis) -> bool:
    """Whether it is worth another look."""
    silent = reader.silent_for(now)
    if silent is None:
        return reader.waiting > 0
    assert reader.mark is not None
    stands = max(silent, reader.mark.told - reader.mark.moved) > STILL
    return silent > SILENT or (reader.waiting > 0 and stands)


def has_moved(before: Reader, after: Reader) -> bool:
    """Whether it has done anything that somebody waits for between two looks."""
    if after.position != before.position:
        return True
    if after.waiting:
        # To be heard is no progress while something waits; but of whom nothing was known, now something is.
        return before.mark is None and after.mark is not None
    told = None if after.mark is None else after.mark.told
    return before.mark is None or told != before.mark.told


def why_still(reader: Reader, now: Millis) -> str:
    """What is seen of a reader that stands still, to be read after its name."""
    waits = f"{reader.waiting} records of {reader.place[0]} wait"
    silent = reader.silent_for(now)
    if silent is None:
        return waits if reader.position is not None else f"{waits}, and it was never heard"
    heard = f"not heard for {silent // SECOND} s"
    if silent <= SILENT:
        assert reader.mark is not None
        return f"{waits}, and nothing has moved for {(now - reader.mark.moved) // SECOND} s"
    return f"{waits}, and it was {heard}" if reader.waiting else heard


async def find_standing(
    first: Mapping[Place, Reader],
    look: Look,
    *,
    clock: Callable[[], Millis],
    monotonic: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> tuple[Standing, ...]:
    """Those of the readers that stand still, looked at again for `PATIENCE` where they seem to."""
    now = clock()
    suspects = {place: reader for place, reader in first.items() if seems_still(reader, now)}
    until = monotonic() + PATIENCE
    while suspects and monotonic() < until:
        await sleep(LOOK_EVERY)
        seen = await look(suspects)
        suspects = {place: first[place] for place in suspects if not has_moved(first[place], seen[place])}
    return tuple(Standing(reader, why_still(reader, clock())) for reader in suspects.values())
