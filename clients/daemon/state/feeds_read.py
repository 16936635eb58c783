"""What was read of a feed, written down: where reading goes on, and what an officer must know of a gap.

    feed_lost      records were deleted before they were read
    feed_rewound   the topic is another one than was read: it came back from an older copy, or was made anew

Owns these two alarms. In the transaction that takes the records in.
"""

from __future__ import annotations

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import positions
from runtime.kafka.ports import Fetched


def note_read(context: UnitContext, fetched: Fetched, *, position: int | None = None) -> None:
    """This was read. `position` is where reading goes on, if not all of it is done with."""
    place = f"{fetched.topic}/{fetched.partition}"
    if fetched.lost:
        context.alarm("feed_lost", cause=place, detail=f"{place}: {fetched.lost} offsets")
    if fetched.rewound_from is not None:
        detail = f"{place}: read to {fetched.rewound_from}, other records from {fetched.position} on"
        context.metrics.feeds_rewound.inc()
        context.alarm("feed_rewound", cause=place, detail=detail)
    positions.move_position(context.store, fetched, position=position)
