"""`centre top` on a terminal: looks every few seconds, and draws what it saw over what was there.

Owns the looks and the drawing. rich is imported by whoever draws. A batch of decisions that does not verify
is counted and left out, as everywhere: `centre audit` names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from broker.centre.progress_look import ProgressLook
from broker.centre.registry import Registry
from broker.centre.seen.top_rows import Row, TrailCount, sorted_rows, top_rows
from broker.centre.seen.troubles import age_words
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.limits import MINUTE
from protocol.trail.batches import verify_decisions
from protocol.trail.stated_acts import is_acts
from runtime.cli.columns import printable
from runtime.cli.command import Invocation
from runtime.cli.kafka_calls import follow, read_to_end
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord
from runtime.process.clock import now

if TYPE_CHECKING:
    from rich.table import Table

TAIL: Final = 4_000
"""Offsets of the audit topic that are read at the beginning."""

LONGEST_NAME: Final = 32


@dataclass(slots=True)
class TopView:
    """An open view of the exchange."""

    registry: Registry
    look: ProgressLook
    count: TrailCount = field(default_factory=TrailCount)
    unverified: int = 0

    @classmethod
    @asynccontextmanager
    async def of(cls, invocation: Invocation) -> AsyncIterator[TopView]:
        """The directory as it is now, and the end of the audit trail; what comes after is followed."""
        registry = await Registry.read(invocation)
        there = set(await KafkaTopicAdmin(registry.kafka).list())
        async with ProgressLook.at(registry, there) as look:
            view, feeds = cls(registry, look), KafkaFeeds(registry.kafka)
            start = max(0, await feeds.end(topics.AUDIT, 0) - TAIL)
            at = await read_to_end(feeds, topics.AUDIT, view.take, start=start)
            following = asyncio.create_task(follow(feeds, topics.AUDIT, view.take, start=at), name="audit")
            try:
                yield view
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    def take(self, record: InputRecord) -> None:
        """Count a batch of decisions, once it is verified."""
        if is_acts(record.value):
            return
        try:
            decisions = verify_decisions(record.value, parties=self.registry.directory)
        except Rejected:
            self.unverified += 1
            return
        for decision in decisions.records:
            self.count.take(decision)

    async def rows(self, *, by: str, most: int) -> list[Row]:
        """What there is now, the worst first."""
        readers = await self.look.readers()
        rows = top_rows(self.registry.directory.units(), readers, self.count, now=now())
        return sorted_rows(rows, by)[:most]


async def show_live(view: TopView, *, by: str, every: float, most: Callable[[], int]) -> None:
    """Draw until interrupted."""
    from rich.console import Console  # noqa: PLC0415 - heavy, and drawn on a terminal alone
    from rich.live import Live  # noqa: PLC0415

    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            rows = await view.rows(by=by, most=most())
            live.update(drawn_table(rows, by=by, now=now(), unverified=view.unverified), refresh=True)
            await asyncio.sleep(every)


def drawn_table(rows: list[Row], *, by: str, now: Millis, unverified: int = 0) -> Table:
    """The rows as a table."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    title = f"units, by {by}; each minute" + (f"; {unverified} batches do not verify" if unverified else "")
    table = Table(title=title, expand=True)
    for name in HEADS:
        table.add_column(name, justify="left" if name in ("UNIT", "HEARD", "DEADLINE") else "right")
    for row in rows:
        # As text, so that no name is markup.
        table.add_row(*(Text(cell, style=_style(row, now)) for cell in cells_of(row, now)))
    return table


HEADS: Final = ("UNIT", "TO DECIDE", "TO READ", "DECIDED", "REFUSED", "HEARD", "OPEN", "DEADLINE")


def cells_of(row: Row, now: Millis) -> list[str]:
    """A row in words: ages for moments."""
    name = printable(str(row["unit"])[:LONGEST_NAME])
    heard = "never" if row["heard"] is None else _ago(row["heard"], now)
    return [
        f"{name} (suspended)" if row["suspended"] else name,
        *(str(row[field_]) for field_ in ("outbox_lag", "inbox_lag", "rate", "refused")),
        heard,
        str(row["open"]),
        _left(row["deadline"], now),
    ]


def _ago(moment: int, now: Millis) -> str:
    seconds = max(0, now - moment) // 1000
    return f"{seconds} s ago" if seconds < 120 else f"{age_words(Millis(moment), now)} ago"


def _left(deadline: int | None, now: Millis) -> str:
    if deadline is None:
        return ""
    if deadline <= now:
        return f"over since {age_words(Millis(deadline), now)}"
    return f"in {age_words(Millis(2 * now - deadline), now)}"


def _style(row: dict[str, Any], now: Millis) -> str:
    if row["deadline"] is not None and row["deadline"] <= now:
        return "bold red"
    silent = row["heard"] is not None and now - row["heard"] > MINUTE
    return "yellow" if silent or row["refused"] else ""
