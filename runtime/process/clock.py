"""The wall clock, in the unit that every record uses."""

from __future__ import annotations

import time

from protocol.identifiers import Millis


def now() -> Millis:
    """Unix time in milliseconds."""
    return Millis(time.time_ns() // 1_000_000)
