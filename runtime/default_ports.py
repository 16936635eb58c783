"""The loopback ports of an exchange's processes, where nobody chose others. The one place that has them.

Two of a kind on one machine need two: `init` takes another number, and a process whose port is in use says so
at its start, with the setting to change. 0 is none.
"""

from __future__ import annotations

from typing import Final

UNIT: Final = 9460
"""A unit's daemon: health and metrics; messages are at its socket alone."""

ROUTER: Final = 9470
WATCH: Final = 9475
"""`contrada centre watch`."""

LEDGER: Final = 9480
WITNESS_ASKED: Final = 9490
"""Where logs ask a witness for cosignatures."""

WITNESS: Final = 9491
"""A witness's health and metrics."""
